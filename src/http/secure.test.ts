import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import http2 from 'node:http2'
import https from 'node:https'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, test } from 'node:test'
import tls from 'node:tls'
import { promisify } from 'node:util'
import { type Identity, makeIdentity } from './certificate.test.support.js'
import { type FileServer, serve } from './serve.js'
import { serversOf, until } from './serve.test.support.js'

const base = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-tls-'))
const root = path.join(base, 'root')
fs.mkdirSync(path.join(root, 'sub'), { recursive: true })
const LARGE = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 7) & 255))
fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
fs.writeFileSync(path.join(root, 'empty'), '')
fs.writeFileSync(path.join(root, 'large.bin'), LARGE)
fs.writeFileSync(path.join(root, 'page.html'), '<p>plain</p>')
fs.writeFileSync(path.join(root, 'page.html.br'), 'not really brotli')
after(() => fs.rmSync(base, { recursive: true }))

const first = makeIdentity(base, 'first') as Identity
const second = makeIdentity(base, 'second') as Identity
const skip = first === undefined && 'there is no openssl to make a certificate with'

const withServer = serversOf(
  () => root,
  () => ({ tls: first }),
)

interface Reply {
  status: number
  headers: Record<string, unknown>
  body: Buffer
}
type Ask = (target: string, headers?: Record<string, string>, method?: string) => Promise<Reply>

/** Asks over HTTP/1.1, one connection a request. */
function over1(server: FileServer): Ask {
  return async (target, headers = {}, method = 'GET') => {
    const options = { port: server.port, host: '127.0.0.1', rejectUnauthorized: false, agent: false as const }
    const request = https.request({ ...options, path: target, method, headers }).end()
    const [response] = await once(request, 'response')
    return { status: response.statusCode, headers: response.headers, body: await buffer(response) }
  }
}

function openSession(server: FileServer): http2.ClientHttp2Session {
  return http2.connect(`https://127.0.0.1:${server.port}`, { rejectUnauthorized: false })
}

/** Asks over one HTTP/2 session. */
function over2(session: http2.ClientHttp2Session): Ask {
  return async (target, headers = {}, method = 'GET') => {
    const stream = session.request({ ':path': target, ':method': method, ...headers }).end()
    const [head] = await once(stream, 'response')
    return { status: head[':status'], headers: head, body: await buffer(stream) }
  }
}

async function both(server: FileServer, use: (ask: Ask, version: string) => Promise<void>): Promise<void> {
  await use(over1(server), '1.1')
  const session = openSession(server)
  await use(over2(session), '2.0')
  session.close()
  await once(session, 'close')
}

