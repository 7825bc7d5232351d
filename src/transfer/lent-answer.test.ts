import assert from 'node:assert/strict'
import { once } from 'node:events'
import { truncateSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, createConnection, type Socket } from 'node:net'
import { test } from 'node:test'
import { open } from '../file/index.js'
import { SOL, syscall, TCP } from '../kernel/index.js'
import { countAfterEach, scratchFile, someBytes } from './ends.test.support.js'
import { LentFile, sendFile, sendLent, type TransferFailure, transfer } from './index.js'
import { nextTurn, spend } from './turns.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

const MUCH = 2 ** 20
/** More than a turn is given. */
const ALL = 2 ** 30
/** More than the kernel takes for a connection whose peer does not read. */
const TOO_MUCH = 2 ** 25
const bytes = someBytes(MUCH)
const path = scratchFile(bytes)

type Handler = (request: IncomingMessage, response: ServerResponse) => Promise<unknown>

/** A server for one test. @returns what its handlers settled with */
async function withServer(
  handler: Handler,
  use: (socket: Socket, handle: { fd: number }) => Promise<void>,
  host = '127.0.0.1',
): Promise<unknown[]> {
  const settled: Promise<unknown>[] = []
  const server = createServer((request, response) => {
    settled.push(handler(request, response).catch((error: Error) => error))
  }).listen(0, host)
  await once(server, 'listening')
  const socket = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
  try {
    await use(socket, (server as unknown as { _handle: { fd: number } })._handle)
    return await Promise.all(settled)
  } finally {
    socket.destroy()
    server.closeAllConnections()
    server.close()
  }
}

