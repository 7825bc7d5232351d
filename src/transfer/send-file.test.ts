import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, truncateSync } from 'node:fs'
import {
  Agent,
  createServer,
  get,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import * as http2 from 'node:http2'
import * as https from 'node:https'
import { type AddressInfo, createConnection, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { open } from '../file/index.js'
import { listen } from '../net/index.js'
import { countAfterEach, openDescriptors, scratchFile, scratchPath, someBytes } from './ends.test.support.js'
import { type SendFileOptions, sendFile, transfer } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

const bytes = someBytes(3_000_000)
const path = scratchFile(bytes)

/** A server for one test; what its handler fails with is collected. */
async function withServer(
  handler: (request: IncomingMessage, response: ServerResponse) => Promise<unknown>,
  body: (port: number, failures: Error[]) => Promise<void>,
): Promise<void> {
  const failures: Error[] = []
  const server = createServer((request, response) => {
    handler(request, response).catch(error => failures.push(error))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await body((server.address() as AddressInfo).port, failures)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
}

async function fetchOnce(port: number, options: object = {}): Promise<Answer> {
  const request = get({ port, host: '127.0.0.1', ...options })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
}

const SIZES = [0, 1, 1000, 65536, 65537, 200_000, 2_999_999, 3_000_000]

test('a file of any size arrives with its length, one after the other on one connection', async () => {
  const vias = new Set<string>()
  await using file = await open(path)
  await withServer(
    async (request, response) => {
      vias.add((await sendFile(response, file, { length: Number(request.headers['x-length']) })).via)
    },
    async (port, failures) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      let sockets = 0
      agent.on('free', () => sockets++)
      for (const length of [...SIZES, ...SIZES]) {
        const { headers, body } = await fetchOnce(port, { agent, headers: { 'x-length': length } })
        assert.equal(headers['content-length'], String(length))
        assert.ok(body.equals(bytes.subarray(0, length)), `${length} bytes arrived altered`)
      }
      assert.equal(Object.keys(agent.freeSockets).length, 1)
      assert.deepEqual(failures, [])
      agent.destroy()
    },
  )
  assert.deepEqual([...vias].sort(), ['preadv2', 'sendfile'])
})

test('a part of a file is sent, by whatever stands for the file', async () => {
  const fd = openSync(path, 'r')
  await using ours = await open(path)
  const files = [fd, ours, { fd }]
  await withServer(
    async (_request, response) => {
      response.statusCode = 206
      const file = files.shift() as number
      assert.equal((await sendFile(response, file, { offset: 1_000_000, length: 500_000 })).bytes, 500_000)
    },
    async (port, failures) => {
      for (let count = files.length; count > 0; count--) {
        const { status, body } = await fetchOnce(port)
        assert.equal(status, 206)
        assert.ok(body.equals(bytes.subarray(1_000_000, 1_500_000)))
      }
      assert.deepEqual(failures, [])
    },
  )
  closeSync(fd)
})

test('a head that was made by writeHead() goes before what it tells of', async () => {
  await using file = await open(path)
  const head = { 'Content-Length': bytes.length, 'X-Made': 'before' }
  const ways = [
    sendFile,
    async (response: ServerResponse) => {
      await transfer(file, response, { offset: 0 })
      response.end()
    },
  ]
  for (const way of ways) {
    await withServer(
      (_request, response) => way(response.writeHead(200, head), file),
      async (port, failures) => {
        const { headers, body } = await fetchOnce(port)
        assert.equal(headers['x-made'], 'before')
        assert.ok(body.equals(bytes))
        assert.deepEqual(failures, [])
      },
    )
  }
})

test('pipelined requests are answered in order and whole', async () => {
  await using file = await open(path)
  let answered = 0
  await withServer(
    async (request, response) => {
      const number = Number(request.url?.slice(1))
      // Later ones are ready sooner.
      if (number % 3 === 1) await setTimeout(20 - number)
      await sendFile(response, file, { offset: number * 1000, length: number % 2 ? 100 : 300_000 })
      answered++
    },
    async (port, failures) => {
      const socket = createConnection(port, '127.0.0.1')
      const numbers = Array.from({ length: 12 }, (_, index) => index)
      socket.write(numbers.map(number => `GET /${number} HTTP/1.1\r\nHost: x\r\n\r\n`).join(''))
      let rest = Buffer.alloc(0)
      const more = async () => {
        rest = Buffer.concat([rest, (await once(socket, 'data'))[0]])
      }
      for (const number of numbers) {
        while (!rest.includes('\r\n\r\n')) await more()
        const end = rest.indexOf('\r\n\r\n') + 4
        const length = Number(/content-length: (\d+)/i.exec(String(rest.subarray(0, end)))?.[1])
        assert.equal(length, number % 2 ? 100 : 300_000)
        while (rest.length < end + length) await more()
        const from = number * 1000
        assert.ok(
          rest.subarray(end, end + length).equals(bytes.subarray(from, from + length)),
          `answer ${number}`,
        )
        rest = rest.subarray(end + length)
      }
      assert.equal(rest.length, 0)
      socket.destroy()
      assert.deepEqual(failures, [])
    },
  )
  assert.equal(answered, 12)
})

test('HEAD, 204, 205 and 304 get no body', async () => {
  await using file = await open(path)
  await withServer(
    async (request, response) => {
      response.statusCode = Number(request.url?.slice(1))
      assert.equal((await sendFile(response, file)).bytes, 0)
    },
    async (port, failures) => {
      const head = await fetchOnce(port, { method: 'HEAD', path: '/200' })
      assert.equal(head.headers['content-length'], String(bytes.length))
      assert.equal(head.body.length, 0)
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      for (const status of [204, 205, 304]) {
        const answer = await fetchOnce(port, { path: `/${status}`, agent })
        assert.deepEqual([answer.status, answer.body.length], [status, 0])
        assert.equal(answer.headers['content-length'], status === 205 ? '0' : undefined)
      }
      agent.destroy()
      assert.deepEqual(failures, [])
    },
  )
})

test('an answer in chunks is streamed', async () => {
  await using file = await open(path)
  await withServer(
    async (_request, response) => {
      response.setHeader('Transfer-Encoding', 'chunked')
      assert.equal((await sendFile(response, file)).via, 'stream')
    },
    async (port, failures) => {
      const { headers, body } = await fetchOnce(port)
      assert.equal(headers['transfer-encoding'], 'chunked')
      assert.ok(body.equals(bytes))
      assert.deepEqual(failures, [])
    },
  )
})

test('several pieces make one body', async () => {
  await using file = await open(path)
  const pieces = [
    { offset: 10, length: 200_000 },
    { offset: 2_000_000, length: 5 },
    { offset: 5, length: 700_000 },
  ]
  await withServer(
    async (_request, response) => {
      response.setHeader('Content-Length', 900_005 + 6)
      for (const piece of pieces) {
        response.write('--')
        await transfer(file, response, piece)
      }
      response.end()
    },
    async (port, failures) => {
      const { body } = await fetchOnce(port)
      const expected = pieces.flatMap(({ offset, length }) => [
        Buffer.from('--'),
        bytes.subarray(offset, offset + length),
      ])
      assert.ok(body.equals(Buffer.concat(expected)))
      assert.deepEqual(failures, [])
    },
  )
})

test('a file that is shorter than announced breaks the connection off', async () => {
  const shrinking = scratchFile(someBytes(20_000_000))
  await using file = await open(shrinking)
  await withServer(
    async (_request, response) => {
      const sent = sendFile(response, file)
      await setTimeout(20)
      truncateSync(shrinking, 16_000_000)
      await sent
    },
    async (port, failures) => {
      const socket = createConnection(port, '127.0.0.1')
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      await once(socket, 'readable')
      await setTimeout(40)
      let received = 0
      socket.on('data', chunk => {
        received += chunk.length
      })
      socket.on('error', () => {})
      await once(socket, 'close')
      assert.ok(received < 20_000_000)
      assert.equal((failures[0] as NodeJS.ErrnoException).code, 'ERR_SLUICE_SHORT')
    },
  )
})

test('a client that goes away ends it, and leaves nothing open', async () => {
  const large = scratchFile(someBytes(30_000_000))
  await using file = await open(large)
  await withServer(
    async (_request, response) => {
      await sendFile(response, file)
    },
    async (port, failures) => {
      let before = 0
      for (let round = 0; round < 6; round++) {
        const socket = createConnection(port, '127.0.0.1')
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        await once(socket, 'readable')
        if (round % 2 === 0) socket.resetAndDestroy()
        else socket.destroy()
        while (failures.length <= round) await setTimeout(1)
        // The server closes its socket a little later.
        await setTimeout(20)
        if (round === 0) before = openDescriptors()
      }
      assert.equal(openDescriptors(), before)
      for (const failure of failures) {
        assert.match(String((failure as NodeJS.ErrnoException).code), /ECONNRESET|EPIPE|ERR_SLUICE_CLOSED/)
      }
    },
  )
})

test('ranges are checked against the file', async () => {
  await using file = await open(path)
  const wrong: [SendFileOptions, string][] = [
    [{ offset: bytes.length + 1 }, 'ERR_OUT_OF_RANGE'],
    [{ offset: 10, length: bytes.length }, 'ERR_OUT_OF_RANGE'],
    [{ offset: -1 }, 'ERR_OUT_OF_RANGE'],
  ]
  await withServer(
    async (_request, response) => {
      for (const [options, code] of wrong) await assert.rejects(sendFile(response, file, options), { code })
      assert.equal(response.headersSent, false)
      await assert.rejects(sendFile(response, process.stdin as never), { code: 'ERR_INVALID_ARG_TYPE' })
      response.end('fine')
      await assert.rejects(sendFile(response, file), { code: 'ERR_SLUICE_CLOSED' })
    },
    async (port, failures) => {
      assert.equal(String((await fetchOnce(port)).body), 'fine')
      assert.deepEqual(failures, [])
    },
  )
})

/** A certificate for this test alone; undefined where there is no openssl. */
function certificate(): { key: Buffer; cert: Buffer } | undefined {
  const [key, cert] = [scratchPath('key.pem'), scratchPath('cert.pem')]
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const { status } = spawnSync('openssl', [
    ...request,
    '-keyout',
    key,
    '-out',
    cert,
    '-subj',
    '/CN=localhost',
  ])
  return status === 0 ? { key: readFileSync(key), cert: readFileSync(cert) } : undefined
}

async function serveSecurely(
  server: Server | https.Server | http2.Http2SecureServer,
  body: (port: number) => Promise<void>,
) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await body((server.address() as AddressInfo).port)
  } finally {
    server.close()
  }
}

test('over TLS and HTTP/2 it is streamed', async t => {
  const identity = certificate()
  if (identity === undefined) return t.skip('there is no openssl to make a certificate with')
  await using file = await open(path)
  const vias: string[] = []
  const failures: Error[] = []
  const handler = (_request: unknown, response: ServerResponse | http2.Http2ServerResponse) => {
    sendFile(response, file).then(
      ({ via }) => vias.push(via),
      error => failures.push(error),
    )
  }
  await serveSecurely(https.createServer(identity, handler as RequestListener), async port => {
    const request = https.get({ port, host: '127.0.0.1', rejectUnauthorized: false, agent: false })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk)
    assert.ok(Buffer.concat(chunks).equals(bytes))
    assert.equal(response.headers['content-length'], String(bytes.length))
  })
  await serveSecurely(http2.createSecureServer(identity, handler), async port => {
    const session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
    const stream = session.request({ ':path': '/' })
    const chunks: Buffer[] = []
    for await (const chunk of stream) chunks.push(chunk)
    assert.ok(Buffer.concat(chunks).equals(bytes))
    session.close()
  })
  assert.deepEqual(failures, [])
  assert.deepEqual(vias, ['stream', 'stream'])
})

