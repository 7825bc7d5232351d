import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { chooseEncoding } from './accept-encoding.js'
import { ChunkedBody } from './chunked-body.js'
import { formatHttpDate, parseHttpDate } from './http-date.js'
import { evaluateConditions, ifRangeHolds } from './preconditions.js'
import { parseRanges } from './ranges.js'
import { parseTarget } from './request-path.js'

test('RFC 9110 14.1.2: ranges from the start, to the end, and of a suffix', () => {
  assert.deepEqual(parseRanges('bytes=0-4', 10), [{ start: 0, end: 4 }])
  assert.deepEqual(parseRanges('bytes=5-', 10), [{ start: 5, end: 9 }])
  assert.deepEqual(parseRanges('bytes=-3', 10), [{ start: 7, end: 9 }])
  assert.deepEqual(parseRanges('bytes=-30', 10), [{ start: 0, end: 9 }])
  assert.deepEqual(parseRanges('bytes=8-100', 10), [{ start: 8, end: 9 }])
})

test('RFC 9110 14.2: what is malformed or of another unit is ignored, what cannot be satisfied is 416', () => {
  for (const field of [
    'items=0-1',
    'bytes=a-b',
    'bytes=5-4',
    'bytes=-',
    'bytes=',
    'bytes=1-2-3',
    'bytes 0-1',
  ]) {
    assert.equal(parseRanges(field, 10), undefined, field)
  }
  assert.deepEqual(parseRanges('bytes=10-', 10), [])
  assert.deepEqual(parseRanges('bytes=-0', 10), [])
  assert.deepEqual(parseRanges('bytes=0-', 0), [])
})

test('RFC 9110 15.3.7.2 and 17.15: near ranges are coalesced, far ones kept in order, too many ignored', () => {
  assert.deepEqual(parseRanges('bytes=0-9,10-19', 1000), [{ start: 0, end: 19 }])
  assert.deepEqual(parseRanges('bytes=900-999,0-9', 1000), [
    { start: 900, end: 999 },
    { start: 0, end: 9 },
  ])
  assert.equal(
    parseRanges(`bytes=${Array.from({ length: 33 }, (_, i) => `${i * 1000}-${i * 1000}`)}`, 1e6),
    undefined,
  )
})

test('ranges never leave the representation and never overlap', () => {
  const bound = fc.option(fc.nat(200), { nil: '' as const })
  const spec = fc.tuple(bound, bound).map(([a, b]) => `${a}-${b}`)
  fc.assert(
    fc.property(fc.array(spec, { minLength: 1, maxLength: 8 }), fc.nat(150), (specs, size) => {
      const ranges = parseRanges(`bytes=${specs.join(',')}`, size) ?? []
      for (const { start, end } of ranges) assert.ok(0 <= start && start <= end && end < size)
      const ordered = ranges.toSorted((a, b) => a.start - b.start)
      for (let index = 1; index < ordered.length; index++)
        assert.ok(ordered[index - 1].end < ordered[index].start)
    }),
  )
})

test('RFC 9110 5.6.7: the three forms of a date mean the same', () => {
  for (const text of [
    'Sun, 06 Nov 1994 08:49:37 GMT',
    'Sunday, 06-Nov-94 08:49:37 GMT',
    'Sun Nov  6 08:49:37 1994',
  ]) {
    assert.equal(parseHttpDate(text), 784111777)
  }
  for (const text of ['', 'yesterday', 'Sun, 31 Feb 2020 00:00:00 GMT', 'Sun, 06 Nov 1994 25:00:00 GMT']) {
    assert.equal(parseHttpDate(text), undefined)
  }
  assert.equal(formatHttpDate(784111777000), 'Sun, 06 Nov 1994 08:49:37 GMT')
})

test('RFC 9110 13.2.2: conditions are evaluated in their order', () => {
  const validators = { etag: '"a"', lastModified: 1000 }
  const none = {
    ifMatch: undefined,
    ifNoneMatch: undefined,
    ifModifiedSince: undefined,
    ifUnmodifiedSince: undefined,
  }
  const judge = (conditions: object, safe = true) =>
    evaluateConditions({ ...none, ...conditions }, validators, safe)
  const before = formatHttpDate(999_000)
  const then = formatHttpDate(1_000_000)
  assert.equal(judge({}), 0)
  assert.equal(judge({ ifMatch: '"a"' }), 0)
  assert.equal(judge({ ifMatch: 'W/"a"' }), 412)
  assert.equal(judge({ ifMatch: '"b"' }), 412)
  assert.equal(judge({ ifMatch: '*', ifUnmodifiedSince: before }), 0)
  assert.equal(judge({ ifUnmodifiedSince: before }), 412)
  assert.equal(judge({ ifNoneMatch: '"b", W/"a"' }), 304)
  assert.equal(judge({ ifNoneMatch: '*' }, false), 412)
  assert.equal(judge({ ifNoneMatch: '"b"', ifModifiedSince: then }), 0)
  assert.equal(judge({ ifModifiedSince: then }), 304)
  assert.equal(judge({ ifModifiedSince: before }), 0)
  assert.equal(judge({ ifModifiedSince: 'nonsense' }), 0)
})

