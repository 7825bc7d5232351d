import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { type AddressInfo, createConnection } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { engine } from '../engine/index.js'
import { connect, listen } from '../net/index.js'
import {
  countAfterEach,
  nodePair,
  openSinkEnd,
  scratchFile,
  someBytes,
  tcpPair,
} from './ends.test.support.js'
import { type Pipe, pipePool, sendFile, tee, transfer } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

/** By then a transfer has come to where it waits, whatever its ends are. */
const MICROTASKS = 24
const BOUND_MS = 5000

let file: number
before(() => {
  file = openSync(scratchFile(someBytes(1000)), 'r')
})
after(() => closeSync(file))

/** Has something aborted so many microtasks after its call, for each number of them. */
async function sweep(begin: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  for (let microtasks = 0; microtasks <= MICROTASKS; microtasks++) {
    const abort = new AbortController()
    const bound = new AbortController()
    const hung = setTimeout(BOUND_MS, `not heard after ${microtasks} microtasks`, { signal: bound.signal })
    hung.catch(() => {})
    const outcome = begin(abort.signal).then(
      () => 'it was done',
      error => error.name,
    )
    for (let left = microtasks; left > 0; left--) await undefined
    abort.abort()
    assert.equal(await Promise.race([outcome, hung]), 'AbortError', `${microtasks} microtasks`)
    bound.abort()
  }
}

test('an abort is heard however early, while a socket has yet to send what was written before', async () => {
  const [one, other] = await nodePair()
  one.write(Buffer.alloc(20_000_000))
  await sweep(signal => transfer(file, one, { offset: 0, signal }))
  one.destroy()
  other.destroy()
})

test('an abort is heard however early, while a stream on a connection has yet to send', async () => {
  let far: { destroy(): unknown } | undefined
  const listener = await listen({ host: '127.0.0.1', receiveBufferSize: 10_000 }, connection => {
    far = connection
  })
  const near = await connect({ host: '127.0.0.1', port: listener.port, sendBufferSize: 10_000 })
  const duplex = near.toDuplex()
  duplex.on('error', () => {})
  duplex.write(Buffer.alloc(20_000_000))
  await sweep(signal => transfer(file, duplex, { offset: 0, signal }))
  await near.destroy()
  await far?.destroy()
  await listener.close({ timeout: 0 })
})

test('an abort while a mechanism begins leaves neither a pipe nor a block of memory with it', async () => {
  const large = openSync(scratchFile(someBytes(2_000_000)), 'r')
  for (const via of ['sendfile', 'splice', 'vmsplice', 'preadv2', 'send_zc', 'read+write'] as const) {
    if (via === 'send_zc' && engine().driver !== 'ring') continue
    const sink = openSinkEnd('unix', true)
    await sweep(signal => transfer(large, sink.fd, { offset: 0, via, signal }))
    await sink.finish()
  }
  closeSync(large)
})

test('a pipe that comes together with an abort goes back', async () => {
  const pool = pipePool()
  for (const via of ['splice', 'vmsplice'] as const) {
    const held: Pipe[] = []
    for (let pipe = pool.take(); pipe !== undefined; pipe = pool.take()) held.push(pipe)
    const sink = openSinkEnd('tcp')
    const abort = new AbortController()
    const moved = transfer(file, sink.fd, { offset: 0, via, signal: abort.signal })
    while (pool.stats().waiting === 0) await setTimeout(1)
    pool.release(held.pop() as Pipe)
    abort.abort()
    await assert.rejects(moved, { name: 'AbortError', bytes: 0 })
    for (const pipe of held) pool.release(pipe)
    assert.equal(pool.stats().open, pool.stats().idle)
    await sink.finish()
  }
})

/** The second of two responses on a connection, whose turn comes only after the first. */
async function withWaiting(body: (response: ServerResponse) => Promise<void>): Promise<void> {
  const responses: ServerResponse[] = []
  const server = createServer((_request, response) => responses.push(response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(2))
  while (responses.length < 2) await setTimeout(1)
  await body(responses[1] as ServerResponse)
  socket.destroy()
  server.close()
  server.closeAllConnections()
}

test('an abort is heard however early by a response that waits for its turn', async () => {
  await withWaiting(response => sweep(signal => sendFile(response, file, { signal })))
  await withWaiting(response => sweep(signal => transfer(file, response, { offset: 0, signal })))
})

test('an abort is heard however early, while the source of a tee is silent', async () => {
  const [source, feeder] = tcpPair()
  const sinks = [openSinkEnd('tcp'), openSinkEnd('unix')]
  const fds = sinks.map(({ fd }) => fd)
  await sweep(signal => tee(source, fds, { signal }))
  closeSync(feeder)
  closeSync(source)
  for (const sink of sinks) assert.equal((await sink.finish()).length, 0)
})
