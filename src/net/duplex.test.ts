import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import tls, { TLSSocket } from 'node:tls'
import type { Connection } from './connection.js'
import type { ConnectionDuplex } from './duplex.js'
import { dial, pattern, readAll, serve, settled, testOnBoth, withPair } from './net.test.support.js'

/** A certificate for localhost that lasts as long as the tests; undefined where there is no openssl. */
function certificate(): { key: string; cert: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  try {
    const [key, cert] = [join(folder, 'key'), join(folder, 'cert')]
    const request = [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '1',
    ]
    execFileSync('openssl', [...request, '-subj', '/CN=localhost', '-keyout', key, '-out', cert], {
      stdio: 'ignore',
    })
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  } catch {
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const identity = certificate()
const skip = identity === undefined && 'there is no openssl to make a certificate with'

/** Hands every connection to a server of Node's that listens nowhere itself. */
function onto(server: {
  emit(event: string, ...args: unknown[]): boolean
}): (connection: Connection) => void {
  return connection => {
    server.emit('connection', connection.toDuplex())
  }
}

const answer: http.RequestListener = async (request, response) => {
  const body = await text(request)
  response.setHeader('X-Peer', request.socket.remoteAddress ?? '')
  response.end(`${request.method} ${request.url} ${body.length}`)
}

async function fetched(request: http.ClientRequest, body: string | Buffer): Promise<string> {
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  return text(response)
}

testOnBoth('http serves on it: keep-alive, bodies of any size, many at once', async () => {
  const server = http.createServer(answer)
  await using listener = await serve(onto(server))
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 })
  const ask = (path: string, body: string) =>
    fetched(http.request({ port: listener.port, host: '127.0.0.1', path, method: 'POST', agent }), body)
  assert.equal(await ask('/first', ''), 'POST /first 0')
  assert.equal(await ask('/again', 'x'.repeat(300_000)), 'POST /again 300000')
  assert.equal(listener.stats().accepted, 1)
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) => ask(`/${index}`, 'y'.repeat(index))),
  )
  assert.deepEqual(
    answers,
    Array.from({ length: 50 }, (_, index) => `POST /${index} ${index}`),
  )
  agent.destroy()
  server.close()
  await settled(() => listener.connections.size === 0)
})

testOnBoth('an http client speaks over it', async () => {
  const server = http.createServer(answer)
  await using listener = await serve(onto(server))
  const connection = await dial(listener)
  const createConnection = () => connection.toDuplex()
  const request = http.request({ createConnection, path: '/over', method: 'PUT' })
  assert.equal(await fetched(request, 'body'), 'PUT /over 4')
  server.closeAllConnections()
  await connection.closed
})

testOnBoth(
  'https serves on it, and a TLS client speaks over it',
  async () => {
    const server = https.createServer({ ...identity }, answer)
    await using listener = await serve(onto(server))
    const options = {
      port: listener.port,
      host: '127.0.0.1',
      method: 'POST',
      ca: identity?.cert,
      agent: false as const,
    }
    const checkServerIdentity = () => undefined
    const ask = (path: string) =>
      https.request({ ...options, path, servername: 'localhost', checkServerIdentity })
    assert.equal(await fetched(ask('/tls'), 'z'.repeat(100_000)), 'POST /tls 100000')
    const connection = await dial(listener)
    const socket = tls.connect({ socket: connection.toDuplex(), ca: identity?.cert, servername: 'localhost' })
    await once(socket, 'secureConnect')
    socket.write('GET /over HTTP/1.0\r\n\r\n')
    assert.match(await text(socket), /\r\n\r\nGET \/over 0$/)
    server.close()
    await connection.closed
    await settled(() => listener.connections.size === 0)
  },
  { skip },
)

testOnBoth(
  'a TLSSocket around it encrypts',
  async () => {
    await withPair(async (near, far) => {
      const inner = new TLSSocket(far.toDuplex(), {
        isServer: true,
        secureContext: tls.createSecureContext(identity),
      })
      inner.on('data', data => inner.write(data))
      inner.on('end', () => inner.end())
      const outer = tls.connect({ socket: near.toDuplex(), ca: identity?.cert, servername: 'localhost' })
      outer.end(pattern(100_000))
      const chunks: Buffer[] = []
      for await (const chunk of outer) chunks.push(chunk)
      assert.ok(Buffer.concat(chunks).equals(pattern(100_000)))
    })
  },
  { skip },
)

