import assert from 'node:assert/strict'
import { closeSync, fstatSync, readSync, writeSync } from 'node:fs'
import {
  AF,
  addressOf,
  decodeSocketAddress,
  descriptorControl,
  encodeSocketAddress,
  errnoOf,
  IO_URING_RECVMSG_OUT,
  IORING_CQE_BUFFER_SHIFT,
  IORING_CQE_F,
  IORING_FILE_INDEX_ALLOC,
  IORING_RECVSEND,
  iovecs,
  MSG,
  MSGHDR,
  messageHeader,
  receivedDescriptors,
  SHUT,
  SO,
  SOCK,
  SOCKADDR_STORAGE_SIZE,
  SOL,
  syscall,
} from '../kernel/index.js'
import * as ring from './index.js'
import { bytesOf, operationTest, room, textOf, type Workbench } from './operation.test.support.js'

const GROUP = 7
const BUFFER_SIZE = 64

/** A listening socket on the loopback device, and where it listens. */
function makeListener(bench: Workbench): { fd: number; address: Uint8Array } {
  const fd = bench.owns(bench.succeed(queue => ring.prepareSocket(queue, AF.INET, SOCK.STREAM, 0, 1)))
  const any = encodeSocketAddress({ address: '127.0.0.1', port: 0 })
  assert.equal(syscall('bind', fd, any, any.byteLength), 0)
  assert.equal(syscall('listen', fd, 8), 0)
  const address = room(16)
  const length = new Int32Array(new ArrayBuffer(4)).fill(16)
  assert.equal(syscall('getsockname', fd, address, length), 0)
  return { fd, address }
}

/** A connected TCP pair. */
function makeConnection(bench: Workbench): [number, number] {
  const listener = makeListener(bench)
  const client = bench.owns(bench.succeed(queue => ring.prepareSocket(queue, AF.INET, SOCK.STREAM, 0, 1)))
  assert.equal(syscall('connect', client, listener.address, listener.address.byteLength), 0)
  return [client, bench.owns(syscall('accept4', listener.fd, 0, 0, SOCK.CLOEXEC))]
}

/** Gives a group some buffers. */
function provide(bench: Workbench, count: number): Uint8Array {
  const memory = room(count * BUFFER_SIZE)
  bench.succeed(queue =>
    ring.prepareProvideBuffers(queue, addressOf(memory), BUFFER_SIZE, count, GROUP, 0, 1),
  )
  return memory
}

/** The buffer that a completion names. */
function picked(memory: Uint8Array, flags: number, length: number): string {
  assert.ok((flags & IORING_CQE_F.BUFFER) !== 0, 'the completion names no buffer')
  const start = (flags >>> IORING_CQE_BUFFER_SHIFT) * BUFFER_SIZE
  return textOf(memory.subarray(start, start + length))
}

operationTest('connects and accepts', ['SOCKET', 'BIND', 'LISTEN', 'CONNECT', 'ACCEPT'], bench => {
  const fd = bench.owns(bench.succeed(queue => ring.prepareSocket(queue, AF.INET6, SOCK.STREAM, 0, 1)))
  const any = encodeSocketAddress({ address: '::ffff:127.0.0.1', port: 0 })
  bench.succeed(queue => ring.prepareBind(queue, fd, any, 1))
  bench.succeed(queue => ring.prepareListen(queue, fd, 8, 1))
  const bound = room(28)
  const length = new Int32Array(new ArrayBuffer(4)).fill(28)
  assert.equal(syscall('getsockname', fd, bound, length), 0)
  const client = bench.owns(bench.succeed(queue => ring.prepareSocket(queue, AF.INET6, SOCK.STREAM, 0, 1)))
  const peer = room(SOCKADDR_STORAGE_SIZE)
  length[0] = peer.byteLength
  const completions = bench.runAll([
    queue => ring.prepareAcceptFrom(queue, fd, peer, length, SOCK.CLOEXEC, 1),
    queue => ring.prepareConnect(queue, client, bound, 2),
  ])
  const results = new Map(completions.map(({ userData, result }) => [userData, result]))
  bench.owns(results.get(1) as number)
  assert.equal(results.get(2), 0)
  const address = decodeSocketAddress(peer, length[0])
  assert.ok(address?.family === 'IPv6')
  assert.equal(address.address, '::ffff:127.0.0.1')
})