test('a server’s state is there over TLS as well, and counted', { skip }, async () => {
  await withServer({ status: { path: '/state' } }, async server => {
    await over1(server)('/a.txt')
    const { status, headers, body } = await over1(server)('/state/json')
    assert.equal(status, 200)
    assert.equal(headers['cache-control'], 'no-store')
    const report = JSON.parse(body.toString())
    assert.equal(report.requests, 1)
    assert.equal(report.latency.count, 1)
    assert.equal(report.mechanisms.stream, 1)
    await both(server, async (ask, version) => {
      const page = await ask('/state')
      assert.equal(page.status, 200)
      assert.match(String(page.headers['content-security-policy']), /^default-src 'none'/)
      assert.match(String(page.body), /^<!doctype html>/)
      await ask('/large.bin')
      const { cache, mechanisms } = JSON.parse(String((await ask('/state/json')).body))
      assert.equal(cache.files, 2, version)
      assert.ok(mechanisms.stream > 1)
      const metrics = await ask('/state/metrics')
      assert.equal(metrics.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
      assert.match(String(metrics.body), /^sluice_http_cache_files 2$/m)
    })
  })
})

test('files, conditions, ranges, codings and refusals are the same over both protocols', {
  skip,
}, async () => {
  await withServer({ headers: { '*.txt': { 'X-Rule': 'text' } }, listing: true }, async server => {
    await both(server, async ask => {
      const whole = await ask('/a.txt')
      assert.equal(whole.status, 200)
      assert.equal(String(whole.body), 'hello')
      assert.equal(whole.headers['x-rule'], 'text')
      assert.equal(whole.headers['x-content-type-options'], 'nosniff')
      const { etag } = whole.headers as { etag: string }
      assert.equal((await ask('/a.txt', { 'if-none-match': etag })).status, 304)
      assert.equal((await ask('/a.txt', { 'if-match': '"other"' })).status, 412)
      const part = await ask('/large.bin', { range: 'bytes=1000000-1999999' })
      assert.equal(part.status, 206)
      assert.ok(part.body.equals(LARGE.subarray(1_000_000, 2_000_000)))
      const parts = await ask('/large.bin', { range: 'bytes=0-9,2000000-2000009' })
      assert.match(String(parts.headers['content-type']), /^multipart\/byteranges/)
      assert.equal(parts.body.length, Number(parts.headers['content-length']))
      assert.ok(parts.body.includes(LARGE.subarray(2_000_000, 2_000_010)))
      assert.equal((await ask('/a.txt', { range: 'bytes=9-' })).status, 416)
      assert.equal((await ask('/page.html', { 'accept-encoding': 'br' })).headers['content-encoding'], 'br')
      assert.equal((await ask('/absent')).status, 404)
      assert.equal((await ask('/sub')).headers.location, '/sub/')
      assert.equal((await ask('/sub/', { accept: 'application/json' })).status, 200)
      assert.equal((await ask('/a.txt', {}, 'PUT')).status, 405)
      assert.equal((await ask('/..%2fsecret')).status, 400)
      const head = await ask('/large.bin', {}, 'HEAD')
      assert.equal(head.body.length, 0)
      assert.equal(head.headers['content-length'], String(LARGE.length))
      assert.equal((await ask('/empty')).body.length, 0)
    })
  })
})

test('what is asked for is counted, and noted with its protocol', { skip }, async () => {
  const accessLog = path.join(base, 'access.log')
  await withServer({ accessLog, accessLogFormat: 'common' }, async server => {
    await both(server, async ask => void (await ask('/large.bin')))
    assert.equal(server.stats.requests, 2)
    assert.equal(server.stats.statuses.get(200), 2)
    assert.ok(server.stats.bytes >= 2 * LARGE.length)
    assert.equal(server.stats.mechanisms.get('stream'), 2)
  })
  const lines = fs.readFileSync(accessLog, 'utf8').trimEnd().split('\n')
  assert.deepEqual(
    lines.map(line => /^127\.0\.0\.1 .* "(.*)" 200 3000000$/.exec(line)?.[1]),
    ['GET /large.bin HTTP/1.1', 'GET /large.bin HTTP/2.0'],
  )
})

test('many streams of one session are answered at once', { skip }, async () => {
  await withServer({}, async server => {
    const session = openSession(server)
    const ask = over2(session)
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, at) => ask(at % 2 ? '/large.bin' : '/a.txt')),
    )
    for (const [at, { body }] of replies.entries()) assert.equal(body.length, at % 2 ? LARGE.length : 5)
    assert.equal(server.connections, 1)
    session.destroy()
    await once(session, 'close')
  })
})

test('curl gets a file by either protocol', { skip }, async t => {
  const url = (server: FileServer) => `https://127.0.0.1:${server.port}/a.txt`
  await withServer({}, async server => {
    for (const [flag, version] of [
      ['--http1.1', '1.1'],
      ['--http2', '2'],
    ]) {
      const args = [
        '-s',
        '--max-time',
        '20',
        '--cacert',
        first.cert,
        flag,
        '-w',
        ' %{http_version}',
        url(server),
      ]
      const { stdout } = await promisify(execFile)('curl', args).catch(error => {
        if (error.code === 'ENOENT') return { stdout: undefined }
        throw error
      })
      if (stdout === undefined) t.skip('there is no curl')
      else assert.equal(stdout, `hello ${version}`)
    }
    // A client that has gone leaves nothing behind, without waiting for a time limit.
    while (server.connections > 0) await new Promise(resolve => setTimeout(resolve, 5))
    assert.equal(server.stats.timeouts, 0)
  })
})

