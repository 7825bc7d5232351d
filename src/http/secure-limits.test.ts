import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import http2 from 'node:http2'
import os from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, test } from 'node:test'
import tls from 'node:tls'
import { type Identity, makeIdentity } from './certificate.test.support.js'
import type { FileServer } from './serve.js'
import {
  exchange as exchangePlainly,
  kept,
  last,
  pause,
  serversOf,
  statusOf,
  until,
} from './serve.test.support.js'

/* What is refused and bounded without TLS is so with it, over HTTP/1.1 and HTTP/2. */

const base = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-tls-limits-'))
const root = path.join(base, 'root')
fs.mkdirSync(root)
fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
fs.writeFileSync(path.join(root, 'large'), Buffer.alloc(1 << 20))
after(() => fs.rmSync(base, { recursive: true }))
const identity = makeIdentity(base, 'limits') as Identity
const skip = identity === undefined && 'there is no openssl to make a certificate with'
const withServer = serversOf(
  () => root,
  () => ({ tls: identity }),
)

const open = ({ port }: FileServer, ALPNProtocols?: string[]) =>
  tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols }).on('error', () => {})

/** @returns all that comes for bytes until the server closes */
async function exchange(server: FileServer, text: string): Promise<string> {
  const socket = open(server)
  let received = ''
  socket.on('data', chunk => {
    received += chunk
  })
  socket.write(text)
  await new Promise(resolve => socket.once('close', resolve))
  return received
}

const openSession = ({ port }: FileServer) =>
  http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false }).on('error', () => {})

async function ask2(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Buffer,
): Promise<{ status: number | undefined; headers: http2.IncomingHttpHeaders; body: string }> {
  const stream = session.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  const [head] = await once(stream, 'response')
  return { status: head[':status'], headers: head, body: String(await buffer(stream)) }
}

const POST = 'POST /a.txt HTTP/1.1\r\nHost: x\r\n'

test('a body that comes at once and is many times too long is told of', {
  skip,
  timeout: 20_000,
}, async () => {
  await withServer({ maxBody: 1000 }, async server => {
    const counted = `${kept('/a.txt', 'Content-Length: 3000\r\n')}${'x'.repeat(3000)}`
    assert.match(await exchange(server, counted), /^HTTP\/1\.1 413 .*Connection: close\r\n/s)
  })
})

test('who goes before the turn of what was asked for is no failure of the server', {
  skip,
  timeout: 20_000,
}, async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => void warnings.push(warning)
  process.on('warning', onWarning)
  await withServer({}, async server => {
    const socket = open(server)
    await once(socket, 'secureConnect')
    socket.pause()
    socket.write(kept('/large').repeat(20) + kept('/a.txt').repeat(5))
    await until(() => server.stats.requests > 0)
    socket.destroy()
    await until(() => server.connections === 0 && server.stats.requests === 25)
    assert.deepEqual([...server.stats.statuses.keys()], [200])
  })
  process.off('warning', onWarning)
  assert.deepEqual(warnings, [])
})

test('a body that is too long is told of, however it comes and whatever its sender still sends', {
  skip,
}, async () => {
  await withServer({ maxBody: 100_000 }, async server => {
    const get = (more: string) => kept('/a.txt', more)
    const counted = await exchange(server, `${get('Content-Length: 100001\r\n')}abc`)
    assert.match(counted, /^HTTP\/1\.1 413 .*Connection: close\r\n/s)
    const piece = `2710\r\n${'x'.repeat(10_000)}\r\n`
    const chunked = `${get('Transfer-Encoding: chunked\r\n')}${piece.repeat(15)}`
    assert.match(await exchange(server, chunked), /^HTTP\/1\.1 413 .*Connection: close\r\n/s)
    assert.equal(statusOf(await exchange(server, `${get('Content-Length: 3\r\n')}abc${last('/a.txt')}`)), 200)
    const session = openSession(server)
    const long = await ask2(session, { ':path': '/a.txt' }, Buffer.alloc(150_000))
    assert.equal(long.status, 413)
    const declared = await ask2(
      session,
      { ':path': '/a.txt', 'content-length': 100_001 },
      Buffer.alloc(100_001),
    )
    assert.equal(declared.status, 413)
    const fits = await ask2(session, { ':path': '/a.txt' }, Buffer.alloc(100_000))
    assert.deepEqual([fits.status, fits.body], [200, 'hello'])
    session.close()
    assert.equal(server.stats.statuses.get(413), 4)
    await until(() => server.connections === 0)
  })
})

