import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IORING_CQE_F } from '../kernel/index.js'
import { CompletionQueue } from './completion-queue.js'
import { prepareNop } from './prepare/index.js'
import { SubmissionQueue } from './submission-queue.js'

/** Just before the counters change their sign, and before they start again at 0. */
const STARTS = [2 ** 31 - 3, 2 ** 32 - 3]
const CAPACITY = 4
const ROUNDS = 10

for (const start of STARTS) {
  test(`a submission queue goes on past ${start}`, () => {
    const shared = Int32Array.of(start, start, 0)
    const words = new Int32Array(CAPACITY * 16)
    const layout = { headIndex: 0, tailIndex: 1, flagsIndex: 2, capacity: CAPACITY, entryShift: 4 }
    const queue = new SubmissionQueue({ shared, words, ...layout })
    for (let round = 0; round < ROUNDS; round++) {
      for (let index = 0; index < CAPACITY; index++) assert.ok(prepareNop(queue, 100 * round + index))
      assert.equal(prepareNop(queue, 0), false)
      assert.equal(queue.space, 0)
      assert.equal(queue.unpublished, CAPACITY)
      assert.equal(queue.publish(), CAPACITY)
      const first = shared[0] & (CAPACITY - 1)
      assert.equal(words[first * 16 + 8], 100 * round)
      // The kernel takes one, then the rest.
      shared[0] += 1
      assert.equal(queue.unconsumed, CAPACITY - 1)
      assert.equal(queue.reserve(1), true)
      assert.equal(queue.reserve(2), false)
      shared[0] += CAPACITY - 1
      assert.equal(queue.unconsumed, 0)
    }
    assert.equal(queue.published, (start + ROUNDS * CAPACITY) | 0)
  })

  test(`a completion queue goes on past ${start}`, () => {
    const shared = new Int32Array(3 + CAPACITY * 4)
    shared[0] = start
    shared[1] = start
    const layout = { headIndex: 0, tailIndex: 1, overflowIndex: 2, entriesIndex: 3 }
    const queue = new CompletionQueue({ shared, ...layout, capacity: CAPACITY, entryShift: 2 })
    const seen: number[] = []
    const ended = queue.ended
    for (let round = 0; round < ROUNDS; round++) {
      for (let index = 0; index < 3; index++) {
        const at = 3 + ((shared[1] & (CAPACITY - 1)) << 2)
        shared[at] = 3 * round + index
        shared[at + 3] = index === 1 ? IORING_CQE_F.MORE : 0
        shared[1] += 1
      }
      assert.equal(queue.ready, 3)
      assert.equal(
        queue.drain(userData => seen.push(userData)),
        3,
      )
      assert.equal(queue.ready, 0)
      assert.equal(shared[0], shared[1])
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 3 * ROUNDS }, (_, index) => index),
    )
    assert.equal((queue.ended - ended) | 0, 2 * ROUNDS)
  })
}

test('queues go on from where the guard has left them', () => {
  const control = new Int32Array(8)
  const shared = new Int32Array(3 + CAPACITY * 4)
  const completion = { shared, headIndex: 0, tailIndex: 1, overflowIndex: 2, entriesIndex: 3 }
  const completions = new CompletionQueue({ ...completion, capacity: CAPACITY, entryShift: 2 }, control)
  // Of three completions dropped, two have ended something.
  shared[0] = shared[1] = 3
  control[6] = 2
  completions.resume()
  assert.equal(completions.ready, 0)
  assert.equal(completions.ended, 2)

  const layout = { headIndex: 0, tailIndex: 1, flagsIndex: 2, capacity: CAPACITY, entryShift: 4 }
  const queue = new SubmissionQueue({
    shared: new Int32Array(3),
    words: new Int32Array(CAPACITY * 16),
    ...layout,
  })
  prepareNop(queue, 1)
  queue.publish()
  prepareNop(queue, 2)
  // The guard takes back what was published.
  queue.resume()
  assert.equal(queue.unpublished, 1 - 1)
})
