import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { IORING_ASYNC_CANCEL, IORING_OP } from '../kernel/index.js'
import {
  prepareCancel,
  prepareCancelAny,
  prepareCancelFd,
  prepareCancelOperation,
  prepareNop,
  preparePollAdd,
  prepareRead,
} from './index.js'
import { room, textOf } from './operation.test.support.js'
import {
  byUserData,
  completion,
  completions,
  fails,
  failure,
  reapAll,
  ringTest,
  type Stage,
} from './ring.test.support.js'

const { ALL } = IORING_ASYNC_CANCEL
const POLLIN = 1

/** A read that stays in flight until its pipe is written to. */
function pendingRead(stage: Stage, ring = stage.ring()) {
  const [reading, writing] = stage.pipe()
  const bytes = room(8)
  prepareRead(ring.submissions, reading, bytes, -1, 1)
  ring.submit()
  return { ring, reading, writing, bytes }
}

/** Of an operation that was cancelled, wherever it was caught. */
function isCancelled(result: number | undefined): boolean {
  return result === failure('ECANCELED') || result === failure('EINTR')
}

ringTest('a cancellation that comes first ends the operation, which completes by itself', stage => {
  const { ring } = pendingRead(stage)
  prepareCancel(ring.submissions, 1, 0, 2)
  const results = byUserData(completions(ring, 2))
  assert.ok(isCancelled(results[1]))
  assert.equal(results[2], 0)
  assert.equal(ring.inFlight, 0)
})

ringTest('a cancellation that comes second finds nothing, and the result stands', stage => {
  const { ring, writing, bytes } = pendingRead(stage)
  writeSync(writing, 'data')
  assert.deepEqual(completion(ring), { userData: 1, result: 4, flags: 0 })
  prepareCancel(ring.submissions, 1, 0, 2)
  assert.deepEqual(completion(ring), { userData: 2, result: failure('ENOENT'), flags: 0 })
  assert.equal(textOf(bytes.subarray(0, 4)), 'data')
})

ringTest('cancellation and completion may race, and each completes exactly once', stage => {
  const ring = stage.ring({ entries: 64 })
  const pipes = Array.from({ length: 20 }, () => stage.pipe())
  const outcomes = new Set<string>()
  for (let round = 0; round < 20; round++) {
    for (const [index, [reading]] of pipes.entries()) {
      prepareRead(ring.submissions, reading, room(1), -1, index)
    }
    ring.submit()
    for (const [index, [, writing]] of pipes.entries()) {
      if (index % 2 === 0) writeSync(writing, 'x')
      prepareCancel(ring.submissions, index, 0, 100 + index)
    }
    const seen = completions(ring, 40)
    const results = byUserData(seen)
    assert.equal(Object.keys(results).length, 40)
    for (let index = 0; index < 20; index++) {
      const [read, cancelled] = [results[index], results[100 + index]]
      if (read === 1) {
        // It won: the cancellation found nothing, or came too late to say.
        assert.ok(cancelled === failure('ENOENT') || cancelled === failure('EALREADY'), `${cancelled}`)
        outcomes.add('completed')
      } else {
        assert.ok(isCancelled(read), `${read}`)
        outcomes.add('cancelled')
        if (index % 2 === 0) {
          // What was not read is still in the pipe.
          const [reading] = pipes[index] as [number, number]
          prepareRead(ring.submissions, reading, room(1), -1, index)
          assert.equal(completion(ring).result, 1)
        }
      }
    }
  }
  assert.ok(outcomes.has('cancelled'))
  assert.equal(ring.inFlight, 0)
})

ringTest('cancelling by descriptor, by kind and altogether takes what it says and no more', stage => {
  const ring = stage.ring()
  const [first] = stage.pipe()
  const [second] = stage.pipe()
  const arm = () => {
    prepareRead(ring.submissions, first, room(1), -1, 1)
    prepareRead(ring.submissions, second, room(1), -1, 2)
    preparePollAdd(ring.submissions, second, POLLIN, 3)
    ring.submit()
  }
  const ended = (count: number) =>
    completions(ring, count)
      .map(({ userData }) => userData)
      .sort()
  arm()
  prepareCancelFd(ring.submissions, first, 0, 9)
  assert.deepEqual(ended(2), [1, 9])
  prepareCancelFd(ring.submissions, second, ALL, 9)
  assert.deepEqual(ended(3), [2, 3, 9])
  arm()
  prepareCancelOperation(ring.submissions, IORING_OP.POLL_ADD, 0, 9)
  assert.deepEqual(ended(2), [3, 9])
  prepareCancelAny(ring.submissions, 9)
  assert.deepEqual(ended(3), [1, 2, 9])
  assert.equal(ring.inFlight, 0)
})

for (const [name, target, expected] of [
  ['user data', { userData: 2 }, [2]],
  ['user data, the first of several', { userData: 7 }, [7]],
  ['user data, all of it', { userData: 7, all: true }, [7, 7]],
  ['anything', { any: true, all: true }, [2, 3, 7, 7]],
  ['kind', { operation: IORING_OP.POLL_ADD }, [3]],
] as const) {
  ringTest(`cancelling now by ${name} leaves the completions to be reaped`, stage => {
    const ring = stage.ring()
    const [reading] = stage.pipe()
    prepareRead(ring.submissions, reading, room(1), -1, 2)
    preparePollAdd(ring.submissions, reading, POLLIN, 3)
    prepareRead(ring.submissions, reading, room(1), -1, 7)
    prepareRead(ring.submissions, reading, room(1), -1, 7)
    ring.submit()
    ring.cancelNow(target)
    const seen = completions(ring, expected.length)
    assert.deepEqual(seen.map(({ userData }) => userData).sort(), expected)
    for (const { result } of seen) assert.ok(isCancelled(result))
    assert.equal(ring.inFlight, 4 - expected.length)
  })
}

ringTest('cancelling now by descriptor spares the others', stage => {
  const { ring, reading } = pendingRead(stage)
  const [other] = stage.pipe()
  prepareRead(ring.submissions, other, room(1), -1, 2)
  ring.submit()
  ring.cancelNow({ fd: reading, all: true })
  assert.equal(completion(ring).userData, 1)
  assert.equal(ring.inFlight, 1)
})

ringTest('cancelling now what is not there throws ENOENT', stage => {
  const ring = stage.ring()
  assert.ok(fails('ENOENT', () => ring.cancelNow({ userData: 5 })))
  prepareNop(ring.submissions, 5)
  ring.submit(1)
  assert.ok(fails('ENOENT', () => ring.cancelNow({ userData: 5, timeoutMs: 10 })))
  assert.equal(reapAll(ring).length, 1)
})