test('a body that does not come whole in time is 408, and one that is malformed 400', { skip }, async () => {
  await withServer({ bodyTimeout: 300 }, async server => {
    const late = await exchange(server, `${kept('/a.txt', 'Content-Length: 9\r\n')}abc`)
    assert.match(late, /^HTTP\/1\.1 408 .*Connection: close\r\n/s)
    const malformed = `${kept('/a.txt', 'Transfer-Encoding: chunked\r\n')}3\r\nabcd\r\n0\r\n\r\n`
    assert.equal(statusOf(await exchange(server, malformed)), 400)
    const session = openSession(server)
    const stream = session.request({ ':path': '/a.txt' }, { endStream: false })
    const [head] = await once(stream, 'response')
    assert.equal(head[':status'], 408)
    session.destroy()
  })
})

test('a malformed body is 400 in the last request that is taken, too', {
  skip,
  timeout: 30_000,
}, async () => {
  await withServer({ maxRequests: 1, bodyTimeout: 20_000 }, async server => {
    const malformed = `${kept('/a.txt', 'Transfer-Encoding: chunked\r\n')}3\r\nabcd\r\n0\r\n\r\n`
    assert.equal(statusOf(await exchange(server, malformed)), 400)
    assert.equal(server.stats.timeouts, 0)
  })
})

test('a HEAD that is refused has no body', { skip }, async () => {
  await withServer({ headTimeout: 1500, bodyTimeout: 300 }, async server => {
    const begun = 'HEAD /a.txt HTTP/1.1\r\nHost: x\r\n'
    for (const [request, refusal] of [
      [`${begun}Host: x\r\n\r\n`, 400],
      [`${begun}X : y\r\n\r\n`, 400],
      [`${begun}Content-Length: 4\r\n\r\na`, 408],
      [begun, 408],
    ] as const) {
      const text = await exchange(server, request)
      assert.equal(statusOf(text), refusal, request)
      assert.equal(text.indexOf('\r\n\r\n'), text.length - 4, request)
    }
  })
})

