import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { engine } from '../engine/index.js'
import { SOL } from '../kernel/index.js'
import { bind } from './bind.js'
import type { Datagram } from './datagram.js'
import type { OutgoingDatagram } from './datagram-sender.js'
import type { DatagramSocket } from './datagram-socket.js'
import { pattern, settled, testOnBoth } from './net.test.support.js'
import { setOption } from './socket-options.js'

const SO_NO_CHECK = 11

const here = { host: '127.0.0.1' }
const addressOf = (socket: DatagramSocket) =>
  socket.address() as { address: string; port: number; family: 'IPv4' }

/** Exactly so many datagrams. */
async function receive(socket: DatagramSocket, count: number): Promise<Datagram[]> {
  const all: Datagram[] = []
  while (all.length < count) all.push(...(await socket.receive(count - all.length)))
  return all
}

testOnBoth('a datagram comes whole, with its sender, and can be answered', async () => {
  await using server = await bind(here)
  await using client = await bind(here)
  await client.send(Buffer.from('question'), addressOf(server))
  const [question] = await server.receive()
  assert.equal(Buffer.from(question.bytes).toString(), 'question')
  assert.deepEqual(question.from, client.address())
  await server.send(Buffer.from('answer'), question)
  const [answer] = await client.receive()
  assert.equal(Buffer.from(answer.bytes).toString(), 'answer')
  assert.equal(server.received, 1)
})

testOnBoth('many are sent and received together, in order, and none is cut or joined', async () => {
  await using server = await bind({ ...here, receiveBufferSize: 2 ** 21 })
  await using client = await bind(here)
  const to = addressOf(server)
  const sizes = [
    ...new Array(100).fill(500),
    1400,
    1400,
    1400,
    7,
    0,
    0,
    65000,
    1,
    1,
    1,
    ...new Array(70).fill(1000),
  ]
  const datagrams = sizes.map((size, index) => ({ bytes: pattern(size, index), to }))
  await client.sendBatch(datagrams)
  const all = await receive(server, sizes.length)
  for (const [index, { bytes, truncated }] of all.entries()) {
    assert.equal(truncated, false)
    assert.ok(Buffer.from(bytes).equals(datagrams[index].bytes), `datagram ${index}`)
  }
})

testOnBoth('datagrams of one size to one peer go as one send, and come as one message', async () => {
  await using server = await bind({ ...here, receiveBufferSize: 2 ** 21 })
  await using client = await bind(here)
  const to = addressOf(server)
  const datagrams = Array.from({ length: 60 }, (_, index) => ({ bytes: pattern(500, index), to }))
  const before = engine().stats()
  await client.sendBatch(datagrams)
  const sent = engine().stats()
  assert.equal(sent.submissions - before.submissions, 1)
  const all = await receive(server, datagrams.length)
  const { completions } = engine().stats()
  for (const [index, { bytes }] of all.entries()) {
    assert.ok(Buffer.from(bytes).equals(datagrams[index].bytes), `datagram ${index}`)
  }
  // By readiness, the word that there is something comes on top.
  assert.ok(completions - sent.completions <= 3, `${completions - sent.completions} completions`)
})

testOnBoth('a batch goes to as many peers as it names', async () => {
  const sockets = await Promise.all(Array.from({ length: 5 }, () => bind(here)))
  await using client = await bind(here)
  await client.sendBatch(sockets.map((socket, index) => ({ bytes: Buffer.of(index), to: addressOf(socket) })))
  for (const [index, socket] of sockets.entries()) {
    assert.deepEqual((await socket.receive())[0].bytes, Uint8Array.of(index))
    await socket.close()
  }
})

testOnBoth('one longer than maxSize is cut, and says so', async () => {
  await using server = await bind({ ...here, maxSize: 100 })
  await using client = await bind(here)
  await client.send(pattern(101), addressOf(server))
  await client.send(pattern(100), addressOf(server))
  const [cut, whole] = await receive(server, 2)
  assert.deepEqual([cut.bytes.length, cut.truncated], [100, true])
  assert.deepEqual([whole.bytes.length, whole.truncated], [100, false])
})

testOnBoth('a connected socket needs no address, and hears that nobody is there', async () => {
  const server = await bind(here)
  await using client = await bind(here)
  await assert.rejects(client.send(Buffer.from('x')), { code: 'EDESTADDRREQ', syscall: 'sendmsg' })
  client.connect(addressOf(server))
  assert.deepEqual(client.remoteAddress(), server.address())
  await client.send(Buffer.from('hello'))
  assert.equal((await server.receive())[0].bytes.length, 5)
  await server.close()
  const waiting = client.receive()
  await client.send(Buffer.from('anybody?'))
  await assert.rejects(waiting, { code: 'ECONNREFUSED', syscall: 'recvmsg' })
})

testOnBoth('no more than the bound is kept for a receiver that stops', async () => {
  await using server = await bind({ ...here, maxSize: 1000, receiveBound: 5000, receiveBufferSize: 2 ** 20 })
  await using client = await bind(here)
  const to = addressOf(server)
  const first = server.receive(1)
  for (let index = 0; index < 500; index++) await client.send(pattern(1000, index), to)
  await first
  await settled(() => false, 20)
  assert.ok(server.received <= 5 + 64, `${server.received} were received`)
  const rest = await receive(server, 499)
  for (const [index, { bytes }] of rest.entries())
    assert.ok(Buffer.from(bytes).equals(pattern(1000, index + 1)))
})

