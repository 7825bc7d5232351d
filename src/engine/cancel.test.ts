import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { IORING_ASYNC_CANCEL, IORING_OP, IORING_POLL, IOSQE, POLL, timespec } from '../kernel/index.js'
import {
  prepareCancel,
  prepareCancelAny,
  prepareCancelFd,
  prepareCancelOperation,
  prepareLinkTimeout,
  prepareNop,
  preparePollAdd,
  preparePollRemove,
  preparePollUpdate,
  prepareRead,
  prepareTimeout,
  prepareTimeoutRemove,
  prepareTimeoutUpdate,
} from '../ring/index.js'
import { byUserData, DriverBench, type Step } from './driver-bench.test.support.js'
import { driverTest, type Kit, room } from './driver-test.test.support.js'

const ENOENT = -2
const EBADF = -9
const ETIME = -62
const ECANCELED = -125

function cancelTest(name: string, body: (bench: DriverBench, kit: Kit) => void): void {
  driverTest(name, kit => {
    const bench = new DriverBench(kit.driver)
    try {
      body(bench, kit)
    } finally {
      bench.submit(queue => prepareCancelAny(queue, 99))
      while (bench.wait(1)[0][0] !== 99);
      bench.driver.close()
    }
  })
}

const read =
  (fd: number, id: number): Step =>
  queue =>
    prepareRead(queue, fd, room(8), -1, id)
const timeout =
  (time: Uint32Array, id: number, count = 0): Step =>
  queue =>
    prepareTimeout(queue, time, count, 0, id)

cancelTest('by user data: one of them, or all', (bench, kit) => {
  const [reader] = kit.pipe()
  bench.submit(read(reader, 1), read(reader, 2), read(reader, 2), read(reader, 3))
  bench.submit(queue => prepareCancel(queue, 2, IORING_ASYNC_CANCEL.ALL, 10))
  assert.deepEqual(byUserData(bench.wait(3)), [
    [2, ECANCELED, 0],
    [2, ECANCELED, 0],
    [10, 2, 0],
  ])
  bench.submit(queue => prepareCancel(queue, 3, 0, 11))
  assert.deepEqual(byUserData(bench.wait(2)), [
    [3, ECANCELED, 0],
    [11, 0, 0],
  ])
})

cancelTest('a cancelled operation has a completion of its own', (bench, kit) => {
  const [reader] = kit.pipe()
  const steps = [read(reader, 1), (queue: Parameters<Step>[0]) => prepareCancel(queue, 1, 0, 2)]
  assert.deepEqual(bench.sorted(...steps), [
    [1, ECANCELED, 0],
    [2, 0, 0],
  ])
})

cancelTest('nothing found is ENOENT, or none of all', (bench, kit) => {
  const [reader] = kit.pipe()
  assert.deepEqual(
    bench.run(queue => prepareCancel(queue, 1, 0, 2)),
    [[2, ENOENT, 0]],
  )
  assert.deepEqual(
    bench.run(queue => prepareCancel(queue, 1, IORING_ASYNC_CANCEL.ALL, 2)),
    [[2, 0, 0]],
  )
  assert.deepEqual(
    bench.run(queue => prepareCancelAny(queue, 2)),
    [[2, 0, 0]],
  )
  assert.deepEqual(
    bench.run(queue => prepareCancelFd(queue, reader, 0, 2)),
    [[2, ENOENT, 0]],
  )
  assert.deepEqual(
    bench.run(queue => prepareCancelFd(queue, 2 ** 30, 0, 2)),
    [[2, EBADF, 0]],
  )
})

cancelTest('by descriptor', (bench, kit) => {
  const [reader] = kit.pipe()
  const [other] = kit.pipe()
  bench.submit(read(reader, 1), read(other, 2), read(reader, 3))
  bench.submit(queue => prepareCancelFd(queue, reader, IORING_ASYNC_CANCEL.ALL, 4))
  const said = byUserData(bench.wait(3))
  assert.deepEqual(said, [
    [1, ECANCELED, 0],
    [3, ECANCELED, 0],
    [4, 2, 0],
  ])
})

cancelTest('by kind of operation', (bench, kit) => {
  const [reader] = kit.pipe()
  const poll: Step = queue => preparePollAdd(queue, reader, POLL.IN, 2)
  bench.submit(read(reader, 1), poll)
  bench.submit(queue => prepareCancelOperation(queue, IORING_OP.POLL_ADD, 0, 3))
  assert.deepEqual(byUserData(bench.wait(2)), [
    [2, ECANCELED, 0],
    [3, 0, 0],
  ])
})

cancelTest('everything, and how much that was', (bench, kit) => {
  const [reader] = kit.pipe()
  const time = timespec(60_000)
  bench.submit(read(reader, 1), read(reader, 2), timeout(time, 3))
  bench.submit(queue => prepareCancelAny(queue, 4))
  assert.deepEqual(byUserData(bench.wait(4)), [
    [1, ECANCELED, 0],
    [2, ECANCELED, 0],
    [3, ECANCELED, 0],
    [4, 3, 0],
  ])
})

