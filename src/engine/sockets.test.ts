import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import {
  AF,
  decodeSocketAddress,
  encodeSocketAddress,
  IORING_RECVSEND,
  iovecs,
  MSG,
  messageHeader,
  POLL,
  SHUT,
  SO,
  SOCK,
  SOL,
  syscall,
} from '../kernel/index.js'
import {
  addOptions,
  prepareAccept,
  prepareAcceptFrom,
  prepareBind,
  prepareClose,
  prepareConnect,
  prepareGetsockopt,
  prepareListen,
  preparePollAdd,
  prepareRecv,
  prepareRecvmsg,
  prepareSend,
  prepareSendmsg,
  prepareSendTo,
  prepareSendZc,
  prepareSetsockopt,
  prepareShutdown,
  prepareSiocinq,
  prepareSocket,
  prepareSplice,
  prepareTee,
} from '../ring/index.js'
import { bytesOf, driverTest, type Kit, room, textOf, until } from './driver-test.test.support.js'
import type { Engine, Prepare } from './index.js'

const step = (engine: Engine, syscall: string, held: unknown, prepare: Prepare, signal?: AbortSignal) =>
  engine.run<number>(prepare, { syscall, held, signal })

function receive(engine: Engine, fd: number, buffer: Uint8Array, flags = 0, signal?: AbortSignal) {
  return step(engine, 'recv', buffer, (queue, id) => prepareRecv(queue, fd, buffer, flags, id), signal)
}

function send(engine: Engine, fd: number, text: string | Uint8Array, flags = 0) {
  const buffer = typeof text === 'string' ? bytesOf(text) : text
  return step(engine, 'send', buffer, (queue, id) => prepareSend(queue, fd, buffer, flags, id))
}

/** Port of a socket. */
function portOf(fd: number): number {
  const address = room(128)
  const length = new Int32Array(new ArrayBuffer(4)).fill(128)
  assert.equal(syscall('getsockname', fd, address, length), 0)
  const decoded = decodeSocketAddress(address.subarray(0, length[0]))
  assert.ok(decoded !== undefined && 'port' in decoded)
  return decoded.port
}

async function listening(kit: Kit, engine: Engine, type = 0): Promise<{ fd: number; address: Uint8Array }> {
  const fd = kit.owns(
    await step(engine, 'socket', undefined, (queue, id) =>
      prepareSocket(queue, AF.INET, SOCK.STREAM | SOCK.CLOEXEC | type, 0, id),
    ),
  )
  const any = encodeSocketAddress({ address: '127.0.0.1', port: 0 })
  await step(engine, 'bind', any, (queue, id) => prepareBind(queue, fd, any, id))
  await step(engine, 'listen', undefined, (queue, id) => prepareListen(queue, fd, 16, id))
  return { fd, address: encodeSocketAddress({ address: '127.0.0.1', port: portOf(fd) }) }
}

for (const type of [0, SOCK.NONBLOCK]) {
  const kind = type === 0 ? 'blocking' : 'non-blocking'
  driverTest(`${kind} sockets connect, accept, talk, half-close and close`, async kit => {
    const engine = kit.engine()
    const { fd, address } = await listening(kit, engine, type)
    const peer = room(128)
    const length = new Int32Array(new ArrayBuffer(4)).fill(128)
    const accepted = step(engine, 'accept', [peer, length], (queue, id) =>
      prepareAcceptFrom(queue, fd, peer, length, SOCK.CLOEXEC, id),
    )
    const client = kit.owns(syscall('socket', AF.INET, SOCK.STREAM | SOCK.CLOEXEC | type, 0))
    assert.equal(
      await step(engine, 'connect', address, (queue, id) => prepareConnect(queue, client, address, id)),
      0,
    )
    const server = kit.owns(await accepted)
    const from = decodeSocketAddress(peer.subarray(0, length[0]))
    assert.deepEqual(from, { ...from, port: portOf(client) })
    const buffer = room(64)
    const received = receive(engine, server, buffer)
    assert.equal(await send(engine, client, 'hello'), 5)
    assert.equal(await received, 5)
    assert.equal(textOf(buffer.subarray(0, 5)), 'hello')
    const end = receive(engine, server, buffer)
    await step(engine, 'shutdown', undefined, (queue, id) => prepareShutdown(queue, client, SHUT.WR, id))
    assert.equal(await end, 0)
    assert.equal(await send(engine, server, 'still'), 5)
    assert.equal(await receive(engine, client, buffer), 5)
    await step(engine, 'close', undefined, (queue, id) => prepareClose(queue, server, id))
    kit.disowns(server)
    assert.equal(await receive(engine, client, buffer), 0)
  })

  driverTest(`a ${kind} connection that is refused says so`, async kit => {
    const engine = kit.engine()
    const { fd, address } = await listening(kit, engine)
    kit.closes(fd)
    const client = kit.owns(syscall('socket', AF.INET, SOCK.STREAM | SOCK.CLOEXEC | type, 0))
    await assert.rejects(
      step(engine, 'connect', address, (queue, id) => prepareConnect(queue, client, address, id)),
      { code: 'ECONNREFUSED' },
    )
  })
}

