import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IORING_OP, IOSQE, SQE_WORD } from '../kernel/index.js'
import * as prepare from './prepare/index.js'
import { completions, MODES, reapAll, ringTest } from './ring.test.support.js'
import { ENTRY_WORDS, SubmissionQueue } from './submission-queue.js'

const HEAD = 0
const TAIL = 1

/** A queue in ordinary memory, whose head and tail begin anywhere. */
function makeQueue(capacity: number, start = 0): { queue: SubmissionQueue; shared: Int32Array } {
  const shared = Int32Array.of(start, start, 0)
  const words = new Int32Array(capacity * ENTRY_WORDS)
  const layout = { shared, words, headIndex: HEAD, tailIndex: TAIL, flagsIndex: 2, capacity, entryShift: 4 }
  return { queue: new SubmissionQueue(layout), shared }
}

/** What the kernel does with entries. */
function consume(shared: Int32Array, count: number): void {
  shared[HEAD] = (shared[HEAD] + count) | 0
}

for (const mode of MODES) {
  ringTest(`a full queue refuses and loses nothing (${mode})`, stage => {
    const ring = stage.ring({ entries: 4, completionEntries: 64, mode })
    const taken: number[] = []
    for (let userData = 0; userData < 40; userData++) {
      if (!prepare.prepareNop(ring.submissions, userData)) {
        assert.equal(ring.submissions.unpublished, 4)
        taken.push(...completions(ring, 4).map(completion => completion.userData))
        assert.ok(prepare.prepareNop(ring.submissions, userData))
      }
    }
    taken.push(...completions(ring, 40 - taken.length).map(completion => completion.userData))
    assert.deepEqual(
      taken.sort((a, b) => a - b),
      Array.from({ length: 40 }, (_, index) => index),
    )
    assert.deepEqual(reapAll(ring), [])
  })
}

test('a full queue gives out no entry, and one as soon as the kernel has taken one', () => {
  const { queue, shared } = makeQueue(4)
  assert.deepEqual([queue.next(), queue.next(), queue.next(), queue.next()], [0, 16, 32, 48])
  assert.equal(queue.next(), -1)
  assert.equal(queue.full, true)
  assert.equal(prepare.prepareNop(queue, 1), false)
  assert.equal(queue.space, 0)
  queue.publish()
  assert.equal(queue.next(), -1)
  consume(shared, 1)
  assert.equal(queue.next(), 0)
  assert.equal(queue.next(), -1)
})

for (const start of [2 ** 31 - 2, -2]) {
  test(`positions wrap at 32 bits unnoticed (from ${start})`, () => {
    const { queue, shared } = makeQueue(4, start)
    const indices: number[] = []
    for (let round = 0; round < 8; round++) {
      assert.equal(queue.space, 4)
      indices.push(queue.next())
      assert.equal(queue.space, 3)
      assert.equal(queue.unpublished, 1)
      assert.equal(queue.publish(), 1)
      assert.equal(queue.unconsumed, 1)
      consume(shared, 1)
      assert.equal(queue.unconsumed, 0)
    }
    const first = (start & 3) * ENTRY_WORDS
    assert.deepEqual(
      indices,
      indices.map((_, index) => (first + index * ENTRY_WORDS) % (4 * ENTRY_WORDS)),
    )
    for (let index = 0; index < 4; index++) assert.ok(queue.next() >= 0)
    assert.equal(queue.next(), -1)
  })
}

test('nothing is visible to the kernel before it is published', () => {
  const { queue, shared } = makeQueue(4)
  prepare.prepareNop(queue, 1)
  prepare.prepareNop(queue, 2)
  assert.equal(shared[TAIL], 0)
  assert.equal(queue.published, 0)
  assert.equal(queue.publish(), 2)
  assert.equal(shared[TAIL], 2)
  assert.equal(queue.published, 2)
})

test('a reservation counts what the kernel has taken by now', () => {
  const { queue, shared } = makeQueue(4)
  queue.next()
  assert.equal(queue.reserve(3), true)
  assert.equal(queue.reserve(4), false)
  queue.publish()
  consume(shared, 1)
  assert.equal(queue.reserve(4), true)
  assert.equal(queue.reserve(5), false)
})

