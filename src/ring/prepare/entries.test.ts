import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressOf, IORING_OP } from '../../kernel/index.js'
import { ENTRY_WORDS, SubmissionQueue } from '../submission-queue.js'
import { type Argument, type Fields, type Prepare, view, words } from './entry-values.test.support.js'
import { FILE_ENTRIES } from './file-entries.test.support.js'
import * as prepare from './index.js'
import { OTHER_ENTRIES } from './other-entries.test.support.js'
import { SOCKET_ENTRIES } from './socket-entries.test.support.js'

const USER_DATA = 0x1f_2345_6789_abcd
const CASES = [...FILE_ENTRIES, ...SOCKET_ENTRIES, ...OTHER_ENTRIES]

/** A queue in ordinary memory, its entries full of what an earlier use could have left. */
function makeQueue(capacity: number, stale: (index: number) => number = () => -1): SubmissionQueue {
  return new SubmissionQueue({
    shared: new Int32Array(3),
    words: Int32Array.from({ length: capacity * ENTRY_WORDS }, (_, index) => stale(index)),
    headIndex: 0,
    tailIndex: 1,
    flagsIndex: 2,
    capacity,
    entryShift: 4,
  })
}

function call(prepareIt: Prepare, queue: SubmissionQueue, args: readonly Argument[]): boolean {
  return prepareIt(queue, ...([...args, USER_DATA] as never[]))
}

/** The entry as the kernel's struct has it, built without any of the code under test. */
function layOut(fields: Fields): Uint8Array {
  const bytes = new Uint8Array(64)
  const entry = new DataView(bytes.buffer)
  const wide = (at: number, value: Argument = 0) =>
    entry.setBigInt64(at, BigInt(typeof value === 'number' ? value : addressOf(value)), true)
  entry.setUint8(0, fields.op)
  entry.setUint8(1, fields.flags ?? 0)
  entry.setUint16(2, fields.priority ?? 0, true)
  entry.setInt32(4, fields.fd ?? 0, true)
  wide(8, fields.off)
  wide(16, fields.addr)
  entry.setUint32(24, fields.len ?? 0, true)
  entry.setUint32(28, fields.opFlags ?? 0, true)
  wide(32, USER_DATA)
  entry.setUint16(40, fields.buffer ?? 0, true)
  entry.setUint32(44, fields.fileIndex ?? 0, true)
  wide(48, fields.addr3)
  wide(56, fields.pad)
  return bytes
}

const entryBytes = (queue: SubmissionQueue, entry = 0) =>
  new Uint8Array(queue.words.buffer.slice(entry * 64, entry * 64 + 64))

for (const [prepareIt, args, fields] of CASES) {
  const shown = args.map(arg => (typeof arg === 'number' ? arg : `${arg.byteLength} bytes`)).join(', ')
  test(`${prepareIt.name}(${shown}) writes the entry that the kernel reads`, () => {
    const queue = makeQueue(2)
    assert.equal(call(prepareIt, queue, args), true)
    assert.deepEqual(entryBytes(queue), layOut(fields))
    assert.equal(queue.unpublished, 1)
    assert.deepEqual(entryBytes(queue, 1), new Uint8Array(64).fill(0xff), 'the next entry is untouched')
  })
}

test('every prepare function stands in the table', () => {
  const inTable = new Set(CASES.map(([prepareIt]) => prepareIt.name))
  const exported = Object.keys(prepare).filter(name => name.startsWith('prepare'))
  assert.deepEqual([...exported].sort(), [...inTable].sort())
})

test('every operation of kernel 6.18 is prepared by some function', () => {
  const prepared = new Set(CASES.map(([, , { op }]) => op))
  const missing = Object.entries(IORING_OP).filter(([, op]) => !prepared.has(op))
  // Those two come with kernel 6.19 and need entries of 128 bytes.
  assert.deepEqual(
    missing.map(([name]) => name),
    ['NOP128', 'URING_CMD128'],
  )
})

test('a full queue refuses every entry and keeps its own', () => {
  for (const [prepareIt, args] of CASES) {
    const queue = makeQueue(1)
    prepare.prepareNop(queue, 1)
    const before = queue.words.slice()
    assert.equal(call(prepareIt, queue, args), false, prepareIt.name)
    assert.deepEqual(queue.words, before, prepareIt.name)
  }
})

test('nothing of an entry survives its next use, whatever the arguments', () => {
  let seed = 12345
  const random = () => {
    seed = (Math.imul(seed, 1103515245) + 12345) | 0
    return seed
  }
  for (let round = 0; round < 50; round++) {
    for (const [prepareIt, args] of CASES) {
      const fuzzed = args.map(arg => (typeof arg === 'number' ? random() * 2 ** (round % 20) : arg))
      const left = makeQueue(1, random)
      const right = makeQueue(1, index => ~(left.words[index] as number))
      call(prepareIt, left, fuzzed)
      call(prepareIt, right, fuzzed)
      assert.deepEqual(left.words, right.words, prepareIt.name)
    }
  }
})

test('a detached buffer is refused before an entry is taken', () => {
  for (const [prepareIt, args] of CASES) {
    args.forEach((arg, index) => {
      if (typeof arg === 'number' || arg === words) return
      const detached = view(arg.byteLength)
      structuredClone(detached.buffer, { transfer: [detached.buffer] })
      const queue = makeQueue(1)
      assert.throws(
        () => call(prepareIt, queue, args.with(index, detached)),
        { name: 'TypeError' },
        prepareIt.name,
      )
      assert.equal(queue.unpublished, 0, prepareIt.name)
    })
  }
})

test('a command for a driver fills an entry of 128 bytes to its end', () => {
  const queue = new SubmissionQueue({
    shared: new Int32Array(3),
    words: new Int32Array(64).fill(-1),
    headIndex: 0,
    tailIndex: 1,
    flagsIndex: 2,
    capacity: 2,
    entryShift: 5,
  })
  prepare.prepareUringCmd(
    queue,
    5,
    6,
    0,
    Int32Array.from({ length: 30 }, (_, index) => index + 1),
    USER_DATA,
  )
  prepare.prepareUringCmd(queue, 5, 6, 0, words, USER_DATA)
  const long = Array.from({ length: 20 }, (_, index) => index + 1)
  assert.deepEqual([...queue.words.subarray(12, 32)], long)
  assert.deepEqual([...queue.words.subarray(44, 64)], [...words, ...new Array(16).fill(0)])
})