test('RFC 9110 13.1.5: a range is honoured only for the same representation', () => {
  const validators = { etag: '"a"', lastModified: 1000 }
  assert.equal(ifRangeHolds('"a"', validators, 2000), true)
  assert.equal(ifRangeHolds('W/"a"', validators, 2000), false)
  assert.equal(ifRangeHolds(formatHttpDate(1_000_000), validators, 2000), true)
  assert.equal(ifRangeHolds(formatHttpDate(1_001_000), validators, 2000), false)
  assert.equal(ifRangeHolds(formatHttpDate(1_000_000), validators, 1000), false)
})

test('RFC 9110 12.5.3: codings are chosen by weight, then by how well they compress', () => {
  const all = ['br', 'zstd', 'gzip'] as const
  assert.equal(chooseEncoding(undefined, all), 'identity')
  assert.equal(chooseEncoding('', all), 'identity')
  assert.equal(chooseEncoding('gzip, br', all), 'br')
  assert.equal(chooseEncoding('gzip;q=1, br;q=0.5', all), 'gzip')
  assert.equal(chooseEncoding('br;q=0, *', all), 'zstd')
  assert.equal(chooseEncoding('*;q=0', all), 'identity')
  assert.equal(chooseEncoding('identity, gzip;q=0.5', all), 'identity')
  assert.equal(chooseEncoding('GZIP ; q=0.8', ['gzip']), 'gzip')
  assert.equal(chooseEncoding('gzip;q=2', ['gzip']), 'identity')
})

test('RFC 3986 5.2.4: a target is normalised, and none climbs', () => {
  assert.deepEqual(parseTarget('/a/./b//c/')?.segments, ['a', 'b', 'c'])
  assert.deepEqual(parseTarget('/a/b/../c')?.segments, ['a', 'c'])
  assert.deepEqual(parseTarget('/%61%2E%2e')?.segments, ['a..'])
  assert.deepEqual(parseTarget('http://h:80/x?y=/../z'), {
    segments: ['x'],
    directory: false,
    raw: '/x',
    query: '?y=/../z',
  })
  for (const target of ['/', '/a/', '/a/.', '/a/..', '/%2e', '/a/%2E%2e', '/a/.%2e'])
    assert.equal(parseTarget(target)?.directory, true, target)
  for (const target of ['/a', '/a/..b', '/%2e%2e%2e', '/a/...'])
    assert.equal(parseTarget(target)?.directory, false, target)
  for (const target of [
    '/..',
    '/a/../..',
    '/%2e%2e/x',
    '/a%2fb',
    '/a%00',
    '/%zz',
    '/%',
    '/%ff',
    'x',
    '*',
    '/a#b',
    'http:///x',
  ]) {
    assert.equal(parseTarget(target), undefined, target)
  }
})

test('no target has a segment that climbs, is empty or holds a slash', () => {
  const piece = fc.constantFrom('/', '.', '..', '%2e', '%2E', '%2f', '\\', 'a', '%', '%25', '%252e', '?')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), pieces => {
      for (const segment of parseTarget(`/${pieces.join('')}`)?.segments ?? []) {
        assert.ok(!['', '.', '..'].includes(segment) && !segment.includes('/') && !segment.includes('\0'))
      }
    }),
  )
})

function decodeChunks(text: string, size: number): string | number {
  const bytes = Buffer.from(text)
  const body = new ChunkedBody()
  let data = ''
  let at = 0
  while (at < bytes.length && !body.ended) {
    const end = Math.min(at + size, bytes.length)
    const next = body.read(bytes, at, end, (from, to) => {
      data += bytes.toString('latin1', from, to)
    })
    if (next < 0) return next
    at = next
  }
  return body.ended ? `${data}|${text.slice(at)}` : 0
}

test('RFC 9112 7.1: a chunked body is read the same however it comes', () => {
  const cases: [text: string, expected: string | number][] = [
    ['3\r\nabc\r\n0\r\n\r\nGET', 'abc|GET'],
    ['3;a="b"\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n', 'abc0123456789|'],
    ['0\r\n\r\n', '|'],
    ['3\r\nabc\r\n', 0],
    ['3\nabc\r\n0\r\n\r\n', -400],
    ['\r\n', -400],
    ['g\r\n', -400],
    ['0x3\r\nabc\r\n0\r\n\r\n', -400],
    ['-3\r\nabc\r\n0\r\n\r\n', -400],
    ['3 \r\nabc\r\n0\r\n\r\n', -400],
    ['3\r\nabcd\r\n0\r\n\r\n', -400],
    ['ffffffffffffffff\r\n', -400],
    ['0\r\nA: b\n\r\n', -400],
    [`0;${'x'.repeat(9000)}\r\n\r\n`, -400],
  ]
  for (const [text, expected] of cases) {
    for (const size of [1, 2, 7, 100000])
      assert.equal(decodeChunks(text, size), expected, JSON.stringify(text.slice(0, 40)))
  }
})