testOnBoth('http2 serves on it, many streams at once', async () => {
  const server = http2.createServer()
  server.on('stream', (stream, headers) => {
    stream.respond({ ':status': 200 })
    stream.end(`${headers[':path']} ${'s'.repeat(20_000)}`)
  })
  await using listener = await serve(onto(server))
  const connection = await dial(listener)
  const session = http2.connect('http://localhost', { createConnection: () => connection.toDuplex() })
  const ask = async (path: string) => text(session.request({ ':path': path }))
  const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => ask(`/${index}`)))
  for (const [index, body] of answers.entries()) assert.equal(body, `/${index} ${'s'.repeat(20_000)}`)
  session.close()
  await connection.closed
  server.close()
})

testOnBoth('a pipeline through it keeps every byte and its own pace', async () => {
  const total = 3_000_000
  await using listener = await serve(async connection => {
    const duplex = connection.toDuplex()
    await pipeline(duplex, duplex)
  })
  const duplex = (await dial(listener)).toDuplex()
  duplex.end(pattern(total))
  const chunks: Buffer[] = []
  for await (const chunk of duplex) {
    chunks.push(chunk)
    if (chunks.length % 10 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  assert.ok(Buffer.concat(chunks).equals(pattern(total)))
  await settled(() => listener.connections.size === 0)
})

testOnBoth('a failure of the connection is one of the stream', async () => {
  await withPair(async (near, far) => {
    const stream = near.toDuplex()
    await far.reset()
    const [error] = await once(stream.resume(), 'error')
    assert.equal(error.code, 'ECONNRESET')
    assert.equal(stream.destroyed, true)
  })
})

testOnBoth('a connection that is closed here takes its stream along, read or not', async () => {
  for (const used of ['never', 'paused', 'read'] as const) {
    await withPair(async (near, far) => {
      const stream = near.toDuplex()
      await far.write(pattern(300_000))
      if (used === 'paused') await once(stream, 'readable')
      if (used === 'read') stream.resume()
      const told: string[] = []
      for (const event of ['end', 'error', 'close']) stream.on(event, () => told.push(event))
      await near.destroy()
      await settled(() => stream.closed)
      assert.deepEqual([used, stream.destroyed, told], [used, true, ['close']])
    })
  }
})

testOnBoth('what came before both ends ended can be read when the connection is closed', async () => {
  await withPair(async (near, far) => {
    const stream = near.toDuplex()
    await far.write(pattern(50_000))
    await far.end()
    await once(stream, 'readable')
    stream.end('bye')
    // By readiness the peer's end is not seen before somebody reads as far.
    await settled(() => near.fd === -1, 100)
    await settled(() => false, 10)
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk)
    assert.ok(Buffer.concat(chunks).equals(pattern(50_000)))
  })
})

testOnBoth('http hears that the connection of a paused upload was closed', async () => {
  const told: string[] = []
  const server = http.createServer((request, response) => {
    request.once('readable', () => told.push('readable'))
    request.on('error', error => told.push((error as NodeJS.ErrnoException).code ?? ''))
    request.on('close', () => told.push('request closed'))
    response.on('close', () => told.push('response closed'))
  })
  const listener = await serve(onto(server))
  const client = await dial(listener)
  client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n').catch(() => {})
  client.write(Buffer.alloc(5_000_000)).catch(() => {})
  await settled(() => told.length > 0)
  await listener.close({ timeout: 0 })
  await settled(() => told.length === 4)
  assert.deepEqual(told.sort(), ['ECONNRESET', 'readable', 'request closed', 'response closed'])
  await client.destroy()
  server.close()
})

testOnBoth('a time of silence that is none is refused, and one beyond all timers is never over', async () => {
  await withPair(async near => {
    const stream = near.toDuplex()
    for (const wrong of [Infinity, Number.NaN, -1])
      assert.throws(() => stream.setTimeout(wrong), { code: 'ERR_OUT_OF_RANGE' })
    assert.throws(() => stream.setTimeout('20' as unknown as number), { code: 'ERR_INVALID_ARG_TYPE' })
    stream.on('timeout', () => assert.fail('it is over'))
    stream.setTimeout(2 ** 40)
    await settled(() => false, 20)
    assert.equal(stream.timeout, 2 ** 31 - 1)
    stream.destroy()
    await near.closed
  })
})

testOnBoth('silence is told as of a socket, once until something moves', async () => {
  await withPair(async (near, far) => {
    const stream: ConnectionDuplex = near.toDuplex()
    let count = 0
    stream.on('timeout', () => count++)
    stream.setTimeout(20)
    stream.resume()
    await once(stream, 'timeout')
    await far.write('x')
    await once(stream, 'timeout')
    assert.equal(count, 2)
    assert.equal(stream.destroyed, false)
    stream.destroy()
    await near.closed
  })
})

testOnBoth("it tells its addresses as a socket of Node's", async () => {
  await withPair(async (near, far) => {
    const stream = near.toDuplex()
    assert.equal(stream.remoteAddress, '127.0.0.1')
    assert.equal(stream.remoteFamily, 'IPv4')
    assert.equal(stream.localPort, far.toDuplex().remotePort)
    assert.deepEqual(stream.address(), near.localAddress)
    stream.setNoDelay(true).setKeepAlive(true, 5000).ref().unref().ref()
  })
})

testOnBoth('http hands it over for another protocol, by upgrade and by CONNECT', async () => {
  const server = http.createServer()
  for (const event of ['upgrade', 'connect'] as const) {
    server.on(event, (request: http.IncomingMessage, socket: Duplex) => {
      socket.write(`HTTP/1.1 ${request.method === 'GET' ? '101 Switching' : '200 Connected'}\r\n`)
      socket.write('Connection: Upgrade\r\nUpgrade: echo\r\n\r\n')
      socket.pipe(socket)
    })
  }
  await using listener = await serve(onto(server))
  const headers = { Connection: 'Upgrade', Upgrade: 'echo' }
  const ways = [
    ['upgrade', { headers }],
    ['connect', { method: 'CONNECT', path: 'there:1' }],
  ] as const
  for (const [event, options] of ways) {
    const request = http.request({ host: '127.0.0.1', port: listener.port, ...options }).end()
    const [, socket] = (await once(request, event)) as [http.IncomingMessage, Socket]
    socket.end(pattern(100_000))
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk)
    assert.ok(Buffer.concat(chunks).equals(pattern(100_000)))
  }
  server.close()
  await settled(() => listener.connections.size === 0)
})