operationTest('accepts again and again, also into slots', ['ACCEPT'], bench => {
  const listener = makeListener(bench)
  const connect = () => {
    const client = bench.owns(syscall('socket', AF.INET, SOCK.STREAM, 0))
    assert.equal(syscall('connect', client, listener.address, listener.address.byteLength), 0)
  }
  bench.start(queue => ring.prepareAcceptMultishot(queue, listener.fd, SOCK.CLOEXEC, 1))
  connect()
  connect()
  for (const { result, flags } of bench.wait(2)) {
    bench.owns(result)
    assert.equal(flags & IORING_CQE_F.MORE, IORING_CQE_F.MORE)
  }
  bench.runAll([queue => ring.prepareCancel(queue, 1, 0, 2), () => true])
  bench.ring.registerFiles(4)
  bench.start(queue => ring.prepareAcceptMultishotDirect(queue, listener.fd, 0, 3))
  connect()
  assert.ok((bench.wait(1)[0]?.result ?? -1) < 4)
  bench.runAll([queue => ring.prepareCancel(queue, 3, 0, 4), () => true])
  connect()
  assert.equal(bench.run(queue => ring.prepareAcceptDirect(queue, listener.fd, 0, 3, 5)).result, 0)
})

operationTest('makes a socket in a slot', ['SOCKET'], bench => {
  bench.ring.registerFiles(2)
  const slot = bench.succeed(queue =>
    ring.prepareSocketDirect(queue, AF.UNIX, SOCK.STREAM, 0, IORING_FILE_INDEX_ALLOC, 1),
  )
  assert.ok(slot < 2)
})

operationTest('sends, receives and ends a direction', ['SEND', 'RECV', 'SHUTDOWN'], bench => {
  const [left, right] = bench.socketPair()
  assert.equal(
    bench.succeed(queue => ring.prepareSend(queue, left, bytesOf('hello'), MSG.NOSIGNAL, 1)),
    5,
  )
  const into = room(16)
  assert.equal(
    bench.succeed(queue => ring.prepareRecv(queue, right, into, 0, 1)),
    5,
  )
  assert.equal(textOf(into.subarray(0, 5)), 'hello')
  bench.start(queue => {
    const taken = ring.prepareRecv(queue, right, into, 0, 2)
    ring.addOptions(queue, IORING_RECVSEND.POLL_FIRST)
    return taken
  })
  bench.succeed(queue => ring.prepareShutdown(queue, left, SHUT.WR, 2))
  assert.equal(bench.wait(1)[0]?.result, 0)
})

operationTest('sends a datagram to an address', ['SEND'], bench => {
  const receiver = bench.owns(syscall('socket', AF.INET, SOCK.DGRAM, 0))
  const any = encodeSocketAddress({ address: '127.0.0.1', port: 0 })
  assert.equal(syscall('bind', receiver, any, any.byteLength), 0)
  const target = room(16)
  assert.equal(syscall('getsockname', receiver, target, new Int32Array(new ArrayBuffer(4)).fill(16)), 0)
  const sender = bench.owns(syscall('socket', AF.INET, SOCK.DGRAM, 0))
  assert.equal(
    bench.succeed(queue => ring.prepareSendTo(queue, sender, bytesOf('dgram'), 0, target, 1)),
    5,
  )
  const into = room(10)
  assert.equal(
    bench.succeed(queue => ring.prepareRecv(queue, receiver, into, 0, 1)),
    5,
  )
})

operationTest('sends several buffers without a message header', ['SEND'], (bench, skip) => {
  const [left, right] = bench.socketPair()
  const parts = [bytesOf('ab'), bytesOf('cd')]
  const vectors = iovecs(parts)
  const { result } = bench.run(queue => ring.prepareSendVectors(queue, left, vectors, 0, 1))
  if (result === -errnoOf('EINVAL')) return skip('it needs kernel 6.17')
  assert.equal(result, 4)
  const into = room(4)
  assert.equal(readSync(right, into), 4)
  assert.equal(textOf(into), 'abcd')
})