test('closing finishes what is under way over both protocols, and lets idle ones go', { skip }, async () => {
  const server = await serve({ root, host: '127.0.0.1', port: 0, tls: first })
  const session = openSession(server)
  const idle = openSession(server)
  await Promise.all([once(session, 'connect'), once(idle, 'connect')])
  const stream = session.request({ ':path': '/large.bin' })
  await once(stream, 'response')
  const options = { port: server.port, host: '127.0.0.1', rejectUnauthorized: false }
  const request = https.request({
    ...options,
    path: '/large.bin',
    agent: new https.Agent({ keepAlive: true }),
  })
  const [response] = await once(request.end(), 'response')
  const closed = server.close()
  const [over2Body, over1Body] = await Promise.all([
    buffer(stream),
    buffer(response as AsyncIterable<Buffer>),
  ])
  assert.ok(over2Body.equals(LARGE))
  assert.ok(over1Body.equals(LARGE))
  await closed
  assert.equal(server.connections, 0)
})

test('closing waits for what has begun to come over HTTP/1.1, and answers it as the last', {
  skip,
  timeout: 30_000,
}, async () => {
  const head = 'GET /a.txt HTTP/1.1\r\nHost: x\r\n'
  for (const [begun, rest] of [
    [head.slice(0, 9), `${head.slice(9)}\r\n`],
    [`${head}Content-Length: 4\r\n\r\na`, 'bcd'],
  ] as const) {
    const server = await serve({ root, host: '127.0.0.1', port: 0, tls: first })
    const socket = tls.connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false })
    let received = ''
    socket.on('data', chunk => {
      received += chunk
    })
    const closed = once(socket, 'close')
    // One after another: what comes while an answer is on its way is no beginning yet.
    socket.write(`${head}\r\n`)
    await until(() => received.endsWith('hello'))
    socket.write(begun)
    // What another one asks for later is answered when that has come.
    await over1(server)('/a.txt')
    const closing = server.close()
    socket.write(rest)
    await closed
    await closing
    assert.equal(received.match(/HTTP\/1\.1 200 OK/g)?.length, 2, begun)
    assert.equal(received.match(/Connection: close/g)?.length, 1, begun)
    assert.ok(received.endsWith('hello'))
  }
})

function serial(server: FileServer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN as string)
      socket.end()
    })
    socket.on('error', reject)
  })
}

test('a renewed certificate is shown to new connections, and one that does not fit is not taken', {
  skip,
}, async () => {
  const files = { cert: path.join(base, 'live.crt'), key: path.join(base, 'live.key') }
  const put = (identity: Identity, names: ('cert' | 'key')[]) => {
    for (const name of names) fs.copyFileSync(identity[name], files[name])
  }
  put(first, ['cert', 'key'])
  await withServer({ tls: files }, async server => {
    const session = openSession(server)
    await once(session, 'connect')
    assert.equal(await serial(server), 'first')
    put(second, ['cert'])
    assert.throws(() => server.reload(), {
      code: 'ERR_SLUICE_CERTIFICATE',
      message: /live\.key.*does not belong.*live\.crt/,
    })
    assert.equal(await serial(server), 'first')
    put(second, ['key'])
    server.reload()
    assert.equal(await serial(server), 'second')
    assert.equal(String((await over2(session)('/a.txt')).body), 'hello', 'a connection that was open goes on')
    session.close()
  })
})

test('a certificate that is replaced is taken without being told', { skip, timeout: 30_000 }, async () => {
  const files = { cert: path.join(base, 'watched.crt'), key: path.join(base, 'watched.key') }
  const put = (identity: Identity) => {
    for (const name of ['cert', 'key'] as const) {
      fs.copyFileSync(identity[name], `${files[name]}.new`)
      fs.renameSync(`${files[name]}.new`, files[name])
    }
  }
  put(first)
  await withServer({ tls: files }, async server => {
    assert.equal(await serial(server), 'first')
    put(second)
    while ((await serial(server)) !== 'second') await new Promise(resolve => setTimeout(resolve, 50))
    assert.ok(server.stats.reloads > 0)
  })
})

