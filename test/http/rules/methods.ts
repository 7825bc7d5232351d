import { ask, get, head, type Rule, refused, served } from './rule.js'

const ALLOW = 'GET, HEAD, OPTIONS'
const notAllowed = (method: string, more: Partial<Rule> = {}): Rule => ({
  name: `RFC 9110 15.5.6: ${method} is known and not allowed, and what is is told`,
  request: ask(`${method} /a.txt`),
  status: 405,
  fields: { allow: ALLOW },
  ...more,
})

/** RFC 9110, sections 9 and 15: methods and statuses. */
export const METHODS: readonly Rule[] = [
  served('RFC 9110 9.3.1: GET', get('/a.txt')),
  {
    name: 'RFC 9110 9.3.2: HEAD has the fields of GET and no body',
    request: ask('HEAD /a.txt'),
    status: 200,
    body: '',
    fields: {
      'content-length': '5',
      'content-type': 'text/plain; charset=utf-8',
      etag: '{etag}',
      'accept-ranges': 'bytes',
    },
  },
  {
    name: 'RFC 9110 9.3.2: also where it is 404',
    request: ask('HEAD /absent'),
    status: 404,
    body: '',
    fields: { 'content-length': /^\d+$/ },
  },
  {
    name: 'RFC 9110 9.3.2: or a redirect',
    request: ask('HEAD /docs'),
    status: 301,
    body: '',
    fields: { location: '/docs/' },
  },
  {
    name: 'RFC 9110 9.3.7: OPTIONS tells what is allowed',
    request: ask('OPTIONS /a.txt'),
    status: 204,
    fields: { allow: ALLOW },
  },
  {
    name: 'RFC 9110 9.3.7: also of what is not there',
    request: ask('OPTIONS /absent'),
    status: 204,
    fields: { allow: ALLOW },
  },
  refused('RFC 9112 3.2: not of a target that cannot be', ask('OPTIONS /%zz')),
  ...['POST', 'PUT', 'DELETE', 'TRACE', 'PATCH'].map(method => notAllowed(method)),
  {
    name: 'RFC 9110 9.3.6: behind a CONNECT that is refused nothing is read: it may be the tunnel’s',
    request: ask('CONNECT a.example:80'),
    status: 405,
    goesOn: false,
  },
  { name: 'RFC 9110 15.6.2: a method that nobody knows is 501', request: ask('BREW /a.txt'), status: 501 },
  { name: 'RFC 9110 9.1: methods have case', request: ask('get /a.txt'), status: 501 },
  { name: 'RFC 9110 9.1: a long one too', request: ask(`${'X'.repeat(100)} /a.txt`), status: 501 },
  {
    name: 'RFC 9110 15.5.6: a body that is not wanted is not read',
    request: `${ask('POST /a.txt', 'Content-Length: 3')}abc`,
    status: 405,
    goesOn: false,
  },
  served('RFC 9110 9.3.1: a body of GET has no meaning', `${get('/a.txt', 'Content-Length: 3')}abc`),
  {
    name: 'RFC 9110 9.3.2: nor one of HEAD',
    request: `${ask('HEAD /a.txt', 'Content-Length: 3')}abc`,
    status: 200,
    body: '',
  },
  {
    name: 'RFC 9110 9.3.7: nor one of OPTIONS',
    request: `${ask('OPTIONS *', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    status: 204,
  },
]

const persistent = (name: string, request: string, more: Partial<Rule> = {}) =>
  served(name, request, { fields: { connection: null }, ...more })
const closed = (name: string, request: string) =>
  served(name, request, { goesOn: false, fields: { connection: 'close' } })

/** RFC 9112, section 9, RFC 9110, section 7.6.1: what becomes of the connection. */
export const CONNECTIONS: readonly Rule[] = [
  persistent('RFC 9112 9.3: HTTP/1.1 goes on', get('/a.txt')),
  persistent('RFC 9112 9.3: also where it is asked to', get('/a.txt', 'Connection: keep-alive')),
  closed('RFC 9112 9.6: it ends where it is asked to, and says so', get('/a.txt', 'Connection: close')),
  closed('RFC 9110 7.6.1: options have no case', get('/a.txt', 'Connection: Close')),
  closed('RFC 9110 7.6.1: and come as a list', get('/a.txt', 'Connection: x, close')),
  closed('RFC 9110 5.3: in several lines', get('/a.txt', 'Connection: x', 'Connection: close')),
  closed('RFC 9112 9.3: close wins over keep-alive', get('/a.txt', 'Connection: close, keep-alive')),
  persistent('RFC 9110 7.6.1: an unknown option is ignored', get('/a.txt', 'Connection: closed')),
  closed('RFC 9112 9.3: HTTP/1.0 ends', head('GET /a.txt HTTP/1.0')),
  served('RFC 9112 9.3: unless it asks', head('GET /a.txt HTTP/1.0', 'Connection: keep-alive'), {
    fields: { connection: 'keep-alive' },
  }),
  closed('RFC 9112 9.3: close wins there too', head('GET /a.txt HTTP/1.0', 'Connection: keep-alive, close')),
  { name: 'RFC 9112 9.3: a 404 goes on', request: get('/absent'), status: 404, fields: { connection: null } },
  persistent(
    'RFC 9110 7.8: another protocol may be declined',
    get('/a.txt', 'Connection: Upgrade', 'Upgrade: h2c, websocket'),
  ),
  persistent(
    'RFC 9110 10.1.4: TE is ignored',
    get('/a.txt', 'Connection: TE', 'TE: trailers, deflate;q=0.5'),
  ),
  persistent('RFC 9110 7.6.2: Max-Forwards is for TRACE and OPTIONS', get('/a.txt', 'Max-Forwards: 0')),
]

/** RFC 9110, section 10.1.1. */
export const EXPECTATIONS: readonly Rule[] = [
  served(
    'RFC 9110 10.1.1: whoever expects 100-continue is told to go on',
    `${get('/a.txt', 'Expect: 100-continue', 'Content-Length: 3')}abc`,
    { continued: true },
  ),
  served(
    'RFC 9110 10.1.1: also with chunks',
    `${get('/a.txt', 'Expect: 100-Continue', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    { continued: true },
  ),
  served(
    'RFC 9110 10.1.1: without a body there is nothing to go on with',
    get('/a.txt', 'Expect: 100-continue'),
  ),
  served(
    'RFC 9110 5.6.1.2: an empty list expects nothing',
    `${get('/a.txt', 'Expect: ,', 'Content-Length: 3')}abc`,
  ),
  served(
    'RFC 9110 10.1.1: HTTP/1.0 cannot expect it',
    `${head('GET /a.txt HTTP/1.0', 'Expect: 100-continue', 'Content-Length: 3')}abc`,
    { goesOn: false },
  ),
  refused('RFC 9110 10.1.1: another expectation is 417', get('/a.txt', 'Expect: the-unexpected'), 417),
  refused(
    'RFC 9110 10.1.1: also beside the one',
    `${get('/a.txt', 'Expect: 100-continue, x', 'Content-Length: 3')}abc`,
    417,
  ),
  {
    name: 'RFC 9110 10.1.1: a body that will be refused is not asked for',
    request: ask('POST /a.txt', 'Expect: 100-continue', 'Content-Length: 3'),
    status: 405,
    goesOn: false,
  },
  {
    name: 'RFC 9110 10.1.1: nor one that is too long',
    request: get('/a.txt', 'Expect: 100-continue', 'Content-Length: 1001'),
    status: 413,
    goesOn: false,
  },
]
