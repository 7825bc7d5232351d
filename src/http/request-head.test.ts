import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HEADER } from './header-name.js'
import { RequestHead } from './request-head.js'

const HOST = 'Host: a\r\n'

function parse(text: string): number {
  const bytes = Buffer.from(text, 'latin1')
  return new RequestHead().parse(bytes, 0, bytes.length)
}

/** What the parser says when the same bytes come one by one. */
function parseBytewise(text: string): number {
  const bytes = Buffer.from(text, 'latin1')
  const head = new RequestHead()
  for (let end = 0; end <= bytes.length; end++) {
    const result = head.parse(bytes, 0, end)
    if (result !== 0) return result
  }
  return 0
}

const GOOD: [name: string, text: string][] = [
  ['a request', `GET / HTTP/1.1\r\n${HOST}\r\n`],
  ['RFC 9112 2.2: an empty line before the request line', `\r\nGET / HTTP/1.1\r\n${HOST}\r\n`],
  ['RFC 9112 3.2: HTTP/1.0 without a Host', 'GET / HTTP/1.0\r\n\r\n'],
  ['RFC 9112 3.2.2: the absolute form', `GET http://a/b HTTP/1.1\r\n${HOST}\r\n`],
  ['RFC 9112 3.2.4: the asterisk form', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`],
  ['RFC 9110 2.5: a later minor version', `GET / HTTP/1.9\r\n${HOST}\r\n`],
  ['RFC 9112 5: white space around a value', `GET / HTTP/1.1\r\n${HOST}Accept: \t a \t\r\n\r\n`],
  ['RFC 9112 5: an empty value', `GET / HTTP/1.1\r\n${HOST}X-Empty:\r\n\r\n`],
  ['RFC 9110 5.5: obs-text in a value', `GET / HTTP/1.1\r\n${HOST}X-A: \xe9\r\n\r\n`],
  ['RFC 9112 7: a chunked body', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: Chunked\r\n\r\n`],
]

