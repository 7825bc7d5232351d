import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import {
  addressOf,
  EPOLL_CTL,
  EPOLL_EVENT,
  errnoOf,
  FUTEX_BITSET_MATCH_ANY,
  FUTEX2,
  futexWaiters,
  IORING_ASYNC_CANCEL,
  IORING_CQE_F,
  IORING_FILE_INDEX_ALLOC,
  IORING_OP,
  IORING_POLL,
  IORING_TIMEOUT,
  IOSQE,
  MADV,
  P,
  PAGE_SIZE,
  POLL,
  SIGINFO,
  syscall,
  timespec,
  W,
} from '../kernel/index.js'
import * as ring from './index.js'
import { operationTest, room, textOf, type Workbench } from './operation.test.support.js'

const ECANCELED = -errnoOf('ECANCELED')
const ETIME = -62
const WORD = FUTEX2.SIZE_U32 | FUTEX2.PRIVATE
const ANY = FUTEX_BITSET_MATCH_ANY

/** Results by user data. */
function results(bench: Workbench, count: number): Record<number, number> {
  return Object.fromEntries(bench.wait(count).map(({ userData, result }) => [userData, result]))
}

operationTest('says when a descriptor is ready', ['POLL_ADD', 'POLL_REMOVE'], bench => {
  const [reading, writing] = bench.pipe()
  bench.start(queue => ring.preparePollAdd(queue, reading, POLL.IN, 1))
  writeSync(writing, 'x')
  assert.equal(bench.wait(1)[0]?.result, POLL.IN)
  readSync(reading, room(1))
  bench.start(queue => ring.preparePollMultishot(queue, reading, POLL.IN, 0, 2))
  for (let round = 0; round < 3; round++) {
    writeSync(writing, 'x')
    const [event] = bench.wait(1)
    assert.equal(event?.result, POLL.IN)
    assert.ok(((event?.flags ?? 0) & IORING_CQE_F.MORE) !== 0)
    readSync(reading, room(1))
  }
  bench.start(queue => ring.preparePollRemove(queue, 2, 3))
  assert.deepEqual(results(bench, 2), { 2: ECANCELED, 3: 0 })
})

operationTest('changes a poll in place', ['POLL_ADD', 'POLL_REMOVE'], bench => {
  const [reading, writing] = bench.pipe()
  bench.start(queue => ring.preparePollAdd(queue, writing, POLL.PRI, 1))
  const flags = IORING_POLL.UPDATE_EVENTS | IORING_POLL.UPDATE_USER_DATA
  bench.start(queue => ring.preparePollUpdate(queue, 1, 2 ** 40, POLL.OUT, flags, 3))
  assert.deepEqual(results(bench, 2), { 3: 0, [2 ** 40]: POLL.OUT })
  assert.ok(reading >= 0)
})

operationTest('keeps and awaits an epoll set', ['EPOLL_CTL', 'EPOLL_WAIT'], bench => {
  const epoll = bench.owns(syscall('epoll_create1', 0))
  const [reading, writing] = bench.pipe()
  const event = room(EPOLL_EVENT.SIZE)
  new DataView(event.buffer).setUint32(EPOLL_EVENT.EVENTS, POLL.IN, true)
  new DataView(event.buffer).setUint32(EPOLL_EVENT.DATA, 77, true)
  bench.succeed(queue => ring.prepareEpollCtl(queue, epoll, reading, EPOLL_CTL.ADD, event, 1))
  const events = room(4 * EPOLL_EVENT.SIZE)
  bench.start(queue => ring.prepareEpollWait(queue, epoll, events, 4, 2))
  writeSync(writing, 'x')
  assert.equal(bench.wait(1)[0]?.result, 1)
  assert.equal(new DataView(events.buffer).getUint32(EPOLL_EVENT.DATA, true), 77)
})

