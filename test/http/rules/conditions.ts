import { ask, get, type Rule, refused, served } from './rule.js'

const condition = (name: string, status: number, ...fields: string[]): Rule => ({
  name,
  request: get('/a.txt', ...fields),
  status,
  ...(status === 200 ? { body: 'hello' } : {}),
})

const DESCRIBED = { etag: '{etag}', 'last-modified': '{modified}', 'cache-control': /./ }

/** RFC 9110, sections 8.8 and 13: validators and conditions, and their order. */
export const CONDITIONS: readonly Rule[] = [
  served('RFC 9110 8.8: a representation has validators', get('/a.txt'), {
    fields: { etag: /^"[^"]+"$/, 'last-modified': '{modified}' },
  }),
  served(
    'RFC 9110 8.8.2.1: Last-Modified is not later than Date, whatever the file has',
    get('/future.txt'),
    {
      fields: { 'last-modified': / GMT$/ },
    },
  ),
  condition('RFC 9110 13.1.1: If-Match holds for the tag', 200, 'If-Match: {etag}'),
  condition('RFC 9110 13.1.1: for one of a list', 200, 'If-Match: "a", {etag}, "b"'),
  condition('RFC 9110 13.1.1: for anything', 200, 'If-Match: *'),
  condition('RFC 9110 13.1.1: not for another tag', 412, 'If-Match: "a"'),
  condition('RFC 9110 13.1.1: compared strongly', 412, 'If-Match: W/{etag}'),
  condition('RFC 9110 13.1.2: If-None-Match is 304 for the tag', 304, 'If-None-Match: {etag}'),
  condition('RFC 9110 13.1.2: for one of a list', 304, 'If-None-Match: "a", {etag}'),
  condition('RFC 9110 5.6.1.2: in which elements may be empty', 304, 'If-None-Match: , "a",, {etag} ,'),
  condition(
    'RFC 9110 5.3: and which may come in several lines',
    304,
    'If-None-Match: "a"',
    'If-None-Match: {etag}',
  ),
  condition('RFC 9110 13.1.2: for anything', 304, 'If-None-Match: *'),
  condition('RFC 9110 13.1.2: compared weakly', 304, 'If-None-Match: W/{etag}'),
  condition('RFC 9110 13.1.2: not for another tag', 200, 'If-None-Match: "a"'),
  condition('RFC 9110 8.8.3: tags have quotes', 200, 'If-None-Match: a'),
  condition('RFC 9110 8.8.3: W/ has case', 200, 'If-None-Match: w/{etag}'),
  condition('RFC 9110 8.8.3: a comma may be part of a tag', 200, 'If-None-Match: "a, b"'),
  condition('RFC 9110 13.1.3: If-Modified-Since is 304 for the date', 304, 'If-Modified-Since: {modified}'),
  condition('RFC 9110 13.1.3: for a later one', 304, 'If-Modified-Since: {later}'),
  condition('RFC 9110 13.1.3: not for an earlier one', 200, 'If-Modified-Since: {earlier}'),
  condition('RFC 9110 13.1.3: what is no date is ignored', 200, 'If-Modified-Since: yesterday'),
  condition(
    'RFC 9110 5.6.7: the old forms are read',
    304,
    'If-Modified-Since: Friday, 01-Mar-24 12:00:00 GMT',
  ),
  condition('RFC 9110 5.6.7: both', 304, 'If-Modified-Since: Fri Mar  1 12:00:00 2024'),
  condition('RFC 9110 5.6.7: no other zone', 200, 'If-Modified-Since: Fri, 01 Mar 2024 12:00:00 +0000'),
  condition(
    'RFC 9110 13.1.4: If-Unmodified-Since holds for the date',
    200,
    'If-Unmodified-Since: {modified}',
  ),
  condition('RFC 9110 13.1.4: for a later one', 200, 'If-Unmodified-Since: {later}'),
  condition('RFC 9110 13.1.4: not for an earlier one', 412, 'If-Unmodified-Since: {earlier}'),
  condition('RFC 9110 13.1.4: what is no date is ignored', 200, 'If-Unmodified-Since: yesterday'),
  condition('RFC 9110 13.2.2 1: If-Match comes first', 412, 'If-Match: "a"', 'If-None-Match: {etag}'),
  condition(
    'RFC 9110 13.2.2 1: and makes If-Unmodified-Since void',
    200,
    'If-Match: {etag}',
    'If-Unmodified-Since: {earlier}',
  ),
  condition(
    'RFC 9110 13.2.2 2: If-Unmodified-Since comes before If-None-Match',
    412,
    'If-Unmodified-Since: {earlier}',
    'If-None-Match: {etag}',
  ),
  condition(
    'RFC 9110 13.2.2 3: If-None-Match comes behind If-Match',
    304,
    'If-Match: {etag}',
    'If-None-Match: {etag}',
  ),
  condition(
    'RFC 9110 13.2.2 3: and makes If-Modified-Since void',
    200,
    'If-None-Match: "a"',
    'If-Modified-Since: {modified}',
  ),
  condition(
    'RFC 9110 13.2.2 3: also where that would not hold',
    304,
    'If-None-Match: {etag}',
    'If-Modified-Since: {earlier}',
  ),
  condition(
    'RFC 9110 13.2.2 4: If-Modified-Since counts where there is no If-None-Match',
    304,
    'If-Match: {etag}',
    'If-Modified-Since: {modified}',
  ),
  {
    name: 'RFC 9110 13.2.2 5: ranges come last',
    request: get('/a.txt', 'If-None-Match: {etag}', 'Range: bytes=0-1'),
    status: 304,
  },
  {
    name: 'RFC 9110 13.2.2 5: and are served where conditions hold',
    request: get('/a.txt', 'If-Match: {etag}', 'Range: bytes=0-1'),
    status: 206,
    body: 'he',
  },
  {
    name: 'RFC 9110 13.2.1: conditions count only for what would succeed',
    request: get('/absent', 'If-Match: "a"'),
    status: 404,
  },
  { name: 'RFC 9110 13.2.1: not for a redirect', request: get('/docs', 'If-None-Match: *'), status: 301 },
  { name: 'RFC 9110 13.2.1: not for OPTIONS', request: ask('OPTIONS /a.txt', 'If-Match: "a"'), status: 204 },
  {
    name: 'RFC 9110 13.1.3: for HEAD as for GET',
    request: ask('HEAD /a.txt', 'If-Modified-Since: {modified}'),
    status: 304,
  },
  {
    name: 'RFC 9110 13.1.2: HEAD likewise',
    request: ask('HEAD /a.txt', 'If-None-Match: {etag}'),
    status: 304,
  },
  { name: 'RFC 9110 13.1.1: and 412', request: ask('HEAD /a.txt', 'If-Match: "a"'), status: 412 },
  refused(
    'RFC 9110 13.1.3: a date comes once',
    get('/a.txt', 'If-Modified-Since: {modified}', 'If-Modified-Since: {earlier}'),
  ),
  {
    name: 'RFC 9110 15.4.5: a 304 has what a cache keeps, and nothing of a body',
    request: get('/a.txt', 'If-None-Match: {etag}'),
    status: 304,
    fields: { ...DESCRIBED, 'content-length': null, 'content-type': null, 'content-encoding': null },
  },
  {
    name: 'RFC 9110 15.4.5: Vary as well',
    site: 'coded',
    request: get('/app.js', 'Accept-Encoding: br', 'If-None-Match: {coded}'),
    status: 304,
    fields: { etag: '{coded}', vary: 'Accept-Encoding', 'content-encoding': null },
  },
  {
    name: 'RFC 9110 8.8.3.3: a coded representation has a tag of its own',
    site: 'coded',
    request: get('/app.js', 'If-None-Match: {coded}'),
    status: 200,
    body: 'let app = 1',
  },
  {
    name: 'RFC 9111 4.3.4: what a 304 freshens bears the same tag as before',
    request: get('/a.txt', 'If-Modified-Since: {modified}'),
    status: 304,
    fields: DESCRIBED,
  },
  served('RFC 9111 5.2.2: how long it may be kept is told', get('/a.txt'), {
    fields: { 'cache-control': 'public, max-age=0, must-revalidate' },
  }),
  served(
    'RFC 9111 5.2.1: a client that wants no copy of a cache is served',
    get('/a.txt', 'Cache-Control: no-cache'),
  ),
  {
    name: 'RFC 8246 2: what never changes is immutable, for a time that is told',
    site: 'rules',
    request: get('/a.txt'),
    status: 200,
    fields: { 'cache-control': 'public, max-age=31536000, immutable' },
  },
  {
    name: 'RFC 5861 3: a rule may let caches serve while they ask',
    site: 'rules',
    request: get('/long.txt'),
    status: 200,
    fields: { 'cache-control': 'max-age=60, stale-while-revalidate=600' },
  },
  {
    name: 'RFC 6266 4: a rule may have a file saved under a name',
    site: 'rules',
    request: get('/docs/b.txt'),
    status: 200,
    fields: { 'content-disposition': "attachment; filename*=UTF-8''b%C3%A4.txt" },
  },
]