test('of what is sent ahead so much is answered as may be, and behind what is malformed nothing', {
  skip,
}, async () => {
  await withServer({ maxPipelined: 3 }, async server => {
    const text = await exchange(server, kept('/a.txt').repeat(5))
    assert.equal(text.match(/ 200 OK/g)?.length, 3)
    assert.equal(text.match(/Connection: close/g)?.length, 1)
    const malformed = await exchange(server, `${kept('/large').repeat(2)}GET\r\n\r\n${kept('/a.txt')}`)
    assert.deepEqual(malformed.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 400'])
    assert.match(malformed, /Connection: close\r\n\r\nBad Request\n$/)
    const polite = open(server)
    for (let round = 0; round < 5; round++) {
      polite.write(kept('/a.txt').repeat(3))
      let answers = ''
      while (answers.match(/hello/g)?.length !== 3) answers += (await once(polite, 'data'))[0]
    }
    polite.destroy()
  })
})

test('a connection ends behind its last request', { skip }, async () => {
  await withServer({ maxRequests: 3 }, async server => {
    const text = await exchange(server, kept('/a.txt').repeat(5))
    assert.equal(text.match(/ 200 OK/g)?.length, 3)
    assert.equal(text.match(/Connection: close/g)?.length, 1)
    const session = openSession(server)
    const told = once(session, 'goaway')
    for (let at = 0; at < 3; at++) assert.equal((await ask2(session, { ':path': '/a.txt' })).body, 'hello')
    await told
    await once(session, 'close')
    assert.equal(server.stats.requests, 6)
  })
})

test('a head may be as long as it may, over every protocol', { skip }, async () => {
  const headLimits = { line: 100, fields: 5, bytes: 500 }
  await withServer({ headLimits }, async server => {
    const many = (count: number) => Array.from({ length: count }, (_, at) => [`x-${at}`, 'y'])
    const lines = (count: number) =>
      many(count)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')
    assert.equal(statusOf(await exchange(server, last('/a.txt', lines(3)))), 200)
    assert.equal(statusOf(await exchange(server, last('/a.txt', lines(4)))), 431)
    assert.equal(statusOf(await exchange(server, last(`/${'a'.repeat(100)}`))), 414)
    assert.equal(statusOf(await exchange(server, last('/a.txt', `x: ${'y'.repeat(500)}\r\n`))), 431)
    const session = openSession(server)
    const status = async (target: string, fields: string[][]) =>
      (await ask2(session, { ':path': target, ...Object.fromEntries(fields) })).status
    assert.equal(await status('/a.txt', many(4)), 200)
    assert.equal(await status('/a.txt', many(5)), 431)
    assert.equal(await status(`/${'a'.repeat(100)}`, []), 414)
    session.close()
  })
  await withServer({ headLimits, tls: undefined } as object, async server => {
    const plain = async (text: string) => statusOf(await exchangePlainly(server.port, text))
    assert.equal(await plain(last('/a.txt', 'a: b\r\n'.repeat(3))), 200)
    assert.equal(await plain(last('/a.txt', 'a: b\r\n'.repeat(4))), 431)
    assert.equal(await plain(last(`/${'a'.repeat(100)}`)), 414)
    assert.equal(await plain(last('/a.txt', `x: ${'y'.repeat(500)}\r\n`)), 431)
  })
})

test('a tunnel is refused aloud, and noted', { skip }, async () => {
  const accessLog = path.join(base, 'access.log')
  await withServer({ accessLog, accessLogFormat: 'common' }, async server => {
    const tunnel = 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n\x16\x03\x01'
    const text = await exchange(server, kept('/a.txt') + tunnel)
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 405'])
    assert.match(text, /Allow: GET, HEAD, OPTIONS\r\nConnection: close\r\n/)
    const session = openSession(server)
    const { status, headers } = await ask2(session, { ':method': 'CONNECT', ':authority': 'a.example:443' })
    assert.deepEqual([status, headers.allow], [405, 'GET, HEAD, OPTIONS'])
    session.close()
  })
  assert.deepEqual(fs.readFileSync(accessLog, 'utf8').match(/"CONNECT \S+ HTTP\/\S+" 405/g), [
    '"CONNECT a.example:443 HTTP/1.1" 405',
    '"CONNECT a.example:443 HTTP/2.0" 405',
  ])
})

test('a request of HTTP/2 names one host', { skip }, async () => {
  await withServer({}, async server => {
    const session = openSession(server)
    const status = async (headers: object) => (await ask2(session, { ':path': '/a.txt', ...headers })).status
    assert.equal(await status({ ':authority': 'a' }), 200)
    assert.equal(await status({ ':authority': 'a', host: 'a' }), 200)
    assert.equal(await status({ ':authority': 'a', host: 'b' }), 400)
    assert.equal(await status({ ':authority': 'a:b' }), 400)
    session.close()
  })
})

/** A frame of HTTP/2. @see RFC 9113, section 4.1 */
function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

const [HEADERS, RESET, SETTINGS] = [1, 3, 4]
/** GET https://x/large, of the static table but for the path and the host. @see RFC 7541, appendix A */
const REQUEST = Buffer.from('\x82\x87\x04\x06/large\x01\x01x', 'latin1')

test('of streams at once there are so many, and one more is refused', { skip }, async () => {
  await withServer({ maxPipelined: 3 }, async server => {
    const socket = open(server, ['h2'])
    await once(socket, 'secureConnect')
    socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(SETTINGS, 0, 0)]))
    const seen: { type: number; stream: number; payload: Buffer }[] = []
    let rest = Buffer.alloc(0)
    socket.on('data', chunk => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
        const end = 9 + rest.readUIntBE(0, 3)
        seen.push({ type: rest[3] as number, stream: rest.readUInt32BE(5), payload: rest.subarray(9, end) })
        rest = rest.subarray(end)
      }
    })
    // The window of each is 64 KiB, so that none of them ends.
    for (const stream of [1, 3, 5, 7]) socket.write(frame(HEADERS, 5, stream, REQUEST))
    await until(() => seen.some(({ type }) => type === RESET))
    const refused = seen.filter(({ type }) => type === RESET)
    assert.deepEqual(
      refused.map(({ stream, payload }) => [stream, payload.readUInt32BE(0)]),
      [[7, http2.constants.NGHTTP2_REFUSED_STREAM]],
    )
    await until(() => seen.filter(({ type }) => type === HEADERS).length === 3)
    socket.destroy()
  })
})

/** As REQUEST, with POST for its method. */
const POSTED = Buffer.concat([Buffer.from([0x83]), REQUEST.subarray(1)])
/** A window of no bytes for each stream. @see RFC 9113, section 6.5.2 */
const NO_WINDOW = Buffer.from([0, 4, 0, 0, 0, 0])
const DATA = 0
const END_OF_HEAD = 4

