import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressOf, IOSQE, SQE_WORD } from '../../kernel/index.js'
import { ENTRY_WORDS, SubmissionQueue } from '../submission-queue.js'
import {
  addFlags,
  addOptions,
  prepareNop,
  prepareReadAt,
  prepareRecvAt,
  prepareSendZcAt,
  selectBuffer,
  sendZcTo,
  usePersonality,
  usePriority,
  useProtection,
} from './index.js'

function makeQueue(): SubmissionQueue {
  return new SubmissionQueue({
    shared: new Int32Array(3),
    words: new Int32Array(4 * ENTRY_WORDS).fill(-1),
    headIndex: 0,
    tailIndex: 1,
    flagsIndex: 2,
    capacity: 4,
    entryShift: 4,
  })
}

/** What a modifier changed of an entry, as word → value. */
function changes(make: (queue: SubmissionQueue) => void, modify: (queue: SubmissionQueue) => void) {
  const plain = makeQueue()
  const modified = makeQueue()
  for (const queue of [plain, modified]) {
    prepareNop(queue, 1)
    make(queue)
  }
  modify(modified)
  const changed: Record<number, number> = {}
  modified.words.forEach((word, index) => {
    if (word !== plain.words[index]) changed[index - ENTRY_WORDS] = word >>> 0
  })
  return changed
}

/** A 64-bit value at a word, without the halves that are zero: those change nothing. */
function wide(word: number, value: number): Record<number, number> {
  const halves = { [word]: value % 2 ** 32, [word + 1]: Math.floor(value / 2 ** 32) }
  return Object.fromEntries(Object.entries(halves).filter(([, half]) => half !== 0))
}

const read = (queue: SubmissionQueue) => prepareReadAt(queue, 3, 4096, 8, 0, 7)
const recv = (queue: SubmissionQueue) => prepareRecvAt(queue, 3, 4096, 8, 0, 7)

test('selectBuffer sets the group and the flag of the entry taken last alone', () => {
  assert.deepEqual(
    changes(recv, queue => selectBuffer(queue, 0xbeef)),
    {
      [SQE_WORD.HEAD]: 27 | (IOSQE.BUFFER_SELECT << 8),
      [SQE_WORD.BUFFER]: 0xbeef,
    },
  )
})

test('usePersonality keeps the buffer group beside it, and the other way round', () => {
  const either = {
    [SQE_WORD.HEAD]: 27 | (IOSQE.BUFFER_SELECT << 8),
    [SQE_WORD.BUFFER]: 0xfffe0005,
  }
  const first = changes(recv, queue => {
    selectBuffer(queue, 5)
    usePersonality(queue, 0xfffe)
  })
  const last = changes(recv, queue => {
    usePersonality(queue, 0xfffe)
    selectBuffer(queue, 5)
  })
  assert.deepEqual([first, last], [either, either])
})

test('addOptions adds to the priority field and leaves operation and flags', () => {
  const changed = changes(recv, queue => {
    queue.mark(IOSQE.IO_LINK)
    addOptions(queue, 1)
    addOptions(queue, 16)
  })
  assert.deepEqual(changed, {
    [SQE_WORD.HEAD]: 27 | (IOSQE.IO_LINK << 8) | (17 << 16),
  })
})

test('usePriority replaces the priority', () => {
  const changed = changes(read, queue => {
    usePriority(queue, 0x6007)
    usePriority(queue, 0x4002)
  })
  assert.deepEqual(changed, { [SQE_WORD.HEAD]: 22 | (0x4002 << 16) })
})

test('addFlags adds to the flags of the operation', () => {
  const changed = changes(read, queue => {
    addFlags(queue, 8)
    addFlags(queue, 2)
  })
  assert.deepEqual(changed, { [SQE_WORD.OP_FLAGS]: 10 })
})

test('useProtection points to the information and names its kind', () => {
  const information = new Uint8Array(32)
  const changed = changes(read, queue => useProtection(queue, information))
  assert.deepEqual(changed, { ...wide(SQE_WORD.ADDR3, addressOf(information)), [SQE_WORD.PAD]: 1 })
})

test('sendZcTo adds the address and its length', () => {
  const target = new Uint8Array(28)
  const send = (queue: SubmissionQueue) => prepareSendZcAt(queue, 3, 4096, 8, 0, 0, 7)
  const changed = changes(send, queue => sendZcTo(queue, target))
  assert.deepEqual(changed, { ...wide(SQE_WORD.OFF, addressOf(target)), [SQE_WORD.FILE_INDEX]: 28 })
})

test('a modifier before the first entry changes nothing', () => {
  const queue = makeQueue()
  selectBuffer(queue, 1)
  usePersonality(queue, 1)
  addOptions(queue, 1)
  addFlags(queue, 1)
  usePriority(queue, 1)
  useProtection(queue, new Uint8Array(32))
  sendZcTo(queue, new Uint8Array(28))
  assert.ok(queue.words.every(word => word === -1))
})