driverTest('an accept that nobody connects to can be aborted', async kit => {
  const engine = kit.engine()
  for (const type of [0, SOCK.NONBLOCK]) {
    const { fd } = await listening(kit, engine, type)
    const controller = new AbortController()
    const prepare: Prepare = (queue, id) => prepareAccept(queue, fd, 0, id)
    const accept = step(engine, 'accept', undefined, prepare, controller.signal)
    await new Promise(resolve => setImmediate(resolve))
    controller.abort()
    await assert.rejects(accept, { name: 'AbortError' })
  }
})

driverTest('receives on one socket are served in their order', async kit => {
  const engine = kit.engine()
  const [left, right] = kit.socketPair()
  const buffers = Array.from({ length: 10 }, () => room(4))
  const received = buffers.map(buffer => receive(engine, left, buffer, MSG.WAITALL))
  await new Promise(resolve => setImmediate(resolve))
  const expected = buffers.map((_, index) => `${index}`.repeat(4))
  for (const word of expected) assert.equal(await send(engine, right, word), 4)
  assert.deepEqual(await Promise.all(received), new Array(10).fill(4))
  const words = buffers.map(textOf)
  if (kit.driver === 'epoll') assert.deepEqual(words, expected)
  else assert.deepEqual(words.toSorted(), expected)
})

driverTest('MSG_WAITALL waits for all of it, or the end', async kit => {
  const engine = kit.engine()
  const [left, right] = kit.socketPair()
  const buffer = room(1000)
  let done = false
  const received = receive(engine, left, buffer, MSG.WAITALL).then(bytes => {
    done = true
    return bytes
  })
  for (let piece = 0; piece < 9; piece++) {
    writeSync(right, `${piece}`.repeat(100))
    await engine.run((queue, id) => preparePollAdd(queue, right, POLL.OUT, id), { syscall: 'poll' })
  }
  assert.equal(done, false)
  writeSync(right, '9'.repeat(100))
  assert.equal(await received, 1000)
  assert.equal(textOf(buffer), Array.from({ length: 10 }, (_, piece) => `${piece}`.repeat(100)).join(''))
  const rest = receive(engine, left, buffer, MSG.WAITALL)
  writeSync(right, 'rest')
  await new Promise(resolve => setImmediate(resolve))
  kit.closes(right)
  assert.equal(await rest, 4)
})