operationTest(
  'receives into buffers that the kernel picks',
  ['RECV', 'PROVIDE_BUFFERS', 'REMOVE_BUFFERS'],
  bench => {
    const memory = provide(bench, 4)
    const [left, right] = bench.socketPair()
    writeSync(left, 'once')
    const once = bench.run(queue => ring.prepareRecvSelect(queue, right, GROUP, 0, 0, 1))
    assert.equal(picked(memory, once.flags, once.result), 'once')
    bench.start(queue => ring.prepareRecvMultishot(queue, right, GROUP, 0, 0, 2))
    for (const text of ['first', 'second']) {
      writeSync(left, text)
      const [completion] = bench.wait(1)
      assert.ok(completion !== undefined)
      assert.equal(picked(memory, completion.flags, completion.result), text)
      assert.ok((completion.flags & IORING_CQE_F.MORE) !== 0)
    }
    assert.equal(
      bench.succeed(queue => ring.prepareRemoveBuffers(queue, 10, GROUP, 3)),
      1,
    )
    writeSync(left, 'no buffer')
    const [last] = bench.wait(1)
    assert.equal(last?.result, -errnoOf('ENOBUFS'))
    assert.equal((last?.flags ?? 0) & IORING_CQE_F.MORE, 0)
  },
)

operationTest('reads again and again', ['READ_MULTISHOT', 'PROVIDE_BUFFERS'], bench => {
  const memory = provide(bench, 4)
  const [reading, writing] = bench.pipe()
  bench.start(queue => ring.prepareReadMultishot(queue, reading, GROUP, 0, -1, 1))
  for (const text of ['first', 'second']) {
    writeSync(writing, text)
    const [completion] = bench.wait(1)
    assert.ok(completion !== undefined)
    assert.equal(picked(memory, completion.flags, completion.result), text)
  }
  closeSync(writing)
  bench.disowns(writing)
  assert.deepEqual(bench.wait(1), [{ userData: 1, result: 0, flags: 0 }])
})

operationTest('passes a descriptor', ['SENDMSG', 'RECVMSG'], bench => {
  const [left, right] = bench.socketPair()
  const [reading] = bench.pipe()
  const text = [bytesOf('take'), bytesOf(' this')]
  const sent = { vectors: iovecs(text), control: descriptorControl([reading]) }
  const header = messageHeader(sent)
  assert.equal(
    bench.succeed(queue => ring.prepareSendmsg(queue, left, header, 0, 1)),
    9,
  )
  const into = room(16)
  const parts = { vectors: iovecs([into]), control: room(64) }
  const received = messageHeader(parts)
  const flags = MSG.CMSG_CLOEXEC
  assert.equal(
    bench.succeed(queue => ring.prepareRecvmsg(queue, right, received, flags, 1)),
    9,
  )
  assert.equal(textOf(into.subarray(0, 9)), 'take this')
  const [fd = -1] = receivedDescriptors(parts.control, received[MSGHDR.CONTROLLEN / 4])
  bench.owns(fd)
  assert.equal(fstatSync(fd).ino, fstatSync(reading).ino)
})

operationTest('receives messages again and again', ['RECVMSG', 'PROVIDE_BUFFERS'], bench => {
  const memory = provide(bench, 4)
  const [left, right] = bench.socketPair(SOCK.DGRAM)
  const header = messageHeader({})
  bench.start(queue => ring.prepareRecvmsgMultishot(queue, right, header, GROUP, 0, 1))
  writeSync(left, 'datagram')
  const [completion] = bench.wait(1)
  assert.ok(completion !== undefined)
  const start = (completion.flags >>> IORING_CQE_BUFFER_SHIFT) * BUFFER_SIZE
  const view = new DataView(memory.buffer, start)
  assert.equal(view.getUint32(IO_URING_RECVMSG_OUT.PAYLOADLEN, true), 8)
  const payload = memory.subarray(start + IO_URING_RECVMSG_OUT.SIZE, start + completion.result)
  assert.equal(textOf(payload), 'datagram')
})