cancelTest('what has completed is not cancelled, and what is cancelled does not complete', (bench, kit) => {
  const [reader, writer] = kit.pipe()
  bench.submit(read(reader, 1))
  writeSync(writer, 'data')
  assert.deepEqual(bench.wait(1), [[1, 4, 0]])
  assert.deepEqual(
    bench.run(queue => prepareCancel(queue, 1, 0, 2)),
    [[2, ENOENT, 0]],
  )
  bench.submit(read(reader, 1), queue => prepareCancel(queue, 1, 0, 2))
  writeSync(writer, 'data')
  assert.deepEqual(byUserData(bench.wait(2)), [
    [1, ECANCELED, 0],
    [2, 0, 0],
  ])
  assert.deepEqual(bench.run(read(reader, 3)), [[3, 4, 0]])
})

cancelTest('the head of a chain takes the chain with it; what waits behind it is not found', (bench, kit) => {
  const [reader] = kit.pipe()
  const chain: Step[] = [
    queue => {
      prepareRead(queue, reader, room(8), -1, 1)
      queue.mark(IOSQE.IO_LINK)
    },
    queue => prepareNop(queue, 2),
  ]
  bench.submit(...chain)
  assert.deepEqual(
    bench.run(queue => prepareCancel(queue, 2, 0, 3)),
    [[3, ENOENT, 0]],
  )
  bench.submit(queue => prepareCancel(queue, 1, 0, 4))
  assert.deepEqual(byUserData(bench.wait(3)), [
    [1, ECANCELED, 0],
    [2, ECANCELED, 0],
    [4, 0, 0],
  ])
})

cancelTest('cancelling an operation ends its time limit', (bench, kit) => {
  const [reader] = kit.pipe()
  const time = timespec(60_000)
  bench.submit(
    queue => {
      prepareRead(queue, reader, room(8), -1, 1)
      queue.mark(IOSQE.IO_LINK)
    },
    queue => prepareLinkTimeout(queue, time, 0, 2),
  )
  bench.submit(queue => prepareCancel(queue, 1, 0, 3))
  assert.deepEqual(byUserData(bench.wait(3)), [
    [1, ECANCELED, 0],
    [2, ECANCELED, 0],
    [3, 0, 0],
  ])
})

cancelTest('a time-out ends when its time has come, is removed or set anew', bench => {
  const long = timespec(60_000)
  const short = timespec(3)
  assert.deepEqual(bench.run(timeout(short, 1)), [[1, ETIME, 0]])
  const removed = bench.sorted(timeout(long, 1), queue => prepareTimeoutRemove(queue, 1, 2))
  assert.deepEqual(removed, [
    [1, ECANCELED, 0],
    [2, 0, 0],
  ])
  assert.deepEqual(
    bench.run(queue => prepareTimeoutRemove(queue, 1, 2)),
    [[2, ENOENT, 0]],
  )
  const updated = bench.sorted(timeout(long, 1), queue => prepareTimeoutUpdate(queue, 1, short, 0, 2))
  assert.deepEqual(updated, [
    [1, ETIME, 0],
    [2, 0, 0],
  ])
})

cancelTest('time-outs end in the order of their times', bench => {
  const order = [9, 3, 7, 1, 5]
  const times = order.map(milliseconds => timespec(milliseconds * 4))
  bench.submit(...times.map((time, index) => timeout(time, order[index])))
  assert.deepEqual(
    bench.wait(5).map(([userData]) => userData),
    [1, 3, 5, 7, 9],
  )
})

cancelTest('a time-out may also end after so many completions', bench => {
  const long = timespec(60_000)
  const said = bench.run(
    timeout(long, 1, 2),
    ...[2, 3, 4].map(
      (id): Step =>
        queue =>
          prepareNop(queue, id),
    ),
  )
  assert.ok(said.some(([userData, result]) => userData === 1 && result === 0))
})

cancelTest('a poll is removed, and changed in place', (bench, kit) => {
  const [reader, writer] = kit.pipe()
  const poll: Step = queue => preparePollAdd(queue, reader, POLL.IN, 1)
  const removed = bench.sorted(poll, queue => preparePollRemove(queue, 1, 2))
  assert.deepEqual(removed, [
    [1, ECANCELED, 0],
    [2, 0, 0],
  ])
  assert.deepEqual(
    bench.run(queue => preparePollRemove(queue, 1, 2)),
    [[2, ENOENT, 0]],
  )
  const both = IORING_POLL.UPDATE_EVENTS | IORING_POLL.UPDATE_USER_DATA
  bench.submit(queue => preparePollAdd(queue, writer, POLL.PRI, 1))
  bench.submit(queue => preparePollUpdate(queue, 1, 5, POLL.OUT, both, 6))
  assert.deepEqual(byUserData(bench.wait(2)), [
    [5, POLL.OUT, 0],
    [6, 0, 0],
  ])
})

cancelTest('a poll of what has no readiness is answered at once', (bench, kit) => {
  const file = kit.file('data')
  assert.deepEqual(
    bench.run(queue => preparePollAdd(queue, file, POLL.IN, 1)),
    [[1, POLL.IN, 0]],
  )
  assert.deepEqual(
    bench.run(queue => preparePollAdd(queue, 2 ** 30, POLL.IN, 1)),
    [[1, EBADF, 0]],
  )
})