for (const [what, request, flags, body] of [
  ['while it is sent', REQUEST, END_OF_HEAD | 1, 0],
  ['while its body comes', REQUEST, END_OF_HEAD, 100],
  ['with a body that is too long', REQUEST, END_OF_HEAD, 2000],
  ['that is refused', POSTED, END_OF_HEAD, 0],
] as const) {
  test(`a request called off without an error is over, and the server's end does not wait for it: ${what}`, {
    skip,
    timeout: 10_000,
  }, async () => {
    await withServer({ maxBody: 1000 }, async server => {
      const socket = open(server, ['h2']).resume()
      await once(socket, 'secureConnect')
      const begin = Buffer.concat([
        Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
        frame(SETTINGS, 0, 0, NO_WINDOW),
      ])
      const asked = [begin, frame(HEADERS, flags, 1, request)]
      if (body > 0) asked.push(frame(DATA, 0, 1, Buffer.alloc(body)))
      socket.write(Buffer.concat(asked))
      // The head has been answered or looked at.
      await pause(100)
      const noError = Buffer.alloc(4)
      socket.write(frame(RESET, 0, 1, noError))
      await until(() => server.stats.requests === 1)
      await server.close({ timeout: 60_000 })
    })
  })
}

test('the body of a request that is refused anyway is not waited for', { skip }, async () => {
  await withServer({}, async server => {
    const text = await exchange(server, `${POST}Content-Length: 9\r\n\r\nabc`)
    assert.match(text, /^HTTP\/1\.1 405 .*Connection: close\r\n/s)
    const asked = await exchange(server, `${POST}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`)
    assert.match(asked, /^HTTP\/1\.1 405 .*Connection: close\r\n/s)
    const session = openSession(server)
    const stream = session.request({ ':path': '/a.txt', ':method': 'POST' }, { endStream: false })
    const [head] = await once(stream, 'response')
    assert.equal(head[':status'], 405)
    stream.resume()
    await once(stream, 'close')
    assert.equal(stream.rstCode, http2.constants.NGHTTP2_NO_ERROR)
    session.close()
  })
})

test('a version that is too old is not spoken, with a renewed certificate neither', { skip }, async () => {
  const tlsOptions = { ...identity, minVersion: 'TLSv1.3' } as const
  await withServer({ tls: tlsOptions }, async server => {
    const versionOf = async (maxVersion: tls.SecureVersion) => {
      const { port } = server
      const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion })
      const version = await new Promise(resolve => {
        socket.once('secureConnect', () => resolve(socket.getProtocol()))
        socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code))
      })
      socket.destroy()
      return version
    }
    for (let round = 0; round < 2; round++) {
      assert.equal(await versionOf('TLSv1.3'), 'TLSv1.3')
      // By an alert, or a reset that was quicker.
      assert.match(String(await versionOf('TLSv1.2')), /^(?:ERR_SSL|ECONNRESET)/)
      server.reload()
    }
  })
  await withServer({}, async server => {
    const socket = open(server, ['http/1.1'])
    await once(socket, 'secureConnect')
    assert.equal(socket.getProtocol(), 'TLSv1.3')
    socket.destroy()
  })
  const wrong = { ...identity, minVersion: 'SSLv3' as 'TLSv1.2' }
  await assert.rejects(
    withServer({ tls: wrong }, async () => {}),
    { code: 'ERR_INVALID_ARG_VALUE' },
  )
})

test('a client of HTTP/2 that opens no window is dropped as one that takes nothing', { skip }, async () => {
  await withServer({ sendTimeout: 1000, rateWindow: 1000 }, async server => {
    const session = http2
      .connect(`https://127.0.0.1:${server.port}`, {
        rejectUnauthorized: false,
        settings: { initialWindowSize: 0 },
      })
      .on('error', () => {})
    session.request({ ':path': '/large' }).on('error', () => {})
    // It is reset, which once() would take for a failure.
    await new Promise(resolve => session.once('close', resolve))
  })
})

test('silence before a request does not count for the time that its head takes', { skip }, async () => {
  await withServer({ headTimeout: 1500 }, async server => {
    const socket = open(server)
    let received = ''
    socket.on('data', chunk => {
      received += chunk
    })
    socket.write(kept('/a.txt'))
    await until(() => received.endsWith('hello'))
    await new Promise(resolve => setTimeout(resolve, 2000))
    const request = last('/a.txt')
    socket.write(request.slice(0, 10))
    await new Promise(resolve => setTimeout(resolve, 600))
    received = ''
    socket.end(request.slice(10))
    await once(socket, 'close')
    assert.match(received, /^HTTP\/1\.1 200/)
  })
})
