import assert from 'node:assert/strict'
import { AT, IORING_TIMEOUT, IOSQE, pathBytes, timespec } from '../kernel/index.js'
import {
  prepareFsync,
  prepareLinkTimeout,
  prepareNop,
  prepareOpenAt,
  prepareRead,
  prepareTimeout,
  type SubmissionQueue,
} from '../ring/index.js'
import { byUserData, DriverBench, type Step } from './driver-bench.test.support.js'
import { driverTest, type Kit, room } from './driver-test.test.support.js'

const EBADF = -9
const EINVAL = -22
const ENOENT = -2
const ETIME = -62
const ECANCELED = -125

const nop =
  (id: number): Step =>
  queue =>
    prepareNop(queue, id)
const flagged =
  (step: Step, flags: number): Step =>
  queue => {
    step(queue)
    queue.mark(flags)
  }
const linked = (step: Step) => flagged(step, IOSQE.IO_LINK)
const hard = (step: Step) => flagged(step, IOSQE.IO_HARDLINK)
/** Not an operation at all. */
const unknown =
  (id: number): Step =>
  queue => {
    prepareNop(queue, id)
    queue.words[queue.last] = 200
  }

/** A read of so many bytes of a file of five. */
function reading(kit: Kit): (id: number, length: number) => Step {
  const fd = kit.file('hello')
  return (id, length) => queue => prepareRead(queue, fd, room(length), 0, id)
}

/** A read that never ends. */
function endless(kit: Kit): (id: number) => Step {
  const [reader] = kit.pipe()
  return id => queue => prepareRead(queue, reader, room(8), -1, id)
}

const limit =
  (id: number, time: Uint32Array): Step =>
  queue =>
    prepareLinkTimeout(queue, time, 0, id)

function linkTest(name: string, body: (bench: DriverBench, kit: Kit) => void): void {
  driverTest(name, kit => {
    const bench = new DriverBench(kit.driver)
    try {
      body(bench, kit)
    } finally {
      bench.driver.close()
    }
  })
}

linkTest('the members of a chain run in order', (bench, kit) => {
  const read = reading(kit)
  const steps = [linked(read(1, 5)), linked(nop(2)), linked(read(3, 3)), nop(4)]
  assert.deepEqual(bench.run(...steps), [
    [1, 5, 0],
    [2, 0, 0],
    [3, 3, 0],
    [4, 0, 0],
  ])
})

linkTest('a failure or a short read breaks a chain', (bench, kit) => {
  const read = reading(kit)
  const path = pathBytes('/nonexistent/name')
  const broken = [
    [2, ECANCELED, 0],
    [3, ECANCELED, 0],
  ]
  const open: Step = queue => prepareOpenAt(queue, AT.FDCWD, path, 0, 0, 1)
  const fsync: Step = queue => prepareFsync(queue, 2 ** 30, 0, 1)
  assert.deepEqual(bench.run(linked(read(1, 10)), linked(nop(2)), nop(3)), [[1, 5, 0], ...broken])
  assert.deepEqual(bench.run(linked(open), linked(nop(2)), nop(3)), [[1, ENOENT, 0], ...broken])
  assert.deepEqual(bench.run(linked(fsync), hard(nop(2)), nop(3)), [[1, EBADF, 0], ...broken])
})

linkTest('a hard link goes on whatever happens', (bench, kit) => {
  const read = reading(kit)
  assert.deepEqual(bench.run(hard(read(1, 10)), nop(2)), [
    [1, 5, 0],
    [2, 0, 0],
  ])
  const steps = [hard(read(1, 10)), linked(read(2, 10)), nop(3)]
  assert.deepEqual(bench.run(...steps), [
    [1, 5, 0],
    [2, 5, 0],
    [3, ECANCELED, 0],
  ])
})

linkTest('an entry that cannot be carried out ends its chain before it begins', bench => {
  const steps = [linked(nop(1)), linked(unknown(2)), nop(3), nop(4)]
  assert.deepEqual(bench.sorted(...steps), [
    [1, ECANCELED, 0],
    [2, EINVAL, 0],
    [3, ECANCELED, 0],
    [4, 0, 0],
  ])
})

linkTest('a chain ends where its submission ends', bench => {
  assert.deepEqual(bench.run(linked(unknown(1))), [[1, EINVAL, 0]])
  assert.deepEqual(bench.run(linked(nop(1))), [[1, 0, 0]])
  assert.deepEqual(bench.run(nop(2)), [[2, 0, 0]])
})

linkTest('a time limit ends the operation before it', (bench, kit) => {
  const read = endless(kit)
  const time = timespec(5)
  assert.deepEqual(bench.sorted(linked(read(1)), limit(2, time)), [
    [1, ECANCELED, 0],
    [2, ETIME, 0],
  ])
  const steps = [linked(read(1)), linked(limit(2, time)), nop(3)]
  assert.deepEqual(bench.sorted(...steps), [
    [1, ECANCELED, 0],
    [2, ETIME, 0],
    [3, ECANCELED, 0],
  ])
  const onward = [hard(read(1)), hard(limit(2, time)), nop(3)]
  assert.deepEqual(bench.sorted(...onward), [
    [1, ECANCELED, 0],
    [2, ETIME, 0],
    [3, 0, 0],
  ])
})

linkTest('a time limit that is not needed is cancelled', (bench, kit) => {
  const read = reading(kit)
  const time = timespec(60_000)
  assert.deepEqual(bench.sorted(linked(read(1, 5)), limit(2, time)), [
    [1, 5, 0],
    [2, ECANCELED, 0],
  ])
  const steps = [linked(read(1, 5)), linked(limit(2, time)), nop(3)]
  assert.deepEqual(bench.sorted(...steps), [
    [1, 5, 0],
    [2, ECANCELED, 0],
    [3, 0, 0],
  ])
  const broken = [linked(read(1, 10)), linked(limit(2, time)), nop(3)]
  assert.deepEqual(bench.sorted(...broken), [
    [1, 5, 0],
    [2, ECANCELED, 0],
    [3, ECANCELED, 0],
  ])
})

linkTest('a time limit of nothing is refused', bench => {
  assert.deepEqual(bench.run(limit(1, timespec(5))), [[1, EINVAL, 0]])
})

linkTest('a time may be used again as soon as it is submitted', (bench, kit) => {
  const read = endless(kit)
  const time = timespec(5)
  bench.submit(linked(read(1)), limit(2, time))
  time.fill(0xffff)
  assert.deepEqual(byUserData(bench.wait(2)), [
    [1, ECANCELED, 0],
    [2, ETIME, 0],
  ])
})

linkTest('the end of a time-out breaks a chain, unless that was to be success', bench => {
  const time = timespec(2)
  const timeout =
    (flags: number): Step =>
    (queue: SubmissionQueue) =>
      prepareTimeout(queue, time, 0, flags, 1)
  assert.deepEqual(bench.run(linked(timeout(0)), nop(2)), [
    [1, ETIME, 0],
    [2, ECANCELED, 0],
  ])
  const success = IORING_TIMEOUT.ETIME_SUCCESS
  assert.deepEqual(bench.run(linked(timeout(success)), nop(2)), [
    [1, ETIME, 0],
    [2, 0, 0],
  ])
})

linkTest('what a chain opens, reads and closes goes in that order', (bench, kit) => {
  const read = reading(kit)
  const many = Array.from({ length: 40 }, (_, index) => linked(read(index, 5)))
  const said = bench.run(...many, nop(40))
  assert.deepEqual(
    said.map(([userData]) => userData),
    Array.from({ length: 41 }, (_, index) => index),
  )
})
