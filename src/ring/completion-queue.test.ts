import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IORING_CQE_F, IORING_OP, IOSQE, timespec } from '../kernel/index.js'
import { type CompletionLayout, CompletionQueue } from './completion-queue.js'
import { prepareNop, prepareRead, prepareReadMultishot, prepareTimeout } from './index.js'
import { room } from './operation.test.support.js'
import { completion, failure, reapAll, ringTest } from './ring.test.support.js'

const { MORE, SKIP, CQE32 } = IORING_CQE_F
const TAIL = 1
const ENTRIES = 8

/** A queue in ordinary memory, and the kernel's side of it. */
class Source {
  readonly queue: CompletionQueue
  readonly shared: Int32Array
  readonly #capacity: number
  readonly #words: number

  constructor(capacity: number, { start = 0, entryShift = 2 } = {}) {
    this.#capacity = capacity
    this.#words = 1 << entryShift
    this.shared = new Int32Array(ENTRIES + capacity * this.#words)
    this.shared.fill(start, 0, 2)
    this.queue = new CompletionQueue(this.layout(capacity, entryShift))
  }

  layout(capacity: number, entryShift = 2): CompletionLayout {
    const indices = { headIndex: 0, tailIndex: TAIL, overflowIndex: 2, entriesIndex: ENTRIES }
    return { ...indices, shared: this.shared, capacity, entryShift }
  }

  get head(): number {
    return this.shared[0]
  }

  post(low: number, high: number, result: number, flags: number): void {
    const at = ENTRIES + (this.shared[TAIL] & (this.#capacity - 1)) * this.#words
    this.shared.set([low, high, result, flags], at)
    this.shared[TAIL] = (this.shared[TAIL] + 1) | 0
  }

  drain(): [number, number, number][] {
    const seen: [number, number, number][] = []
    this.queue.drain((...completion) => seen.push(completion))
    return seen
  }
}

for (const start of [0, 2 ** 31 - 2, -2]) {
  test(`positions wrap at 32 bits unnoticed (from ${start})`, () => {
    const source = new Source(4, { start })
    for (let round = 0; round < 10; round++) {
      source.post(round, 0, round * 2, 0)
      assert.equal(source.queue.ready, 1)
      assert.deepEqual(source.drain(), [[round, round * 2, 0]])
      assert.equal(source.queue.ready, 0)
      assert.equal(source.queue.ended, round + 1)
      assert.equal(source.head, source.shared[TAIL])
    }
  })
}

test('user data comes back as it was given, up to the largest safe integer', () => {
  const source = new Source(4)
  source.post(-1, 0x1f_ffff, 0, 0)
  source.post(-1, 0, 0, 0)
  source.post(0, 1, -5, 0)
  assert.deepEqual(
    source.drain().map(([userData]) => userData),
    [Number.MAX_SAFE_INTEGER, 0xffff_ffff, 2 ** 32],
  )
})

test('only a completion without MORE ends its operation', () => {
  const source = new Source(8)
  for (const flags of [MORE, MORE, 0, MORE, 0]) source.post(1, 0, 0, flags)
  assert.equal(source.drain().length, 5)
  assert.equal(source.queue.ended, 2)
})

test('what fills the gap at the end of a mixed queue is not handed out and ends nothing', () => {
  const source = new Source(4)
  source.post(1, 0, 10, 0)
  source.post(0, 0, 0, SKIP)
  source.post(2, 0, 20, 0)
  assert.deepEqual(source.drain(), [
    [1, 10, 0],
    [2, 20, 0],
  ])
  assert.equal(source.queue.ended, 2)
})

test('a wide completion in a mixed queue takes two places and ends one operation', () => {
  const source = new Source(8)
  source.post(1, 0, 10, 0)
  source.post(2, 0, 20, CQE32)
  source.post(77, 78, 79, -1)
  source.post(3, 0, 30, 0)
  const extra: number[] = []
  const seen: number[] = []
  source.queue.drain((userData, _result, flags) => {
    seen.push(userData)
    if ((flags & CQE32) !== 0) extra.push(source.shared[source.queue.current + 4])
  })
  assert.deepEqual(seen, [1, 2, 3])
  assert.deepEqual(extra, [77])
  assert.equal(source.queue.ended, 3)
})

test('in a queue of wide completions each one shows its second half', () => {
  const source = new Source(4, { entryShift: 3 })
  for (let index = 0; index < 6; index++) {
    source.post(index, 0, 0, 0)
    const seen: number[] = []
    source.queue.drain(() => seen.push(source.queue.current))
    assert.deepEqual(seen, [ENTRIES + (index & 3) * 8])
  }
  assert.equal(source.queue.ended, 6)
})

test('what a nested drain hands out is handed out once', () => {
  const source = new Source(8)
  for (let index = 0; index < 5; index++) source.post(index, 0, 0, 0)
  const seen: number[] = []
  source.queue.drain(userData => {
    seen.push(userData)
    if (userData === 1) source.post(5, 0, 0, 0)
    if (userData === 1) source.queue.drain(nested => seen.push(nested + 100))
  })
  assert.deepEqual(seen, [0, 1, 102, 103, 104, 105])
  assert.equal(source.queue.ended, 6)
  assert.equal(source.head, 6)
})

test('a nested drain may end with an unusual completion, and begin with one', () => {
  const source = new Source(8)
  source.post(0, 0, 0, MORE)
  source.post(1, 1, 0, 0)
  source.post(2, 0, 0, 0)
  source.post(3, 1, 0, 0)
  const seen: number[] = []
  const see = (userData: number) => {
    seen.push(userData % 2 ** 32)
    if (seen.length === 1) source.queue.drain(see)
  }
  source.queue.drain(see)
  assert.deepEqual(seen, [0, 1, 2, 3])
  assert.equal(source.queue.ended, 3)
  assert.equal(source.head, 4)
})

test('a callback that throws loses only its own completion', () => {
  const source = new Source(8)
  for (let index = 0; index < 4; index++) source.post(index, 0, 0, 0)
  const seen: number[] = []
  const refusing = () =>
    source.queue.drain(userData => {
      seen.push(userData)
      if (userData === 1) throw new Error('not this one')
    })
  assert.throws(refusing, /not this one/)
  assert.equal(source.queue.ended, 2)
  assert.deepEqual(source.drain(), [
    [2, 0, 0],
    [3, 0, 0],
  ])
  assert.deepEqual(seen, [0, 1])
  assert.equal(source.head, 4)
})

test('a queue that is taken away while it is drained hands out nothing more', () => {
  const source = new Source(8)
  for (let index = 0; index < 4; index++) source.post(index, 0, 0, 0)
  const seen: number[] = []
  source.queue.drain(userData => {
    seen.push(userData)
    if (userData === 1) source.queue.retire()
  })
  assert.deepEqual(seen, [0, 1])
  assert.equal(source.queue.ready, 0)
  assert.equal(source.queue.ended, 0)
})

ringTest('a silent operation that succeeds is counted and not handed out', stage => {
  const ring = stage.ring()
  prepareNop(ring.submissions, 1)
  ring.submissions.mark(IOSQE.CQE_SKIP_SUCCESS)
  prepareNop(ring.submissions, 2)
  ring.submit(2)
  assert.equal(ring.inFlight, 2)
  assert.deepEqual(
    reapAll(ring).map(({ userData }) => userData),
    [2],
  )
  assert.equal(ring.inFlight, 0)
})

ringTest('a silent operation that fails is handed out, once', stage => {
  const ring = stage.ring()
  prepareRead(ring.submissions, -1, room(8), 0, 9)
  ring.submissions.mark(IOSQE.CQE_SKIP_SUCCESS)
  assert.deepEqual(completion(ring), { userData: 9, result: failure('EBADF'), flags: 0 })
  assert.equal(ring.inFlight, 0)
})

ringTest('a silent operation stays in flight until it has ended', stage => {
  const ring = stage.ring()
  const [reading] = stage.pipe()
  prepareRead(ring.submissions, reading, room(8), 0, 9)
  ring.submissions.mark(IOSQE.CQE_SKIP_SUCCESS)
  ring.submit()
  reapAll(ring)
  assert.equal(ring.inFlight, 1)
})

ringTest('an operation with several completions is in flight until the last', stage => {
  const ring = stage.ring()
  if (!ring.supports(IORING_OP.READ_MULTISHOT)) return stage.skip('multishot reads need kernel 6.7')
  const group = ring.registerBufferRing({ group: 1, entries: 4, bufferSize: 64 })
  const [reading] = stage.pipe()
  prepareReadMultishot(ring.submissions, reading, group.group, 0, -1, 1)
  ring.submit()
  assert.equal(ring.inFlight, 1)
  prepareTimeout(ring.submissions, timespec(1), 0, 0, 2)
  assert.deepEqual(completion(ring), { userData: 2, result: failure('ETIME'), flags: 0 })
  assert.equal(ring.inFlight, 1)
})
