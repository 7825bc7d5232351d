import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { IORING_OP, IORING_TIMEOUT, IOSQE, timespec } from '../kernel/index.js'
import {
  prepareLinkTimeout,
  prepareNop,
  prepareRead,
  prepareReadFixed,
  prepareTimeout,
  prepareWrite,
  type Ring,
} from './index.js'
import { bytesOf, room, textOf } from './operation.test.support.js'
import { byUserData, completion, completions, failure, reapAll, ringTest } from './ring.test.support.js'

const { IO_LINK, IO_HARDLINK, IO_DRAIN } = IOSQE

/** A chain of reads of one byte each; those with an index in `bad` name no descriptor. */
function prepareChain(ring: Ring, fd: number, bytes: Uint8Array, bad: readonly number[], link: number): void {
  for (let index = 0; index < bytes.length; index++) {
    const from = bad.includes(index) ? -1 : fd
    assert.ok(prepareRead(ring.submissions, from, bytes.subarray(index, index + 1), index, index))
    if (index < bytes.length - 1) ring.submissions.mark(link)
  }
}

ringTest('a chain runs in its order', stage => {
  const ring = stage.ring()
  const [reading, writing] = stage.pipe()
  const bytes = room(16)
  prepareWrite(ring.submissions, writing, bytesOf('one '), -1, 1)
  ring.submissions.mark(IO_LINK)
  prepareWrite(ring.submissions, writing, bytesOf('two'), -1, 2)
  ring.submissions.mark(IO_LINK)
  prepareRead(ring.submissions, reading, bytes, -1, 3)
  assert.deepEqual(
    completions(ring, 3).map(({ userData, result }) => [userData, result]),
    [
      [1, 4],
      [2, 3],
      [3, 7],
    ],
  )
  assert.equal(textOf(bytes.subarray(0, 7)), 'one two')
})

ringTest('after a failure the rest of a chain is cancelled', stage => {
  const ring = stage.ring()
  prepareChain(ring, stage.file('abcd'), room(4), [1], IO_LINK)
  assert.deepEqual(byUserData(completions(ring, 4)), {
    0: 1,
    1: failure('EBADF'),
    2: failure('ECANCELED'),
    3: failure('ECANCELED'),
  })
})

ringTest('a short read breaks a chain', stage => {
  const ring = stage.ring()
  const file = stage.file('abc')
  prepareRead(ring.submissions, file, room(8), 0, 0)
  ring.submissions.mark(IO_LINK)
  prepareNop(ring.submissions, 1)
  assert.deepEqual(byUserData(completions(ring, 2)), { 0: 3, 1: failure('ECANCELED') })
})

ringTest('hard links go on after a failure', stage => {
  const ring = stage.ring()
  prepareChain(ring, stage.file('abcd'), room(4), [1], IO_HARDLINK)
  assert.deepEqual(byUserData(completions(ring, 4)), { 0: 1, 1: failure('EBADF'), 2: 1, 3: 1 })
})

ringTest('a chain that is reserved first is never split', stage => {
  const ring = stage.ring({ entries: 8 })
  const file = stage.file('abcd')
  let chains = 0
  for (let start = 0; chains < 20; start = (start + 1) % 8) {
    // Whatever is in the queue before it, the chain goes whole.
    for (let index = 0; index < start; index++) prepareNop(ring.submissions, 100)
    if (!ring.submissions.reserve(4)) {
      assert.ok(start > 4)
      assert.deepEqual(
        completions(ring, start).map(({ userData }) => userData),
        new Array(start).fill(100),
      )
      continue
    }
    prepareChain(ring, file, room(4), [0], IO_LINK)
    const results = byUserData(completions(ring, start + 4).filter(({ userData }) => userData < 100))
    const cancelled = failure('ECANCELED')
    assert.deepEqual(results, { 0: failure('EBADF'), 1: cancelled, 2: cancelled, 3: cancelled })
    chains++
  }
})

ringTest('a chain that is submitted in pieces ends at each, which is why one reserves', stage => {
  const ring = stage.ring()
  prepareRead(ring.submissions, -1, room(1), 0, 0)
  ring.submissions.mark(IO_LINK)
  ring.submit()
  prepareNop(ring.submissions, 1)
  assert.deepEqual(byUserData(completions(ring, 2)), { 0: failure('EBADF'), 1: 0 })
})

ringTest('a link’s timeout cancels what takes longer', stage => {
  const ring = stage.ring()
  const [reading] = stage.pipe()
  prepareRead(ring.submissions, reading, room(8), -1, 1)
  ring.submissions.mark(IO_LINK)
  const time = timespec(1)
  prepareLinkTimeout(ring.submissions, time, 0, 2)
  const results = byUserData(completions(ring, 2))
  assert.ok(results[1] === failure('ECANCELED') || results[1] === failure('EINTR'), `${results[1]}`)
  assert.equal(results[2], failure('ETIME'))
})

ringTest('a link’s timeout that is not needed is cancelled', stage => {
  const ring = stage.ring()
  const [reading, writing] = stage.pipe()
  writeSync(writing, 'there')
  prepareRead(ring.submissions, reading, room(8), -1, 1)
  ring.submissions.mark(IO_LINK)
  prepareLinkTimeout(ring.submissions, timespec(60_000), 0, 2)
  assert.deepEqual(byUserData(completions(ring, 2)), { 1: 5, 2: failure('ECANCELED') })
})

ringTest('a drained operation waits for all before it, and all after it wait for it', stage => {
  const ring = stage.ring()
  const [reading, writing] = stage.pipe()
  prepareRead(ring.submissions, reading, room(1), -1, 1)
  prepareNop(ring.submissions, 2)
  ring.submissions.mark(IO_DRAIN)
  prepareNop(ring.submissions, 3)
  ring.submit()
  assert.deepEqual(reapAll(ring), [])
  writeSync(writing, 'x')
  assert.deepEqual(
    completions(ring, 3).map(({ userData }) => userData),
    [1, 2, 3],
  )
})

ringTest('an expired timeout counts as success where it is told to', stage => {
  const ring = stage.ring()
  prepareTimeout(ring.submissions, timespec(1), 0, IORING_TIMEOUT.ETIME_SUCCESS, 1)
  ring.submissions.mark(IO_LINK)
  prepareNop(ring.submissions, 2)
  assert.deepEqual(byUserData(completions(ring, 2)), { 1: failure('ETIME'), 2: 0 })
})

ringTest('a chain with a member that the kernel refuses outright is cancelled whole', stage => {
  const ring = stage.ring()
  if (!ring.supports(IORING_OP.READ_FIXED)) return stage.skip('no registered buffers')
  prepareNop(ring.submissions, 1)
  ring.submissions.mark(IO_LINK)
  prepareReadFixed(ring.submissions, stage.file('x'), room(1), 5, 0, 2)
  ring.submissions.mark(IO_LINK)
  prepareNop(ring.submissions, 3)
  const results = byUserData(completions(ring, 3))
  assert.equal(results[3], failure('ECANCELED'))
  assert.equal(results[2], failure('EFAULT'))
})

ringTest('a lone operation is no chain', stage => {
  const ring = stage.ring()
  prepareNop(ring.submissions, 1)
  ring.submissions.mark(IO_LINK)
  assert.equal(completion(ring).result, 0)
})