operationTest('sends without a copy and says when the memory is free', ['SEND_ZC', 'SENDMSG_ZC'], bench => {
  const [client, server] = makeConnection(bench)
  const slab = room(4096)
  slab.set(bytesOf('zero'))
  bench.ring.registerBuffers([slab])
  const vectors = iovecs([slab.subarray(0, 4)])
  const header = messageHeader({ vectors })
  const at = addressOf(slab)
  const sends: ((queue: ring.SubmissionQueue) => boolean)[] = [
    queue =>
      ring.prepareSendZc(queue, client, slab.subarray(0, 4), 0, IORING_RECVSEND.SEND_ZC_REPORT_USAGE, 1),
    queue => ring.prepareSendZcFixedAt(queue, client, at, 4, 0, 0, 0, 1),
    queue => ring.prepareSendmsgZc(queue, client, header, 0, 1),
    queue => ring.prepareSendmsgZcFixed(queue, client, header, 0, 0, 1),
    queue => ring.prepareSendZcVectors(queue, client, vectors, 0, 1),
  ]
  for (const send of sends) {
    const sent = bench.run(send)
    // The last two need kernels 6.15 and 6.17.
    if (sent.result === -errnoOf('EINVAL')) continue
    assert.equal(sent.result, 4)
    if ((sent.flags & IORING_CQE_F.MORE) !== 0) {
      assert.ok(((bench.wait(1)[0]?.flags ?? 0) & IORING_CQE_F.NOTIF) !== 0)
    }
    const into = room(4)
    assert.equal(
      bench.succeed(queue => ring.prepareRecv(queue, server, into, MSG.WAITALL, 2)),
      4,
    )
    assert.equal(textOf(into), 'zero')
  }
})

operationTest('sends a whole group', ['SEND'], (bench, skip) => {
  const [left, right] = bench.socketPair()
  const buffers = bench.ring.registerBufferRing({ group: GROUP, entries: 4, bufferSize: BUFFER_SIZE })
  const { result } = bench.run(queue => ring.prepareSendBundle(queue, left, GROUP, 0, 1))
  buffers.close()
  if (result === -errnoOf('EINVAL')) return skip('it needs kernel 6.10')
  assert.equal(result, 4 * BUFFER_SIZE)
  assert.equal(readSync(right, room(1024)), 4 * BUFFER_SIZE)
})

operationTest('asks a socket about itself', ['URING_CMD'], bench => {
  const [client, server] = makeConnection(bench)
  const value = new Int32Array(new ArrayBuffer(4)).fill(1)
  bench.succeed(queue => ring.prepareSetsockopt(queue, client, SOL.SOCKET, SO.KEEPALIVE, value, 1))
  value[0] = 0
  const get = bench.run(queue => ring.prepareGetsockopt(queue, client, SOL.SOCKET, SO.KEEPALIVE, value, 1))
  assert.deepEqual([get.result, value[0]], [4, 1])
  writeSync(client, 'waiting')
  assert.equal(
    bench.succeed(queue => ring.preparePollAdd(queue, server, 1, 1)),
    1,
  )
  assert.equal(
    bench.succeed(queue => ring.prepareSiocinq(queue, server, 1)),
    7,
  )
  assert.ok(bench.succeed(queue => ring.prepareSiocoutq(queue, client, 1)) >= 0)
})

operationTest('asks a socket for its addresses', ['URING_CMD'], (bench, skip) => {
  const [client, server] = makeConnection(bench)
  const name = room(16)
  const length = new Int32Array(new ArrayBuffer(4)).fill(16)
  const own = bench.run(queue => ring.prepareGetsockname(queue, client, name, length, 1))
  if (own.result === -errnoOf('ENOTSUP')) return skip('getsockname needs kernel 6.19')
  assert.equal(own.result, 0)
  const local = decodeSocketAddress(name)
  bench.succeed(queue => ring.prepareGetpeername(queue, server, name, length, 1))
  assert.deepEqual(decodeSocketAddress(name), local)
})
