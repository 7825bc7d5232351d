import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import net, { type AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { staticFiles } from 'sluice/http'

/* Who moves a file's bytes under the middleware: the kernel, where that is possible, else Node, in pieces. */

const MEBIBYTE = Buffer.from(Array.from({ length: 1 << 20 }, (_, index) => (index * 7) & 255))
const LARGE = 256 << 20
let root: string

before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-moves-'))
  fs.writeFileSync(path.join(root, 'mebibyte'), MEBIBYTE)
  fs.writeFileSync(path.join(root, 'a'), 'a')
  fs.writeFileSync(path.join(root, 'large'), '')
  fs.truncateSync(path.join(root, 'large'), LARGE)
})

after(() => fs.rmSync(root, { recursive: true }))

const handler = (): http.RequestListener => {
  const files = staticFiles(root)
  return (request, response) => files(request, response, () => response.writeHead(404).end())
}

const descriptors = () =>
  fs
    .readdirSync('/proc/self/fd')
    .map(fd => {
      try {
        return fs.readlinkSync(`/proc/self/fd/${fd}`)
      } catch {
        return '' // that of the listing itself
      }
    })
    .filter(name => name.startsWith('socket:') || name.startsWith('pipe:') || name.startsWith(root)).length

async function withServer(use: (port: number, sockets: Set<net.Socket>) => Promise<void>): Promise<void> {
  const server = http.createServer(handler()).listen(0, '127.0.0.1')
  const sockets = new Set<net.Socket>()
  server.on('connection', socket => sockets.add(socket))
  await once(server, 'listening')
  try {
    await use((server.address() as AddressInfo).port, sockets)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

async function get(
  port: number,
  agent: http.Agent,
  headers: http.OutgoingHttpHeaders = {},
  name = 'mebibyte',
) {
  const request = http.get({ port, host: '127.0.0.1', path: `/${name}`, agent, headers })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }
}

test('on plain HTTP/1.1 no byte of a file goes through JavaScript, over one connection', async () => {
  await withServer(async (port, sockets) => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    for (let round = 0; round < 20; round++) {
      assert.ok((await get(port, agent)).body.equals(MEBIBYTE))
      const part = await get(port, agent, { Range: 'bytes=1000-900000' })
      assert.ok(part.body.equals(MEBIBYTE.subarray(1000, 900_001)))
      const parts = await get(port, agent, { Range: 'bytes=0-299999,600000-999999' })
      assert.equal(parts.body.length, Number(parts.headers['content-length']))
      assert.ok(parts.body.includes(MEBIBYTE.subarray(600_000, 1_000_000)))
    }
    assert.equal(sockets.size, 1)
    const [socket] = sockets
    // What Node has written of 60 responses: their heads, and those of parts.
    assert.ok(socket !== undefined && socket.bytesWritten < 60 * 1000, `${socket?.bytesWritten} bytes`)
    agent.destroy()
  })
})

test('clients that go away, and clients that take nothing, leave nothing behind and hold no memory', {
  timeout: 60_000,
}, async () => {
  await withServer(async port => {
    const agent = new http.Agent({ keepAlive: false })
    await get(port, agent)
    const visit = async (end: (socket: net.Socket) => void) => {
      const readers = Array.from({ length: 30 }, () => net.connect(port, '127.0.0.1').on('error', () => {}))
      for (const reader of readers) reader.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n')
      await Promise.all(readers.map(reader => once(reader, 'readable')))
      const { external, heapUsed } = process.memoryUsage()
      for (const reader of readers) end(reader)
      return external + heapUsed
    }
    const first = await visit(socket => socket.resetAndDestroy())
    const settled = async (most: number) => {
      while (descriptors() > most) await new Promise(resolve => setTimeout(resolve, 10))
    }
    await new Promise(resolve => setTimeout(resolve, 200))
    const before = descriptors()
    for (let round = 0; round < 4; round++) {
      const memory = await visit(socket => (round % 2 === 0 ? socket.destroy() : socket.resetAndDestroy()))
      assert.ok(memory - first < 32 << 20, `${memory - first} bytes more`)
      await settled(before)
    }
    assert.equal((await get(port, agent, {}, 'a')).body.toString(), 'a')
  })
})

test('a file that gets shorter in mid-response ends the connection short', async () => {
  const name = path.join(root, 'shrinking')
  fs.writeFileSync(name, '')
  fs.truncateSync(name, LARGE)
  await withServer(async port => {
    const socket = net.connect(port, '127.0.0.1').on('error', () => {})
    socket.write('GET /shrinking HTTP/1.1\r\nHost: x\r\n\r\n')
    await once(socket, 'readable')
    fs.truncateSync(name, 1000)
    let received = 0
    socket.on('data', chunk => {
      received += chunk.length
    })
    await once(socket, 'close')
    assert.ok(received < LARGE)
  })
})

/** A certificate for this test alone; undefined where there is no openssl. */
function certificate(): { key: Buffer; cert: Buffer } | undefined {
  const [key, cert] = [path.join(root, 'key.pem'), path.join(root, 'cert.pem')]
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  const { status } = spawnSync('openssl', ['req', ...kind, '-subj', '/CN=x', '-keyout', key, '-out', cert])
  return status === 0 ? { key: fs.readFileSync(key), cert: fs.readFileSync(cert) } : undefined
}

test('over TLS and over HTTP/2 the same is streamed, parts too', async t => {
  const own = certificate()
  if (own === undefined) return t.skip('there is no openssl')
  const secure = https.createServer(own, handler()).listen(0, '127.0.0.1')
  await once(secure, 'listening')
  const agent = new https.Agent({ rejectUnauthorized: false })
  for (const [headers, length] of [
    [{}, MEBIBYTE.length],
    [{ Range: 'bytes=0-299999,600000-999999' }, undefined],
  ] as const) {
    const { port } = secure.address() as AddressInfo
    const request = https.get({ port, host: '127.0.0.1', path: '/mebibyte', agent, headers })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    assert.equal(body.length, length ?? Number(response.headers['content-length']))
    assert.ok(body.includes(MEBIBYTE.subarray(600_000, 1_000_000)))
  }
  agent.destroy()
  secure.closeAllConnections()
  secure.close()
  const files = staticFiles(root)
  const server = http2.createServer((request, response) =>
    files(request, response, () => response.writeHead(404).end()),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  for (const range of [undefined, 'bytes=0-299999,600000-999999']) {
    const stream = client.request({ ':path': '/mebibyte', ...(range === undefined ? {} : { range }) })
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders]
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk)
    assert.equal(Buffer.concat(chunks).length, Number(headers['content-length']))
    assert.ok(Buffer.concat(chunks).includes(MEBIBYTE.subarray(600_000, 1_000_000)))
  }
  client.close()
  server.close()
})