testOnBoth(
  'http2 over TLS serves on it, as the two ends agree by ALPN',
  async () => {
    const server = http2.createSecureServer({ ...identity })
    server.on('stream', (stream, headers) => {
      stream.respond({ ':status': 200 })
      stream.end(`${headers[':path']} ${stream.session?.alpnProtocol}`)
    })
    await using listener = await serve(onto(server))
    const session = http2.connect(`https://127.0.0.1:${listener.port}`, {
      ca: identity?.cert,
      servername: 'localhost',
      checkServerIdentity: () => undefined,
    })
    const ask = async (path: string) => text(session.request({ ':path': path }))
    const paths = Array.from({ length: 10 }, (_, index) => `/${index}`)
    assert.deepEqual(
      await Promise.all(paths.map(ask)),
      paths.map(path => `${path} h2`),
    )
    session.close()
    server.close()
    await settled(() => listener.connections.size === 0)
  },
  { skip },
)

testOnBoth('a burst of many pieces is seen to get on while its peer reads', async () => {
  await withPair(async (near, far) => {
    const duplex = near.toDuplex()
    duplex.cork()
    for (let count = 0; count < 3000; count++) duplex.write(pattern(10_000, count * 10_000))
    duplex.uncork()
    duplex.end()
    const seen = new Set<number>()
    for await (const _ of far) seen.add(near.bytesWritten)
    assert.equal(near.bytesWritten, 30_000_000)
    assert.ok(seen.size > 2, `written: ${[...seen].join(', ')}`)
  })
})

testOnBoth('a stream takes any number of small writes while its peer reads nothing', async () => {
  await withPair(async (near, far) => {
    const duplex = near.toDuplex()
    const errors: Error[] = []
    duplex.on('error', error => errors.push(error))
    let length = 0
    while (near.writableLength < 300_000) {
      duplex.write(pattern(8000, length))
      length += 8000
      await settled(() => false, 1)
    }
    duplex.cork()
    for (let count = 0; count < 20_000; count++) {
      duplex.write(pattern(100, length))
      length += 100
    }
    duplex.uncork()
    duplex.end()
    const all = await readAll(far)
    assert.deepEqual(errors, [])
    assert.equal(all.length, length)
    assert.ok(all.equals(pattern(length)))
  })
})