testOnBoth('Unix datagrams keep their size too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  try {
    const path = join(folder, 'socket')
    await using server = await bind({ path })
    await using client = await bind({ path: `\0sluice-client-${process.pid}` })
    await client.send(Buffer.from('one'), { path })
    await client.sendBatch([
      { bytes: Buffer.from('two'), to: { path } },
      { bytes: Buffer.from('three'), to: { path } },
    ])
    const all = await receive(server, 3)
    assert.deepEqual(
      all.map(({ bytes }) => Buffer.from(bytes).toString()),
      ['one', 'two', 'three'],
    )
    assert.deepEqual(all[0].from, { family: 'Unix', path: `\0sluice-client-${process.pid}` })
    await server.send(Buffer.from('back'), all[0])
    assert.equal((await client.receive())[0].bytes.length, 4)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

testOnBoth('close ends sends whose peer does not read, and a receive that waits', async (_t, driver) => {
  const [from, to] = ['from', 'to'].map(name => ({ path: `\0sluice-${name}-${driver}-${process.pid}` }))
  await using silent = await bind(to)
  const socket = await bind(from)
  const sending = socket.sendBatch(Array.from({ length: 1000 }, () => ({ bytes: Buffer.alloc(100), to })))
  const receiving = socket.receive()
  const rejections = Promise.all(
    [sending, receiving].map(waiting => assert.rejects(waiting, { code: 'ERR_SLUICE_CLOSED' })),
  )
  await socket.close()
  await rejections
  assert.equal(silent.received, 0)
})

testOnBoth('close sends what was asked for before', async () => {
  await using server = await bind({ ...here, receiveBufferSize: 2 ** 21 })
  const client = await bind(here)
  const to = addressOf(server)
  const sending = client.sendBatch(
    Array.from({ length: 300 }, (_, index) => ({ bytes: pattern(9 + (index % 2)), to })),
  )
  await client.close()
  await sending
  assert.equal((await receive(server, 300)).length, 300)
})

testOnBoth('an iteration ends when the socket is closed', async () => {
  const server = await bind(here)
  await using client = await bind(here)
  const seen: string[] = []
  const iterating = (async () => {
    for await (const { bytes } of server) seen.push(Buffer.from(bytes).toString())
  })()
  await client.send(Buffer.from('only'), addressOf(server))
  await settled(() => seen.length === 1)
  await server.close()
  await iterating
  assert.deepEqual(seen, ['only'])
  await assert.rejects(server.receive(), { code: 'ERR_SLUICE_CLOSED' })
  await assert.rejects(server.send(Buffer.from('x')), { code: 'ERR_SLUICE_CLOSED' })
})

testOnBoth('an iteration that is left early leaves the datagrams behind to the next call', async () => {
  await using socket = await bind(here)
  for (const text of ['one', 'two', 'three']) await socket.send(Buffer.from(text), addressOf(socket))
  await settled(() => false, 5)
  const seen: string[] = []
  for await (const { bytes } of socket) {
    seen.push(Buffer.from(bytes).toString())
    if (seen.length === 2) break
  }
  await socket.send(Buffer.from('four'), addressOf(socket))
  while (seen.length < 4) {
    const batch = await socket.receive(4, { signal: AbortSignal.timeout(5000) })
    seen.push(...batch.map(({ bytes }) => Buffer.from(bytes).toString()))
  }
  assert.deepEqual(seen, ['one', 'two', 'three', 'four'])
})

testOnBoth('an aborted receive loses nothing, and the next one gets what comes', async () => {
  await using socket = await bind(here)
  const controller = new AbortController()
  const receiving = socket.receive(1, { signal: controller.signal })
  controller.abort()
  await assert.rejects(receiving, { name: 'AbortError' })
  await assert.rejects(socket.receive(1, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  await socket.send(Buffer.from('x'), addressOf(socket))
  assert.equal((await socket.receive(1, { signal: new AbortController().signal }))[0].bytes.length, 1)
})

testOnBoth('an abort ends the wait of its own call alone', async () => {
  await using socket = await bind(here)
  const controller = new AbortController()
  const waiting = socket.receive()
  const second = assert.rejects(socket.receive(1, controller), { code: 'ERR_SLUICE_BUSY' })
  controller.abort()
  await second
  await socket.send(Buffer.from('x'), addressOf(socket))
  assert.equal((await waiting).length, 1)
})

testOnBoth('a batch with what is no datagram is refused before anything is sent', async () => {
  await using socket = await bind(here)
  const to = addressOf(socket)
  for (const wrong of [
    undefined,
    {},
    { bytes: 'text', to },
    { bytes: Buffer.from('x'), to: { address: 'x', port: 1 } },
  ]) {
    const batch = [{ bytes: Buffer.from('x'), to }, wrong] as OutgoingDatagram[]
    await assert.rejects(socket.sendBatch(batch), { code: /^ERR_INVALID_ARG/ })
  }
  await settled(() => false, 5)
  await socket.send(Buffer.from('last'), to)
  assert.equal((await socket.receive())[0].bytes.length, 4)
})

testOnBoth('where the kernel cannot cut a send into datagrams, they are sent one by one', async () => {
  await using server = await bind(here)
  await using client = await bind(here)
  // Without checksums there is no segmentation: EINVAL (net/ipv4/udp.c).
  setOption(client.fd, SOL.SOCKET, SO_NO_CHECK, 1)
  const to = addressOf(server)
  const datagrams = Array.from({ length: 10 }, (_, index) => ({ bytes: pattern(100, index), to }))
  const before = engine().stats().submissions
  await client.sendBatch(datagrams)
  assert.equal(engine().stats().submissions - before, 1 + datagrams.length)
  const all = await receive(server, datagrams.length)
  for (const [index, { bytes }] of all.entries()) assert.ok(Buffer.from(bytes).equals(pattern(100, index)))
})