operationTest('fires, and can be set anew or removed', ['TIMEOUT', 'TIMEOUT_REMOVE'], bench => {
  const soon = timespec(1)
  const never = timespec(1e9)
  assert.equal(bench.run(queue => ring.prepareTimeout(queue, soon, 0, 0, 1)).result, ETIME)
  bench.start(queue => ring.prepareTimeout(queue, never, 0, 0, 2))
  bench.start(queue => ring.prepareTimeoutUpdate(queue, 2, soon, 0, 3))
  assert.deepEqual(results(bench, 2), { 2: ETIME, 3: 0 })
  bench.start(queue => ring.prepareTimeout(queue, never, 0, 0, 4))
  bench.start(queue => ring.prepareTimeoutRemove(queue, 4, 5))
  assert.deepEqual(results(bench, 2), { 4: ECANCELED, 5: 0 })
  bench.start(
    queue => ring.prepareTimeout(queue, never, 1, 0, 6),
    queue => ring.prepareNop(queue, 7),
  )
  assert.deepEqual(results(bench, 2), { 6: 0, 7: 0 })
  bench.start(queue => ring.prepareTimeout(queue, soon, 3, IORING_TIMEOUT.MULTISHOT, 8))
  const fired = bench.wait(3)
  assert.deepEqual(
    fired.map(({ flags }) => (flags & IORING_CQE_F.MORE) !== 0),
    [true, true, false],
  )
})

operationTest('limits the time of the entry before it', ['LINK_TIMEOUT', 'READ'], bench => {
  const [reading] = bench.pipe()
  const into = room(4)
  const time = timespec(1)
  bench.start(
    queue => {
      const taken = ring.prepareRead(queue, reading, into, -1, 1)
      queue.mark(IOSQE.IO_LINK)
      return taken
    },
    queue => ring.prepareLinkTimeout(queue, time, 0, 2),
  )
  assert.deepEqual(results(bench, 2), { 1: ECANCELED, 2: ETIME })
})

operationTest('cancels by user data, descriptor, operation and all', ['ASYNC_CANCEL', 'READ'], bench => {
  const [reading] = bench.pipe()
  const into = room(4)
  const cancels: [(queue: ring.SubmissionQueue) => boolean, number][] = [
    [queue => ring.prepareCancel(queue, 1, 0, 2), 0],
    [queue => ring.prepareCancel(queue, 1, IORING_ASYNC_CANCEL.ALL, 2), 1],
    [queue => ring.prepareCancelFd(queue, reading, 0, 2), 0],
    [queue => ring.prepareCancelOperation(queue, IORING_OP.READ, 0, 2), 0],
    [queue => ring.prepareCancelAny(queue, 2), 1],
  ]
  for (const [cancel, expected] of cancels) {
    bench.start(queue => ring.prepareRead(queue, reading, into, -1, 1))
    bench.start(cancel)
    assert.deepEqual(results(bench, 2), { 1: ECANCELED, 2: expected })
  }
  const nothing = bench.run(queue => ring.prepareCancel(queue, 99, 0, 2))
  assert.equal(nothing.result, -errnoOf('ENOENT'))
})

operationTest('moves and doubles what is in a pipe', ['SPLICE', 'TEE'], bench => {
  const path = join(bench.directory(), 'file')
  const file = bench.owns(openSync(path, 'w+'))
  writeSync(file, 'through the pipes')
  const [reading, writing] = bench.pipe()
  const [second, secondEnd] = bench.pipe()
  assert.equal(
    bench.succeed(queue => ring.prepareSplice(queue, file, 8, writing, -1, 9, 0, 1)),
    9,
  )
  assert.equal(
    bench.succeed(queue => ring.prepareTee(queue, reading, secondEnd, 9, 0, 1)),
    9,
  )
  for (const end of [reading, second]) {
    const into = room(9)
    assert.equal(readSync(end, into), 9)
    assert.equal(textOf(into), 'the pipes')
  }
})

operationTest('makes a pipe, also in slots', ['PIPE'], bench => {
  const fds = new Int32Array(new ArrayBuffer(8))
  bench.succeed(queue => ring.preparePipe(queue, fds, 0, 1))
  const [reading, writing] = [bench.owns(fds[0] as number), bench.owns(fds[1] as number)]
  writeSync(writing, 'x')
  assert.equal(readSync(reading, room(1)), 1)
  bench.ring.registerFiles(4)
  bench.succeed(queue => ring.preparePipeDirect(queue, fds, 0, IORING_FILE_INDEX_ALLOC, 1))
  assert.deepEqual([...fds].sort(), [0, 1])
})