test("Node's server on a connection of ours has its files moved by the kernel, too", async () => {
  await using file = await open(path)
  const vias: string[] = []
  const server = createServer(async (_request, response) => {
    vias.push((await sendFile(response, file)).via)
  })
  const listener = await listen({ host: '127.0.0.1' }, connection => {
    server.emit('connection', connection.toDuplex())
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let round = 0; round < 3; round++) {
    assert.ok((await fetchOnce(listener.port, { agent })).body.equals(bytes))
  }
  assert.deepEqual(vias, ['sendfile', 'sendfile', 'sendfile'])
  agent.destroy()
  await listener.close()
})

test('a response that waits for its turn is given up with its connection', async () => {
  await using file = await open(path)
  let first: ServerResponse | undefined
  await withServer(
    async (_request, response) => {
      if (first === undefined) first = response
      else await sendFile(response, file)
    },
    async (port, failures) => {
      const socket: Socket = createConnection(port, '127.0.0.1')
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n')
      while (first === undefined) await setTimeout(1)
      await setTimeout(10)
      socket.destroy()
      while (failures.length === 0) await setTimeout(1)
      assert.equal((failures[0] as NodeJS.ErrnoException).code, 'ERR_SLUICE_CLOSED')
    },
  )
})

test('a signal that is aborted already sends nothing, and leaves the answer to the caller', async () => {
  await using file = await open(path)
  await withServer(
    async (_request, response) => {
      for (const length of [0, 1000, bytes.length]) {
        const sent = sendFile(response, file, { length, signal: AbortSignal.abort() })
        await assert.rejects(sent, { name: 'AbortError', bytes: 0 })
      }
      assert.deepEqual([response.headersSent, response.getHeaderNames()], [false, []])
      await assert.rejects(sendFile(response, file, { signal: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' })
      response.statusCode = 503
      response.end('later')
    },
    async (port, failures) => {
      const { status, body } = await fetchOnce(port)
      assert.deepEqual([status, String(body)], [503, 'later'])
      assert.deepEqual(failures, [])
    },
  )
})

test('an abort breaks off an answer whose client does not read, however small', async () => {
  await using file = await open(path)
  const before = 20_000_000
  await withServer(
    async (_request, response) => {
      const abort = new AbortController()
      response.setHeader('Content-Length', before + 1000)
      response.write(Buffer.alloc(before))
      const sent = sendFile(response, file, { length: 1000, signal: abort.signal })
      const bound = setTimeout(5000, 'it was not heard', { ref: false })
      await setTimeout(20)
      abort.abort()
      await assert.rejects(Promise.race([sent, bound]), { name: 'AbortError', bytes: 0 })
      assert.ok(response.destroyed)
    },
    async (port, failures) => {
      const socket = createConnection(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      await once(socket, 'readable')
      await setTimeout(100)
      let received = 0
      socket.on('data', chunk => {
        received += chunk.length
      })
      await once(socket, 'close')
      assert.ok(received < before)
      assert.deepEqual(failures, [])
    },
  )
})