/** Ways to write beyond an entry's tenth word. */
const SOILING: Record<string, (queue: SubmissionQueue) => unknown> = {
  'a fixed read': queue => prepare.prepareReadFixedAt(queue, 1, 4096, 1, 7, 0, 1),
  'a selected buffer': queue => {
    prepare.prepareReadAt(queue, 1, 4096, 1, 0, 1)
    prepare.selectBuffer(queue, 9)
  },
  'a personality': queue => {
    prepare.prepareNop(queue, 1)
    prepare.usePersonality(queue, 3)
  },
  'protection information': queue => {
    prepare.prepareReadAt(queue, 1, 4096, 1, 0, 1)
    prepare.useProtection(queue, new Uint8Array(new ArrayBuffer(64)))
  },
  'a message': queue => prepare.prepareMsgRingFd(queue, 1, 2, 3, 4, 0, 1),
  'words written by hand': queue => {
    const entry = queue.next()
    queue.words.fill(-1, entry, entry + ENTRY_WORDS)
  },
  'words of the last entry': queue => {
    prepare.prepareNop(queue, 1)
    queue.words.fill(-1, queue.last + SQE_WORD.BUFFER, queue.last + ENTRY_WORDS)
  },
}

for (const [name, soil] of Object.entries(SOILING)) {
  test(`${name} leaves nothing behind in an entry that is used again`, () => {
    const { queue, shared } = makeQueue(4)
    const turn = () => {
      queue.publish()
      consume(shared, 1)
    }
    // All of them first, so that only what is soiled now is cleared because of that.
    for (let index = 0; index < 8; index++) {
      prepare.prepareNop(queue, 1)
      turn()
    }
    soil(queue)
    turn()
    for (let index = 0; index < 4; index++) {
      assert.ok(prepare.prepareReadAt(queue, 5, 2 ** 33, 6, 2 ** 34, 2 ** 35))
      turn()
    }
    const expected = [IORING_OP.READ, 5, 0, 4, 0, 2, 6, 0, 0, 8, 0, 0, 0, 0, 0, 0]
    for (let index = 0; index < 4; index++) {
      assert.deepEqual([...queue.words.subarray(index * ENTRY_WORDS, (index + 1) * ENTRY_WORDS)], expected)
    }
  })
}

test('an entry that was taken back leaves nothing behind in the plain one that comes in its place', () => {
  const { queue } = makeQueue(4)
  prepare.prepareNop(queue, 1)
  queue.words.fill(-1, queue.next(), 2 * ENTRY_WORDS)
  queue.takeBack(1)
  queue.mark(IOSQE.IO_LINK)
  assert.ok(prepare.prepareReadAt(queue, 5, 4096, 6, 0, 7))
  const expected = [IORING_OP.READ, 5, 0, 0, 4096, 0, 6, 0, 7, 0, 0, 0, 0, 0, 0, 0]
  assert.deepEqual([...queue.words.subarray(ENTRY_WORDS, 2 * ENTRY_WORDS)], expected)
  assert.equal(queue.last, ENTRY_WORDS)
})

test('the last entry is known whichever way it was taken', () => {
  const { queue, shared } = makeQueue(4)
  for (let round = 0; round < 3; round++) {
    for (const [index, take] of [
      () => prepare.prepareNop(queue, 1),
      () => prepare.prepareReadAt(queue, 5, 4096, 6, 0, 7),
      () => prepare.prepareFsync(queue, 5, 0, 1),
      () => queue.next(),
    ].entries()) {
      take()
      assert.equal(queue.last, index * ENTRY_WORDS)
    }
    queue.publish()
    consume(shared, 4)
  }
})

test('flags are added to the last entry alone', () => {
  const { queue } = makeQueue(4)
  queue.mark(IOSQE.IO_LINK)
  prepare.prepareNop(queue, 1)
  prepare.prepareNop(queue, 2)
  queue.mark(IOSQE.IO_LINK)
  queue.mark(IOSQE.ASYNC)
  const flags = new Uint8Array(queue.words.buffer)
  assert.deepEqual([flags[1], flags[65], flags[129]], [0, IOSQE.IO_LINK | IOSQE.ASYNC, 0])
})

test('a queue whose ring is gone is full for ever', () => {
  const { queue } = makeQueue(4, 7)
  prepare.prepareNop(queue, 1)
  queue.retire()
  assert.equal(queue.next(), -1)
  assert.equal(queue.full, true)
  assert.equal(prepare.prepareNop(queue, 1), false)
  assert.equal(prepare.prepareReadFixedAt(queue, 1, 4096, 1, 7, 0, 1), false)
  assert.equal(queue.reserve(1), false)
  assert.equal(queue.space, 0)
  assert.equal(queue.unpublished, 0)
})