operationTest('reaches another ring', ['MSG_RING'], bench => {
  using other = new ring.Ring({ entries: 4, mode: 'dedicated' })
  bench.succeed(queue => ring.prepareMsgRing(queue, other.fd, 42, 2 ** 52, 0, 1))
  bench.run(queue => ring.prepareMsgRingFlags(queue, other.fd, 43, 5, 0x20000, 1))
  const seen: [number, number, number][] = []
  other.reap((userData, result, flags) => seen.push([userData, result, flags]))
  assert.deepEqual(seen, [
    [2 ** 52, 42, 0],
    [5, 43, 0x20000],
  ])
})

operationTest('hands a registered file to another ring', ['MSG_RING'], bench => {
  using other = new ring.Ring({ entries: 4, mode: 'dedicated' })
  const [reading, writing] = bench.pipe()
  writeSync(writing, 'given')
  bench.ring.registerFiles([reading])
  other.registerFiles(2)
  bench.succeed(queue => ring.prepareMsgRingFd(queue, other.fd, 0, 1, 5, 0, 1))
  const into = room(5)
  ring.prepareRead(other.submissions, 1, into, -1, 6)
  other.submissions.mark(IOSQE.FIXED_FILE)
  other.submit()
  const seen = new Set<number>()
  other.reap(userData => seen.add(userData))
  assert.equal(textOf(into), 'given')
  assert.ok(seen.has(6))
})

operationTest('awaits a child', ['WAITID'], async bench => {
  const child = spawn(process.execPath, ['-e', 'process.exit(3)'], { stdio: 'ignore' })
  const exited = once(child, 'exit')
  const information = room(SIGINFO.SIZE)
  // NOWAIT leaves the child to Node, which waits for it too.
  const options = W.EXITED | W.NOWAIT
  bench.succeed(queue => ring.prepareWaitid(queue, P.PID, child.pid ?? -1, information, options, 1))
  const view = new DataView(information.buffer)
  assert.equal(view.getInt32(SIGINFO.PID, true), child.pid)
  assert.equal(view.getInt32(SIGINFO.STATUS, true), 3)
  await exited
})

operationTest('sleeps on a futex and wakes', ['FUTEX_WAIT', 'FUTEX_WAKE', 'FUTEX_WAITV'], bench => {
  const futex = new Int32Array(new ArrayBuffer(8))
  const wake = (queue: ring.SubmissionQueue) => ring.prepareFutexWake(queue, futex, 1, ANY, WORD, 2)
  const stale = bench.run(queue => ring.prepareFutexWait(queue, futex, 9, ANY, WORD, 1))
  assert.equal(stale.result, -errnoOf('EAGAIN'))
  bench.start(queue => ring.prepareFutexWait(queue, futex, 0, ANY, WORD, 1))
  bench.start(wake)
  assert.deepEqual(results(bench, 2), { 1: 0, 2: 1 })
  const waiters = futexWaiters([
    { futex: futex.subarray(1), value: 0 },
    { futex, value: 0 },
  ])
  bench.start(queue => ring.prepareFutexWaitv(queue, waiters, 1))
  bench.start(wake)
  assert.deepEqual(results(bench, 2), { 1: 1, 2: 1 })
})

operationTest('gives memory back', ['MADVISE'], bench => {
  const memory = room(4 * PAGE_SIZE).fill(1)
  const skip = PAGE_SIZE - (addressOf(memory) % PAGE_SIZE)
  const page = memory.subarray(skip, skip + PAGE_SIZE)
  bench.succeed(queue => ring.prepareMadvise(queue, addressOf(page), PAGE_SIZE, MADV.DONTNEED, 1))
  assert.ok(page.every(byte => byte === 0))
  assert.equal(memory[skip + PAGE_SIZE], 1)
})

operationTest('reaches a driver', ['URING_CMD'], bench => {
  const device = bench.owns(openSync('/dev/null', 'r+'))
  assert.equal(bench.run(queue => ring.prepareUringCmd(queue, device, 0, 0, new Int32Array(4), 1)).result, 0)
  const directory = bench.owns(openSync('/', 'r'))
  const { result } = bench.run(queue => ring.prepareBlockDiscard(queue, directory, 0, 4096, 1))
  assert.equal(result, -errnoOf('ENOTSUP'))
})

operationTest('is refused without a network queue', ['RECV_ZC'], bench => {
  const [left] = bench.socketPair()
  const { result } = bench.run(queue => ring.prepareRecvZc(queue, left, 0, 0, 1))
  assert.equal(result, -errnoOf('EINVAL'))
})