/** Asks once. @returns what came until the end of the connection */
async function ask(socket: Socket, head = 'HTTP/1.1\r\nHost: x\r\nConnection: close'): Promise<Buffer> {
  socket.write(`GET / ${head}\r\n\r\n`)
  const chunks: Buffer[] = []
  for await (const chunk of socket) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** What comes behind the head. */
const bodyOf = (came: Buffer) => came.subarray(came.indexOf('\r\n\r\n') + 4)

const WAYS: readonly [string, (response: ServerResponse, fd: number) => Promise<unknown>, string][] = [
  ['at once', (response, fd) => sendFile(response, fd), ''],
  [
    'behind what was written before',
    (response, fd) => {
      response.setHeader('Content-Length', 3 + MUCH)
      response.write('abc')
      return sendFile(response, fd)
    },
    'abc',
  ],
  [
    'behind what a cork of the response holds back',
    (response, fd) => {
      response.setHeader('Content-Length', 3 + MUCH)
      response.cork()
      response.write('abc')
      return sendFile(response, fd)
    },
    'abc',
  ],
  [
    'on a socket that is corked',
    (response, fd) => {
      response.socket?.cork()
      return sendFile(response, fd)
    },
    '',
  ],
  [
    'behind a transfer that was asked for before',
    async (response, fd) => {
      response.setHeader('Content-Length', 1000 + MUCH)
      const before = transfer(fd, response, { offset: 0, length: 1000 })
      const [, sent] = await Promise.all([before, sendFile(response, fd)])
      return sent
    },
    bytes.toString('latin1', 0, 1000),
  ],
  [
    'in a turn that others have used up',
    async (response, fd) => {
      const sent = sendFile(response, fd)
      for (let turn = 0; turn < 5; turn++) {
        spend(ALL)
        await nextTurn()
      }
      return sent
    },
    '',
  ],
]

for (const [how, way, before] of WAYS) {
  test(`a file is sent ${how}`, async () => {
    await using file = await open(path)
    const [sent] = await withServer(
      async (_request, response) => way(response, file.fd),
      async socket => {
        const body = bodyOf(await ask(socket))
        assert.equal(body.toString('latin1', 0, before.length), before)
        assert.ok(body.subarray(before.length).equals(bytes))
      },
    )
    assert.deepEqual(sent, { bytes: MUCH, via: 'sendfile' })
  })
}

test('a client of HTTP/1.0 has it, and the connection ends behind it', async () => {
  await using file = await open(path)
  await withServer(
    (_request, response) => sendFile(response, file),
    async socket => assert.ok(bodyOf(await ask(socket, 'HTTP/1.0')).equals(bytes)),
  )
})

test('what is announced in chunks is sent in chunks', async () => {
  await using file = await open(path)
  await withServer(
    (_request, response) => {
      response.setHeader('Transfer-Encoding', 'chunked')
      return sendFile(response, file)
    },
    async socket => {
      const came = String(await ask(socket))
      assert.match(came, /\r\n0\r\n\r\n$/)
    },
  )
})

test('what went at once counts in what an abort reports', { timeout: 30_000 }, async () => {
  await using file = await open(scratchFile(Buffer.alloc(TOO_MUCH, bytes)))
  const stop = new AbortController()
  let received = 0
  const [failed] = await withServer(
    (_request, response) => sendFile(response, file, { signal: stop.signal }),
    async socket => {
      const came = ask(socket)
      socket.pause()
      // It is begun in the turn that reads the request, and the head comes with its beginning.
      await once(socket, 'readable')
      stop.abort()
      received = bodyOf(await came).length
    },
  )
  const { code, bytes: moved } = failed as TransferFailure & { code: string }
  assert.equal(code, 'ABORT_ERR')
  assert.ok(moved > 0 && moved < TOO_MUCH, `${moved} bytes`)
  assert.equal(moved, received)
})

test('a file that has become shorter is told of as that, with all that there was of it', {
  timeout: 30_000,
}, async () => {
  const path = scratchFile(Buffer.alloc(TOO_MUCH, bytes))
  await using file = await open(path)
  const shorter = scratchFile(Buffer.alloc(MUCH))
  await using cut = await open(shorter)
  const lent = new LentFile(cut.fd)
  truncateSync(shorter, 1000)
  const before = async (response: ServerResponse) => {
    for (const offset of [0, 2000]) {
      const { code, message } = await sendLent(response, lent, { offset, length: MUCH - offset }).catch(
        error => error,
      )
      assert.equal(code, 'ERR_SLUICE_SHORT')
      assert.match(message, new RegExp(`after ${Math.max(0, 1000 - offset)} of ${MUCH - offset} bytes`))
    }
    assert.equal(response.headersSent, false)
  }
  const [failed] = await withServer(
    async (_request, response) => {
      await before(response)
      return sendFile(response, file)
    },
    async socket => {
      const came = ask(socket)
      socket.pause()
      await once(socket, 'readable')
      truncateSync(path, TOO_MUCH / 2)
      await came
    },
  )
  const { code, message, bytes: moved } = failed as TransferFailure & { code: string }
  assert.equal(code, 'ERR_SLUICE_SHORT')
  assert.equal(message, `The file ended after ${moved} of ${TOO_MUCH} bytes`)
  assert.equal(moved, TOO_MUCH / 2)
})

/** The congestion control of a socket. */
function congestionOf(fd: number): string {
  const name = Buffer.from(new ArrayBuffer(64))
  syscall(
    'getsockopt',
    fd,
    SOL.TCP,
    TCP.CONGESTION,
    name,
    new Uint32Array(new ArrayBuffer(64)).fill(16, 0, 1),
  )
  return name.toString('latin1').replace(/\0.*/s, '')
}

/** What this machine's sockets that never leave it are to have. */
const here = (own: string) => (/^bbr/.test(own) ? 'reno' : own)

test('whoever comes later to a loopback address is not paced from the beginning, others are left alone', async () => {
  await using file = await open(path)
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    await withServer(
      (_request, response) => sendFile(response, file),
      async (socket, { fd }) => {
        const own = congestionOf(fd)
        await ask(socket)
        assert.equal(congestionOf(fd), host === '127.0.0.1' ? here(own) : own)
      },
      host,
    )
  }
})