const BAD: [name: string, text: string, status: number][] = [
  ['RFC 9112 2.2: a bare LF after the request line', `GET / HTTP/1.1\n${HOST}\r\n`, 400],
  ['RFC 9112 2.2: a bare LF after a field', 'GET / HTTP/1.1\r\nHost: a\n\r\n', 400],
  ['RFC 9112 2.2: a bare CR in a value', 'GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n', 400],
  ['RFC 9112 2.2: a bare CR in the request line', `GET /\r HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['RFC 9112 3: two spaces in the request line', `GET  / HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['RFC 9112 3: a space in the target', `GET /a b HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['RFC 9112 3: a space after the version', `GET / HTTP/1.1 \r\n${HOST}\r\n`, 400],
  ['RFC 9112 3.1: a method that is no token', `G(T / HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['RFC 9112 3.2: bytes above 127 in the target', `GET /\xe9 HTTP/1.1\r\n${HOST}\r\n`, 400],
  ['RFC 9112 3.2: no Host', 'GET / HTTP/1.1\r\n\r\n', 400],
  ['RFC 9112 3.2: two Hosts', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400],
  ['RFC 9112 2.3: another major version', `GET / HTTP/2.0\r\n${HOST}\r\n`, 505],
  ['RFC 9112 2.3: a version in lower case', `GET / http/1.1\r\n${HOST}\r\n`, 400],
  ['RFC 9112 2.3: a version of two digits', `GET / HTTP/1.10\r\n${HOST}\r\n`, 400],
  ['RFC 9112 5.1: white space before the colon', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', 400],
  ['RFC 9112 5.1: a field without a name', `GET / HTTP/1.1\r\n${HOST}: a\r\n\r\n`, 400],
  ['RFC 9112 5.2: a folded line', `GET / HTTP/1.1\r\n${HOST}X-A: b\r\n c\r\n\r\n`, 400],
  ['RFC 9112 2.2: white space before the first field', `GET / HTTP/1.1\r\n ${HOST}\r\n`, 400],
  ['RFC 9110 5.5: a NUL in a value', `GET / HTTP/1.1\r\n${HOST}X-A: b\0c\r\n\r\n`, 400],
  [
    'RFC 9112 6.3: two lengths that agree',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 1\r\n\r\n`,
    400,
  ],
  ['RFC 9112 6.3: a list of lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 1, 1\r\n\r\n`, 400],
  ['RFC 9110 8.6: a signed length', `POST / HTTP/1.1\r\n${HOST}Content-Length: +1\r\n\r\n`, 400],
  ['RFC 9110 8.6: an empty length', `POST / HTTP/1.1\r\n${HOST}Content-Length:\r\n\r\n`, 400],
  [
    'RFC 9110 8.6: a length beyond counting',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 9007199254740993\r\n\r\n`,
    400,
  ],
  [
    'RFC 9112 6.1: both kinds of length',
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    400,
  ],
  ['RFC 9112 6.1: chunks from HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
  ['RFC 9112 6.1: another coding', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n`, 501],
  [
    'RFC 9112 6.1: a coding that only looks like chunked',
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n`,
    400,
  ],
  ['RFC 9110 10.1.1: another expectation', `GET / HTTP/1.1\r\n${HOST}Expect: tea\r\n\r\n`, 417],
  ['RFC 9112 3: a line too long', `GET /${'a'.repeat(9000)} HTTP/1.1\r\n${HOST}\r\n`, 414],
  ['RFC 6585 5: too many fields', `GET / HTTP/1.1\r\n${HOST}${'A: b\r\n'.repeat(100)}\r\n`, 431],
  ['RFC 6585 5: a head too long', `GET / HTTP/1.1\r\n${HOST}A: ${'b'.repeat(20000)}\r\n\r\n`, 431],
]

for (const [name, text] of GOOD) {
  test(`accepts: ${name}`, () => {
    assert.equal(parse(text), text.length)
    assert.equal(parseBytewise(text), text.length)
  })
}

for (const [name, text, status] of BAD) {
  test(`refuses: ${name}`, () => {
    assert.equal(parse(text), -status)
    assert.equal(parseBytewise(text), -status)
  })
}

test('fields are found whatever their case, and absent ones are undefined', () => {
  const text = 'GET /x?y HTTP/1.1\r\nhOST: a.b:1\r\nrange: bytes=0-1\r\nX-Other: z\r\n\r\n'
  const bytes = Buffer.from(text)
  const head = new RequestHead()
  assert.equal(head.parse(bytes, 0, bytes.length), bytes.length)
  assert.equal(head.method, 'GET')
  assert.equal(head.target, '/x?y')
  assert.equal(head.get(HEADER.HOST), 'a.b:1')
  assert.equal(head.get(HEADER.RANGE), 'bytes=0-1')
  assert.equal(head.get(HEADER.IF_MATCH), undefined)
})

test('a connection is kept as each version has it', () => {
  const kept = (text: string) => {
    const bytes = Buffer.from(text)
    const head = new RequestHead()
    assert.ok(head.parse(bytes, 0, bytes.length) > 0)
    return head.keepAlive
  }
  assert.equal(kept(`GET / HTTP/1.1\r\n${HOST}\r\n`), true)
  assert.equal(kept(`GET / HTTP/1.1\r\n${HOST}Connection: foo, Close\r\n\r\n`), false)
  assert.equal(kept(`GET / HTTP/1.1\r\n${HOST}Connection: close, keep-alive\r\n\r\n`), false)
  assert.equal(kept('GET / HTTP/1.0\r\n\r\n'), false)
  assert.equal(kept('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n'), true)
})

test('pipelined requests are taken one by one, and nothing of one shows in the next', () => {
  const first = `GET /1 HTTP/1.1\r\n${HOST}Range: bytes=0-\r\nConnection: close\r\n\r\n`
  const second = `HEAD /2 HTTP/1.1\r\n${HOST}\r\n`
  const bytes = Buffer.from(first + second)
  const head = new RequestHead()
  assert.equal(head.parse(bytes, 0, bytes.length), first.length)
  assert.equal(head.parse(bytes, first.length, bytes.length), second.length)
  assert.equal(head.method, 'HEAD')
  assert.equal(head.has(HEADER.RANGE), false)
  assert.equal(head.keepAlive, true)
})

test('any bytes, cut anywhere, are judged as they are whole', () => {
  const pieces = fc.constantFrom(
    'GET / HTTP/1.1\r\n',
    HOST,
    '\r\n',
    '\n',
    '\r',
    'A: b\r\n',
    ' ',
    ':',
    '\0',
    'Content-Length: 3\r\n',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), parts => {
      const text = parts.join('')
      assert.equal(Math.sign(parseBytewise(text)), Math.sign(parse(text)))
      if (parse(text) > 0) assert.equal(parseBytewise(text), parse(text))
    }),
  )
})