test('a certificate or key that cannot be used is told by its file', { skip }, async () => {
  const junk = path.join(base, 'junk')
  fs.writeFileSync(junk, 'nonsense')
  const absent = path.join(base, 'absent')
  const start = (options: object) => serve({ root, port: 0, tls: { ...first, ...options } })
  await assert.rejects(start({ cert: absent }), { code: 'ENOENT', path: absent })
  await assert.rejects(start({ key: absent }), { code: 'ENOENT', path: absent })
  const certificate = { code: 'ERR_SLUICE_CERTIFICATE' }
  await assert.rejects(start({ cert: junk }), { ...certificate, message: /junk' holds no certificate/ })
  await assert.rejects(start({ key: junk }), { ...certificate, message: /junk' holds no private key/ })
  const key = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' },
  }).privateKey
  await assert.rejects(start({ key: Buffer.from(key) }), {
    ...certificate,
    message: /there is no passphrase$/,
  })
  // What stands beside a key says nothing of it.
  const noted = Buffer.concat([Buffer.from('# NOT ENCRYPTED\n'), fs.readFileSync(first.key)])
  await (await start({ key: noted })).close()
  await assert.rejects(start({ key: second.key }), {
    ...certificate,
    message: /second\.key.*does not belong/,
  })
  await assert.rejects(start({ cert: 7 }), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('a client that does not finish its handshake, speaks no TLS or goes quiet is dropped', {
  skip,
}, async () => {
  await withServer({ headTimeout: 300, idleTimeout: 300 }, async server => {
    const open = () =>
      net
        .connect(server.port, '127.0.0.1')
        .on('error', () => {})
        .resume()
    const silent = open()
    const plain = open()
    plain.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    const half = tls.connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false }, () =>
      half.write('GET / HT'),
    )
    let told = ''
    half
      .on('error', () => {})
      .on('data', text => {
        told += text
      })
    const idle = openSession(server).on('error', () => {})
    await Promise.all(
      [silent, plain, half, idle].map(peer => new Promise(resolve => peer.once('close', resolve))),
    )
    await until(() => server.connections === 0)
    assert.equal(server.stats.timeouts, 3)
    assert.match(told, /^HTTP\/1\.1 408 Request Timeout\r\n[\s\S]*Connection: close\r\n/)
  })
})

test('heads, bodies and hosts that are refused without TLS are refused with it', { skip }, async () => {
  await withServer({ maxBody: 1000 }, async server => {
    await both(server, async (ask, version) => {
      assert.equal((await ask(`/${'a'.repeat(9000)}`)).status, 414)
      const many = Object.fromEntries(Array.from({ length: 110 }, (_, at) => [`x-${at}`, 'y']))
      if (version === '1.1') assert.equal((await ask('/a.txt', many)).status, 431)
      if (version === '1.1') assert.equal((await ask('/a.txt', { host: 'a b' })).status, 400)
    })
    const options = { port: server.port, host: '127.0.0.1', rejectUnauthorized: false, agent: false as const }
    const request = https.request({ ...options, method: 'POST', path: '/a.txt' }).on('error', () => {})
    const closed = new Promise(resolve => request.once('close', resolve))
    const feed = setInterval(() => request.write(Buffer.alloc(500)), 5)
    await closed
    clearInterval(feed)
  })
})

test('a file that gets shorter in mid-response ends it short', { skip }, async () => {
  await withServer({}, async server => {
    const name = path.join(root, 'shrinking')
    for (const version of [1, 2]) {
      fs.writeFileSync(name, Buffer.alloc(32 << 20, 'x'))
      const session = openSession(server)
      const options = {
        port: server.port,
        host: '127.0.0.1',
        rejectUnauthorized: false,
        agent: false as const,
      }
      const source =
        version === 2
          ? session.request({ ':path': '/shrinking' })
          : ((
              await once(https.get({ ...options, path: '/shrinking' }), 'response')
            )[0] as NodeJS.ReadableStream)
      if (version === 2) await once(source, 'response')
      fs.truncateSync(name, 1000)
      await assert.rejects(buffer(source as AsyncIterable<Buffer>), Error)
      session.destroy()
    }
    assert.equal((await over1(server)('/a.txt')).status, 200)
  })
})