driverTest('MSG_WAITALL fills several buffers', async kit => {
  const engine = kit.engine()
  const [left, right] = kit.socketPair()
  const parts = [room(100), room(50), room(200)]
  const vectors = iovecs(parts)
  const header = messageHeader({ vectors })
  const prepare: Prepare = (queue, id) => prepareRecvmsg(queue, left, header, MSG.WAITALL, id)
  const received = step(engine, 'recvmsg', [parts, vectors, header], prepare)
  const text = Array.from({ length: 350 }, (_, index) => String.fromCharCode(97 + (index % 26))).join('')
  for (const [from, to] of [
    [0, 70],
    [70, 130],
    [130, 350],
  ]) {
    writeSync(right, text.slice(from, to))
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  assert.equal(await received, 350)
  assert.equal(parts.map(textOf).join(''), text)
})

driverTest('a send that does not fit waits, and with MSG_WAITALL sends everything', async kit => {
  const engine = kit.engine()
  const [left, right] = kit.socketPair()
  const large = room(4 << 20).map((_, index) => index * 7)
  const sent = send(engine, left, large, MSG.WAITALL)
  const received = room(4 << 20)
  assert.equal(await receive(engine, right, received, MSG.WAITALL), 4 << 20)
  assert.equal(await sent, 4 << 20)
  assert.deepEqual(received, large)
})

driverTest('MSG_DONTWAIT does not wait', async kit => {
  const engine = kit.engine()
  const [left] = kit.socketPair()
  await assert.rejects(receive(engine, left, room(4), MSG.DONTWAIT), { code: 'EAGAIN' })
})

driverTest('a broken connection is EPIPE and no signal', async kit => {
  const engine = kit.engine()
  const [left, right] = kit.socketPair()
  kit.closes(right)
  await assert.rejects(send(engine, left, 'x'), { code: 'EPIPE' })
})

driverTest('messages have several buffers, and datagrams addresses', async kit => {
  const engine = kit.engine()
  const [left, right] = kit.socketPair()
  const parts = [bytesOf('one '), bytesOf('two '), bytesOf('three')]
  const vectors = iovecs(parts)
  const header = messageHeader({ vectors })
  const prepare: Prepare = (queue, id) => prepareSendmsg(queue, left, header, 0, id)
  assert.equal(await step(engine, 'sendmsg', [parts, vectors, header], prepare), 13)
  const buffer = room(64)
  assert.equal(await receive(engine, right, buffer), 13)
  assert.equal(textOf(buffer.subarray(0, 13)), 'one two three')

  const datagrams = kit.owns(syscall('socket', AF.INET, SOCK.DGRAM | SOCK.CLOEXEC, 0))
  const any = encodeSocketAddress({ address: '127.0.0.1', port: 0 })
  assert.equal(syscall('bind', datagrams, any, any.byteLength), 0)
  const target = encodeSocketAddress({ address: '127.0.0.1', port: portOf(datagrams) })
  const sender = kit.owns(syscall('socket', AF.INET, SOCK.DGRAM | SOCK.CLOEXEC, 0))
  const received = receive(engine, datagrams, buffer)
  const letter = bytesOf('letter')
  const sendTo: Prepare = (queue, id) => prepareSendTo(queue, sender, letter, 0, target, id)
  assert.equal(await step(engine, 'sendto', [letter, target], sendTo), 6)
  assert.equal(await received, 6)
})

driverTest('a zero-copy send tells once or twice, and the promise once', async kit => {
  const engine = kit.engine()
  const { fd, address } = await listening(kit, engine)
  const client = kit.owns(syscall('socket', AF.INET, SOCK.STREAM | SOCK.CLOEXEC, 0))
  await step(engine, 'connect', address, (queue, id) => prepareConnect(queue, client, address, id))
  const server = kit.owns(
    await step(engine, 'accept', undefined, (queue, id) => prepareAccept(queue, fd, 0, id)),
  )
  const buffer = bytesOf('without a copy')
  const prepare: Prepare = (queue, id) => prepareSendZc(queue, client, buffer, 0, 0, id)
  assert.equal(await step(engine, 'send', buffer, prepare), 14)
  const got = room(64)
  assert.equal(await receive(engine, server, got), 14)
  await until(() => engine.stats().inFlight === 0, 'the memory is free again')
})

driverTest('with POLL_FIRST the first try comes with the data', async kit => {
  const engine = kit.engine()
  const [left, right] = kit.socketPair()
  const buffer = room(8)
  const received = step(engine, 'recv', buffer, (queue, id) => {
    const prepared = prepareRecv(queue, left, buffer, 0, id)
    if (prepared) addOptions(queue, IORING_RECVSEND.POLL_FIRST)
    return prepared
  })
  await new Promise(resolve => setImmediate(resolve))
  writeSync(right, 'data')
  assert.equal(await received, 4)
})

driverTest('socket options are set and asked for', async kit => {
  const engine = kit.engine()
  const [left, right] = kit.socketPair()
  const one = new Int32Array(new ArrayBuffer(4)).fill(1)
  const set: Prepare = (queue, id) => prepareSetsockopt(queue, left, SOL.SOCKET, SO.KEEPALIVE, one, id)
  assert.equal(await step(engine, 'setsockopt', one, set), 0)
  const value = new Int32Array(new ArrayBuffer(4))
  const get: Prepare = (queue, id) => prepareGetsockopt(queue, left, SOL.SOCKET, SO.KEEPALIVE, value, id)
  assert.equal(await step(engine, 'getsockopt', value, get), 4)
  assert.equal(value[0], 1)
  const { fd, address } = await listening(kit, engine)
  const client = kit.owns(syscall('socket', AF.INET, SOCK.STREAM | SOCK.CLOEXEC, 0))
  await step(engine, 'connect', address, (queue, id) => prepareConnect(queue, client, address, id))
  const server = kit.owns(
    await step(engine, 'accept', undefined, (queue, id) => prepareAccept(queue, fd, 0, id)),
  )
  await send(engine, client, 'waiting')
  await engine.run((queue, id) => preparePollAdd(queue, server, POLL.IN, id), { syscall: 'poll' })
  assert.equal(await step(engine, 'ioctl', undefined, (queue, id) => prepareSiocinq(queue, server, id)), 7)
  writeSync(right, 'x')
})

driverTest('closing a descriptor lets operations on it go on', async kit => {
  const engine = kit.engine()
  const [left, right] = kit.socketPair()
  const buffer = room(8)
  const received = receive(engine, left, buffer)
  const polled = engine.run((queue, id) => preparePollAdd(queue, left, POLL.IN, id), { syscall: 'poll' })
  await new Promise(resolve => setImmediate(resolve))
  await step(engine, 'close', undefined, (queue, id) => prepareClose(queue, left, id))
  kit.disowns(left)
  // The number is given to something else, which has nothing to do with it.
  const file = kit.file('other')
  writeSync(right, 'late')
  assert.equal(((await polled) as number) & POLL.IN, POLL.IN)
  assert.equal(await received, 4)
  assert.equal(textOf(buffer.subarray(0, 4)), 'late')
  assert.equal(await engine.read(file, buffer, 0, 5, 0), 5)
  await engine.close()
  assert.throws(() => writeSync(right, 'nobody is there'), { code: 'EPIPE' })
})

driverTest('readers and writers of one socket do not hold one another up', async kit => {
  const engine = kit.engine()
  const [left, right] = kit.socketPair()
  const buffer = room(4)
  const received = receive(engine, left, buffer)
  const large = room(1 << 20)
  const sent = send(engine, left, large, MSG.WAITALL)
  await new Promise(resolve => setImmediate(resolve))
  writeSync(right, 'back')
  assert.equal(await received, 4)
  assert.equal(await receive(engine, right, room(1 << 20), MSG.WAITALL), 1 << 20)
  assert.equal(await sent, 1 << 20)
})

driverTest('a splice moves what comes, and waits for it', async kit => {
  const engine = kit.engine()
  const [left, right] = kit.socketPair()
  const [reader, writer] = kit.pipe()
  const [copyReader, copyWriter] = kit.pipe()
  const splice = (from: number, at: number, to: number, length: number) =>
    step(engine, 'splice', undefined, (queue, id) => prepareSplice(queue, from, at, to, -1, length, 0, id))
  const moved = splice(right, -1, writer, 100)
  await new Promise(resolve => setImmediate(resolve))
  writeSync(left, 'moved')
  assert.equal(await moved, 5)
  const tee: Prepare = (queue, id) => prepareTee(queue, reader, copyWriter, 100, 0, id)
  assert.equal(await step(engine, 'tee', undefined, tee), 5)
  const piece = Buffer.alloc(16)
  assert.equal(readSync(copyReader, piece), 5)
  assert.equal(readSync(reader, piece), 5)
  assert.equal(piece.toString('utf8', 0, 5), 'moved')
  assert.equal(await splice(kit.file('from a file'), 5, writer, 100), 6)
  assert.equal(await splice(reader, -1, left, 100), 6)
  assert.equal(await engine.read(right, room(16), 0, 16, -1), 6)
  const controller = new AbortController()
  const endless: Prepare = (queue, id) => prepareSplice(queue, reader, -1, left, -1, 100, 0, id)
  const aborted = step(engine, 'splice', undefined, endless, controller.signal)
  await new Promise(resolve => setTimeout(resolve, 5))
  controller.abort()
  await assert.rejects(aborted, { name: 'AbortError' })
})

driverTest('a connection to a Node server', async kit => {
  const engine = kit.engine()
  const path = join(kit.folder(), 'socket')
  const server = createServer(socket => socket.pipe(socket)).listen(path)
  await once(server, 'listening')
  const fd = kit.owns(syscall('socket', AF.UNIX, SOCK.STREAM | SOCK.CLOEXEC, 0))
  const address = encodeSocketAddress({ path })
  await step(engine, 'connect', address, (queue, id) => prepareConnect(queue, fd, address, id))
  for (let round = 0; round < 50; round++) {
    const text = `round ${round}`
    assert.equal(await send(engine, fd, text), text.length)
    const buffer = room(text.length)
    assert.equal(await receive(engine, fd, buffer, MSG.WAITALL), text.length)
    assert.equal(textOf(buffer), text)
  }
  server.close()
})
