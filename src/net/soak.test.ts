import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { bind } from './bind.js'
import type { Connection } from './connection.js'
import { dial, pattern, readExactly, serve, settled, testOnBoth } from './net.test.support.js'

/** Seconds of random traffic, and ten thousand idle connections rather than one: both on request. */
const SOAK_SECONDS = Number(process.env.SLUICE_SOAK ?? 0)
const IDLE = SOAK_SECONDS > 0 ? 10_000 : 1000
/** Open before anything is measured, so that what is made once is there. */
const FIRST = 100
const MAX_BYTES = 4096

const echo = async (connection: Connection) => {
  for await (const bytes of connection) await connection.write(bytes)
}

/** A process that holds connections to a port, served once each. */
const CLIENT = `
  const { connect } = require('node:net')
  const open = port => new Promise(resolve => {
    const socket = connect(port, '127.0.0.1', () => socket.write('x'.repeat(64)))
    socket.once('data', resolve)
  })
  process.on('message', async ({ port, count }) => {
    for (let opened = 0; opened < count; opened += 50) {
      await Promise.all(Array.from({ length: Math.min(50, count - opened) }, () => open(port)))
    }
    process.send('open')
  })`

function tooFewDescriptors(): string | false {
  const [, , hard] = /Max open files\s+(\S+)\s+(\S+)/.exec(readFileSync('/proc/self/limits', 'latin1')) ?? []
  const most = hard === 'unlimited' ? Infinity : Number(hard)
  return most < IDLE + FIRST + 200 && `only ${most} descriptors may be open here`
}

testOnBoth(
  `${IDLE} idle connections take no more than ${MAX_BYTES} bytes of the heap each`,
  async () => {
    setFlagsFromString('--expose-gc')
    const collect: () => void = runInNewContext('gc')
    const heap = () => {
      collect()
      const { heapUsed, external } = process.memoryUsage()
      return heapUsed + external
    }
    const server = await serve(echo, { backlog: 1024 })
    const client = spawn(process.execPath, ['-e', CLIENT], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    const open = async (count: number) => {
      client.send({ port: server.port, count })
      await once(client, 'message')
    }
    await open(FIRST)
    const before = heap()
    await open(IDLE)
    const each = (heap() - before) / IDLE
    assert.equal(server.connections.size, IDLE + FIRST)
    assert.ok(each <= MAX_BYTES, `${each} bytes a connection`)
    const ended = once(client, 'close')
    client.kill()
    await settled(() => server.connections.size === 0)
    await server.close()
    await ended
  },
  { skip: tooFewDescriptors() },
)

/** One client's visit: what it does is random, that the bytes are right is not. */
async function visit(port: number, random: () => number): Promise<void> {
  const connection = await dial({ port })
  try {
    for (let turn = Math.floor(random() * 20); turn > 0; turn--) {
      const bytes = pattern(Math.floor(random() ** 4 * 300_000) + 1)
      const writing = connection.write(bytes)
      // Whoever leaves before it has settled does not want to know.
      writing.catch(() => {})
      if (random() < 0.05) break
      assert.ok((await readExactly(connection, bytes.length)).equals(bytes))
      await writing
    }
  } finally {
    const way = random()
    if (way < 0.3) await connection.reset()
    else if (way < 0.6) await connection.destroy()
    else await connection.close()
  }
}

testOnBoth(
  'random traffic leaves nothing behind, however long',
  async () => {
    const end = Date.now() + SOAK_SECONDS * 1000
    await using server = await serve(echo)
    const client = async () => {
      while (Date.now() < end) await visit(server.port, Math.random)
    }
    const clients = await Promise.allSettled(Array.from({ length: 50 }, client))
    for (const result of clients) if (result.status === 'rejected') throw result.reason
    await settled(() => server.connections.size === 0)
    assert.equal(server.connections.size, 0)
  },
  {
    skip: SOAK_SECONDS === 0 && 'takes as many seconds as SLUICE_SOAK says',
    timeout: (SOAK_SECONDS + 60) * 1000,
  },
)

/** Bytes that a peer's receive buffer holds for certain, and no datagram of what is sent at a time is lost. */
const DATAGRAM_BUFFER = 2 ** 20

/** A client of datagrams that are sent back: some at a time, of random sizes, alone or as a batch. */
async function exchange(port: number, random: () => number): Promise<void> {
  await using socket = await bind({ host: '127.0.0.1', receiveBufferSize: DATAGRAM_BUFFER })
  const to = { address: '127.0.0.1', port }
  for (let turn = Math.floor(random() * 20); turn > 0; turn--) {
    const size = Math.floor(random() ** 2 * 1400)
    const count = 1 + Math.floor(random() * 20)
    const datagrams = Array.from({ length: count }, (_, index) => ({ bytes: pattern(size, index), to }))
    if (random() < 0.5) await socket.sendBatch(datagrams)
    else for (const { bytes } of datagrams) await socket.send(bytes, to)
    // Who leaves early leaves what is on its way.
    if (random() < 0.05) return
    const signal = AbortSignal.timeout(10_000)
    for (let came = 0; came < count; ) {
      for (const { bytes } of await socket.receive(count - came, { signal })) {
        assert.ok(Buffer.from(bytes).equals(pattern(size, came++)))
      }
    }
  }
}

testOnBoth(
  'random datagrams leave nothing behind, however long',
  async () => {
    const end = Date.now() + SOAK_SECONDS * 1000
    const server = await bind({ host: '127.0.0.1', receiveBufferSize: DATAGRAM_BUFFER })
    const { port } = server.address() as { port: number }
    const serving = (async () => {
      while (server.fd >= 0) {
        const batch = await server.receive().catch(() => [])
        await server
          .sendBatch(batch.map(datagram => ({ bytes: datagram.bytes, to: datagram })))
          .catch(() => {})
      }
    })()
    const client = async () => {
      while (Date.now() < end) await exchange(port, Math.random)
    }
    const clients = await Promise.allSettled(Array.from({ length: 8 }, client))
    await server.close()
    await serving
    for (const result of clients) if (result.status === 'rejected') throw result.reason
  },
  {
    skip: SOAK_SECONDS === 0 && 'takes as many seconds as SLUICE_SOAK says',
    timeout: (SOAK_SECONDS + 60) * 1000,
  },
)
