import { ask, get, type Rule, refused, served } from './rule.js'

const range = (value: string, ...fields: string[]) => get('/a.txt', `Range: ${value}`, ...fields)
const part = (name: string, value: string, body: string, where: string): Rule => ({
  name,
  request: range(value),
  status: 206,
  body,
  fields: {
    'content-range': `bytes ${where}/5`,
    'content-length': String(body.length),
    etag: '{etag}',
    'last-modified': '{modified}',
  },
})
const whole = (name: string, value: string) =>
  served(name, range(value), { fields: { 'content-range': null } })
const unsatisfied = (name: string, value: string): Rule => ({
  name,
  request: range(value),
  status: 416,
  fields: { 'content-range': 'bytes */5' },
})
const many = (count: number, step: number) =>
  Array.from({ length: count }, (_, index) => `${index * step}-${index * step}`)

/** RFC 9110, section 14 and what it has to do with others. */
export const RANGES: readonly Rule[] = [
  served('RFC 9110 14.3: that ranges are served is told', get('/a.txt'), {
    fields: { 'accept-ranges': 'bytes' },
  }),
  part('RFC 9110 14.1.2: a range, both ends included', 'bytes=1-3', 'ell', '1-3'),
  part('RFC 9110 14.1.2: of one byte', 'bytes=0-0', 'h', '0-0'),
  part('RFC 9110 14.1.2: to the end', 'bytes=2-', 'llo', '2-4'),
  part('RFC 9110 14.1.2: beyond the end', 'bytes=2-99', 'llo', '2-4'),
  part('RFC 9110 14.1.2: of a suffix', 'bytes=-2', 'lo', '3-4'),
  part('RFC 9110 14.1.2: that is longer than all', 'bytes=-99', 'hello', '0-4'),
  part('RFC 9110 14.1.2: of a number beyond counting', 'bytes=1-99999999999999999999999', 'ello', '1-4'),
  part('RFC 9110 14.1: units have no case', 'Bytes=1-3', 'ell', '1-3'),
  part('RFC 9110 5.6.1.2: elements of a list may be empty', 'bytes=,1-3,', 'ell', '1-3'),
  part('RFC 9110 14.2: what cannot be satisfied beside another is left out', 'bytes=1-3,90-99', 'ell', '1-3'),
  part('RFC 9110 15.3.7.2: ranges that overlap become one', 'bytes=0-2,1-3', 'hell', '0-3'),
  part('RFC 9110 15.3.7.2: or nearly touch', 'bytes=0-0,4-4', 'hello', '0-4'),
  whole('RFC 9110 14.2: another unit is ignored', 'lines=1-3'),
  whole('RFC 9110 14.1.1: a range that ends before it begins is ignored', 'bytes=3-1'),
  whole('RFC 9110 14.1.1: with all others', 'bytes=0-1,3-1'),
  whole('RFC 9110 14.1.1: one without ends', 'bytes=-'),
  whole('RFC 9110 14.1.1: one of letters', 'bytes=a-b'),
  whole('RFC 9110 14.1.1: none at all', 'bytes='),
  whole('RFC 9110 14.1.1: one of three ends', 'bytes=0-1-2'),
  whole('RFC 9110 14.1.1: white space around the equals sign', 'bytes = 0-1'),
  unsatisfied('RFC 9110 15.5.17: behind the end is 416, and the length told', 'bytes=5-'),
  unsatisfied('RFC 9110 15.5.17: so is a suffix of nothing', 'bytes=-0'),
  unsatisfied('RFC 9110 15.5.17: and several behind the end', 'bytes=5-,9-'),
  {
    name: 'RFC 9110 15.5.17: of an empty file nothing can be satisfied',
    request: get('/empty', 'Range: bytes=0-'),
    status: 416,
    fields: { 'content-range': 'bytes */0' },
  },
  {
    name: 'RFC 9110 14.1.2: but a suffix of it, for which there is no Content-Range',
    request: get('/empty', 'Range: bytes=-5'),
    status: 200,
    body: '',
  },
  {
    name: 'RFC 9110 14.2: ranges are for GET',
    request: ask('HEAD /a.txt', 'Range: bytes=1-3'),
    status: 200,
    fields: { 'content-length': '5', 'content-range': null },
  },
  refused('RFC 9110 14.2: a Range comes once', range('bytes=0-1', 'Range: bytes=2-3')),
  {
    name: 'RFC 9110 14.6: far ranges are parts, in the order of asking',
    request: get('/long.txt', 'Range: bytes=900-909,0-4'),
    status: 206,
    fields: { 'content-type': /^multipart\/byteranges; boundary=\w+$/, 'content-range': null },
    body: /^\r\n--(\w+)\r\nContent-Type: text\/plain; charset=utf-8\r\nContent-Range: bytes 900-909\/1000\r\n\r\n0{10}\r\n--\1\r\nContent-Type: [^\r]+\r\nContent-Range: bytes 0-4\/1000\r\n\r\n0{5}\r\n--\1--\r\n$/,
  },
  {
    name: 'RFC 9110 15.3.7.2: one that is left of several is no part',
    request: get('/long.txt', 'Range: bytes=900-909,2000-'),
    status: 206,
    fields: { 'content-range': 'bytes 900-909/1000', 'content-type': /^text/ },
  },
  {
    name: 'RFC 9110 17.15: very many ranges are an attack, and ignored',
    request: get('/long.txt', `Range: bytes=${many(200, 5)}`),
    status: 200,
    fields: { 'content-length': '1000' },
  },
  {
    name: 'RFC 9110 13.1.5: If-Range holds for the tag',
    request: range('bytes=1-3', 'If-Range: {etag}'),
    status: 206,
    body: 'ell',
  },
  {
    name: 'RFC 9110 13.1.5: and for the date',
    request: range('bytes=1-3', 'If-Range: {modified}'),
    status: 206,
    body: 'ell',
  },
  served('RFC 9110 13.1.5: not for another tag', range('bytes=1-3', 'If-Range: "a"')),
  served('RFC 9110 13.1.5: nor a weak one', range('bytes=1-3', 'If-Range: W/{etag}')),
  served('RFC 9110 13.1.5: nor a list', range('bytes=1-3', 'If-Range: {etag}, "a"')),
  served('RFC 9110 13.1.5: nor a later date', range('bytes=1-3', 'If-Range: {later}')),
  served('RFC 9110 13.1.5: nor an earlier one', range('bytes=1-3', 'If-Range: {earlier}')),
  served('RFC 9110 13.1.5: nor nonsense', range('bytes=1-3', 'If-Range: a')),
  served(
    'RFC 9110 13.1.5: where it does not hold nothing is unsatisfiable',
    range('bytes=90-', 'If-Range: "a"'),
  ),
  served('RFC 9110 13.1.5: without a Range it counts for nothing', get('/a.txt', 'If-Range: "a"')),
  {
    name: 'RFC 9110 14.2: a range is one of the coded representation',
    site: 'coded',
    request: get('/app.js', 'Accept-Encoding: br', 'Range: bytes=0-2'),
    status: 206,
    body: 'bro',
    fields: { 'content-range': 'bytes 0-2/6', 'content-encoding': 'br', vary: 'Accept-Encoding' },
  },
]
