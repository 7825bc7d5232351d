import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressOf, IORING_OP } from '../../kernel/index.js'
import { ENTRY_WORDS, SubmissionQueue } from '../submission-queue.js'
import * as prepare from './index.js'

type Argument = number | ArrayBufferView
type Prepare = (queue: SubmissionQueue, ...args: never[]) => boolean

/** The fields of `struct io_uring_sqe` that are not zero; a view stands for its address. */
interface Fields {
  op: number
  flags?: number
  priority?: number
  fd?: number
  off?: Argument
  addr?: Argument
  len?: number
  opFlags?: number
  buffer?: number
  fileIndex?: number
  addr3?: Argument
  pad?: number
}

const USER_DATA = 0x1f_2345_6789_abcd
const ALLOC = 0xffffffff
/** Above 4 GiB, so that both halves of an offset show. */
const FAR = 0x1_2345_6789_a
const ADDRESS = 0x7f12_3456_7000

const view = (bytes: number) => new Uint8Array(new ArrayBuffer(bytes))
const data = view(100)
const path = view(10)
const other = view(20)
const vectors = view(48)
const waiters = view(72)
const words = new Int32Array([11, -12, 13, -14])

const CASES: [Prepare, Argument[], Fields][] = [
  [prepare.prepareNop, [], { op: 0, fd: -1 }],
  [prepare.prepareNopWithResult, [-7], { op: 0, fd: -1, len: -7, opFlags: 1 }],
  [prepare.prepareRead, [5, data, FAR], { op: 22, fd: 5, off: FAR, addr: data, len: 100 }],
  [prepare.prepareRead, [5, data, -1], { op: 22, fd: 5, off: -1, addr: data, len: 100 }],
  [prepare.prepareReadAt, [5, ADDRESS, 9, 8], { op: 22, fd: 5, off: 8, addr: ADDRESS, len: 9 }],
  [prepare.prepareReadAt, [5, ADDRESS, 2 ** 33, 0], { op: 22, fd: 5, addr: ADDRESS, len: 0x7ffff000 }],
  [prepare.prepareWrite, [5, data, FAR], { op: 23, fd: 5, off: FAR, addr: data, len: 100 }],
  [prepare.prepareWriteAt, [5, ADDRESS, 9, 8], { op: 23, fd: 5, off: 8, addr: ADDRESS, len: 9 }],
  [prepare.prepareReadFixed, [5, data, 3, FAR], { op: 4, fd: 5, off: FAR, addr: data, len: 100, buffer: 3 }],
  [
    prepare.prepareReadFixedAt,
    [5, ADDRESS, 9, 3, 8],
    { op: 4, fd: 5, off: 8, addr: ADDRESS, len: 9, buffer: 3 },
  ],
  [prepare.prepareWriteFixed, [5, data, 3, FAR], { op: 5, fd: 5, off: FAR, addr: data, len: 100, buffer: 3 }],
  [
    prepare.prepareWriteFixedAt,
    [5, ADDRESS, 9, 3, 8],
    { op: 5, fd: 5, off: 8, addr: ADDRESS, len: 9, buffer: 3 },
  ],
  [prepare.prepareReadv, [5, vectors, FAR], { op: 1, fd: 5, off: FAR, addr: vectors, len: 3 }],
  [prepare.prepareWritev, [5, vectors, FAR], { op: 2, fd: 5, off: FAR, addr: vectors, len: 3 }],
  [
    prepare.prepareReadvFixed,
    [5, vectors, 7, FAR],
    { op: 60, fd: 5, off: FAR, addr: vectors, len: 3, buffer: 7 },
  ],
  [
    prepare.prepareWritevFixed,
    [5, vectors, 7, FAR],
    { op: 61, fd: 5, off: FAR, addr: vectors, len: 3, buffer: 7 },
  ],
  [prepare.prepareReadMultishot, [5, 6, 7, -1], { op: 49, flags: 32, fd: 5, off: -1, len: 7, buffer: 6 }],
  [prepare.prepareOpenAt, [-100, path, 2, 0o644], { op: 18, fd: -100, addr: path, len: 0o644, opFlags: 2 }],
  [
    prepare.prepareOpenAtDirect,
    [-100, path, 2, 0o644, 4],
    { op: 18, fd: -100, addr: path, len: 0o644, opFlags: 2, fileIndex: 5 },
  ],
  [
    prepare.prepareOpenAtDirect,
    [-100, path, 2, 0o644, ALLOC],
    { op: 18, fd: -100, addr: path, len: 0o644, opFlags: 2, fileIndex: ALLOC },
  ],
  [prepare.prepareOpenAt2, [3, path, other], { op: 28, fd: 3, off: other, addr: path, len: 24 }],
  [
    prepare.prepareOpenAt2Direct,
    [3, path, other, 0],
    { op: 28, fd: 3, off: other, addr: path, len: 24, fileIndex: 1 },
  ],
  [prepare.prepareClose, [5], { op: 19, fd: 5 }],
  [prepare.prepareCloseDirect, [5], { op: 19, fileIndex: 6 }],
  [
    prepare.prepareStatx,
    [3, path, 0x1000, 0xfff, data],
    { op: 21, fd: 3, off: data, addr: path, len: 0xfff, opFlags: 0x1000 },
  ],
  [prepare.prepareFallocate, [5, 3, FAR, 2 ** 40], { op: 17, fd: 5, off: FAR, addr: 2 ** 40, len: 3 }],
  [prepare.prepareFadvise, [5, FAR, 0xf0000000, 3], { op: 24, fd: 5, off: FAR, len: 0xf0000000, opFlags: 3 }],
  [prepare.prepareFadvise, [5, FAR, 2 ** 32, 3], { op: 24, fd: 5, off: FAR, addr: 2 ** 32, opFlags: 3 }],
  [prepare.prepareFtruncate, [5, FAR], { op: 55, fd: 5, off: FAR }],
  [prepare.prepareFsync, [5, 0], { op: 3, fd: 5 }],
  [prepare.prepareFdatasync, [5], { op: 3, fd: 5, opFlags: 1 }],
  [prepare.prepareFsyncRange, [5, FAR, 9, 1], { op: 3, fd: 5, off: FAR, len: 9, opFlags: 1 }],
  [prepare.prepareSyncFileRange, [5, FAR, 9, 7], { op: 8, fd: 5, off: FAR, len: 9, opFlags: 7 }],
  [
    prepare.prepareFsetxattr,
    [5, path, data, 1],
    { op: 41, fd: 5, off: data, addr: path, len: 100, opFlags: 1 },
  ],
  [
    prepare.prepareSetxattr,
    [other, path, data, 1],
    { op: 42, off: data, addr: path, len: 100, opFlags: 1, addr3: other },
  ],
  [prepare.prepareFgetxattr, [5, path, data], { op: 43, fd: 5, off: data, addr: path, len: 100 }],
  [prepare.prepareGetxattr, [other, path, data], { op: 44, off: data, addr: path, len: 100, addr3: other }],
  [
    prepare.prepareRenameAt,
    [3, path, 4, other, 1],
    { op: 35, fd: 3, off: other, addr: path, len: 4, opFlags: 1 },
  ],
  [
    prepare.prepareLinkAt,
    [3, path, -100, other, 1],
    { op: 39, fd: 3, off: other, addr: path, len: -100, opFlags: 1 },
  ],
  [prepare.prepareSymlinkAt, [path, 3, other], { op: 38, fd: 3, off: other, addr: path }],
  [prepare.prepareUnlinkAt, [3, path, 0x200], { op: 36, fd: 3, addr: path, opFlags: 0x200 }],
  [prepare.prepareMkdirAt, [3, path, 0o755], { op: 37, fd: 3, addr: path, len: 0o755 }],
  [prepare.prepareSocket, [2, 1, 6], { op: 45, fd: 2, off: 1, len: 6 }],
  [prepare.prepareSocketDirect, [2, 1, 6, ALLOC], { op: 45, fd: 2, off: 1, len: 6, fileIndex: ALLOC }],
  [prepare.prepareBind, [5, other], { op: 56, fd: 5, off: 20, addr: other }],
  [prepare.prepareListen, [5, 128], { op: 57, fd: 5, len: 128 }],
  [prepare.prepareConnect, [5, other], { op: 16, fd: 5, off: 20, addr: other }],
  [prepare.prepareAccept, [5, 0x800], { op: 13, fd: 5, opFlags: 0x800 }],
  [
    prepare.prepareAcceptFrom,
    [5, data, other, 0x800],
    { op: 13, fd: 5, off: other, addr: data, opFlags: 0x800 },
  ],
  [prepare.prepareAcceptDirect, [5, 0x800, 3], { op: 13, fd: 5, opFlags: 0x800, fileIndex: 4 }],
  [prepare.prepareAcceptMultishot, [5, 0x800], { op: 13, priority: 1, fd: 5, opFlags: 0x800 }],
  [prepare.prepareAcceptMultishotDirect, [5, 0], { op: 13, priority: 1, fd: 5, fileIndex: ALLOC }],
  [prepare.prepareShutdown, [5, 1], { op: 34, fd: 5, len: 1 }],
  [prepare.prepareSend, [5, data, 0x4000], { op: 26, fd: 5, addr: data, len: 100, opFlags: 0x4000 }],
  [prepare.prepareSendAt, [5, ADDRESS, 9, 1], { op: 26, fd: 5, addr: ADDRESS, len: 9, opFlags: 1 }],
  [
    prepare.prepareSendTo,
    [5, data, 1, other],
    {
      op: 26,
      fd: 5,
      off: other,
      addr: data,
      len: 100,
      opFlags: 1,
      fileIndex: 20,
    },
  ],
  [
    prepare.prepareSendVectors,
    [5, vectors, 1],
    { op: 26, priority: 32, fd: 5, addr: vectors, len: 3, opFlags: 1 },
  ],
  [
    prepare.prepareSendBundle,
    [5, 6, 7, 1],
    { op: 26, flags: 32, priority: 16, fd: 5, len: 7, opFlags: 1, buffer: 6 },
  ],
  [prepare.prepareSendZc, [5, data, 1, 8], { op: 47, priority: 8, fd: 5, addr: data, len: 100, opFlags: 1 }],
  [
    prepare.prepareSendZcAt,
    [5, ADDRESS, 9, 1, 8],
    { op: 47, priority: 8, fd: 5, addr: ADDRESS, len: 9, opFlags: 1 },
  ],
  [
    prepare.prepareSendZcFixedAt,
    [5, ADDRESS, 9, 3, 1, 8],
    {
      op: 47,
      priority: 12,
      fd: 5,
      addr: ADDRESS,
      len: 9,
      opFlags: 1,
      buffer: 3,
    },
  ],
  [
    prepare.prepareSendZcVectors,
    [5, vectors, 1],
    { op: 47, priority: 32, fd: 5, addr: vectors, len: 3, opFlags: 1 },
  ],
  [prepare.prepareSendmsg, [5, data, 1], { op: 9, fd: 5, addr: data, len: 1, opFlags: 1 }],
  [prepare.prepareSendmsgZc, [5, data, 1], { op: 48, fd: 5, addr: data, len: 1, opFlags: 1 }],
  [
    prepare.prepareSendmsgZcFixed,
    [5, data, 3, 1],
    { op: 48, priority: 4, fd: 5, addr: data, len: 1, opFlags: 1, buffer: 3 },
  ],
  [prepare.prepareRecv, [5, data, 0x100], { op: 27, fd: 5, addr: data, len: 100, opFlags: 0x100 }],
  [prepare.prepareRecvAt, [5, ADDRESS, 9, 1], { op: 27, fd: 5, addr: ADDRESS, len: 9, opFlags: 1 }],
  [prepare.prepareRecvSelect, [5, 6, 7, 1], { op: 27, flags: 32, fd: 5, len: 7, opFlags: 1, buffer: 6 }],
  [
    prepare.prepareRecvMultishot,
    [5, 6, 0, 1],
    { op: 27, flags: 32, priority: 2, fd: 5, opFlags: 1, buffer: 6 },
  ],
  [prepare.prepareRecvmsg, [5, data, 1], { op: 10, fd: 5, addr: data, len: 1, opFlags: 1 }],
  [
    prepare.prepareRecvmsgMultishot,
    [5, data, 6, 1],
    {
      op: 10,
      flags: 32,
      priority: 2,
      fd: 5,
      addr: data,
      len: 1,
      opFlags: 1,
      buffer: 6,
    },
  ],
  [prepare.prepareRecvZc, [5, 2, 9], { op: 58, priority: 2, fd: 5, len: 9, fileIndex: 2 }],
  [
    prepare.prepareGetsockopt,
    [5, 1, 7, other],
    {
      op: 46,
      fd: 5,
      off: 2,
      addr: 1 + 7 * 2 ** 32,
      fileIndex: 20,
      addr3: other,
    },
  ],
  [
    prepare.prepareSetsockopt,
    [5, 1, 7, other],
    {
      op: 46,
      fd: 5,
      off: 3,
      addr: 1 + 7 * 2 ** 32,
      fileIndex: 20,
      addr3: other,
    },
  ],
  [prepare.prepareSiocinq, [5], { op: 46, fd: 5 }],
  [prepare.prepareSiocoutq, [5], { op: 46, fd: 5, off: 1 }],
  [prepare.prepareTxTimestamp, [5], { op: 46, fd: 5, off: 4 }],
  [prepare.prepareGetsockname, [5, data, other], { op: 46, fd: 5, off: 5, addr: data, addr3: other }],
  [
    prepare.prepareGetpeername,
    [5, data, other],
    { op: 46, fd: 5, off: 5, addr: data, fileIndex: 1, addr3: other },
  ],
  [prepare.preparePollAdd, [5, 0x80000001], { op: 6, fd: 5, opFlags: 0x80000001 }],
  [prepare.preparePollMultishot, [5, 1, 8], { op: 6, fd: 5, len: 9, opFlags: 1 }],
  [prepare.preparePollRemove, [FAR], { op: 7, fd: -1, addr: FAR }],
  [
    prepare.preparePollUpdate,
    [FAR, 2 ** 50, 4, 3],
    { op: 7, fd: -1, off: 2 ** 50, addr: FAR, len: 3, opFlags: 4 },
  ],
  [prepare.prepareEpollCtl, [5, 6, 1, other], { op: 29, fd: 5, off: 6, addr: other, len: 1 }],
  [prepare.prepareEpollWait, [5, data, 8], { op: 59, fd: 5, addr: data, len: 8 }],
  [prepare.prepareTimeout, [other, 3, 64], { op: 11, fd: -1, off: 3, addr: other, len: 1, opFlags: 64 }],
  [prepare.prepareTimeoutRemove, [FAR], { op: 12, fd: -1, addr: FAR }],
  [prepare.prepareTimeoutUpdate, [FAR, other, 1], { op: 12, fd: -1, off: other, addr: FAR, opFlags: 3 }],
  [prepare.prepareLinkTimeout, [other, 1], { op: 15, fd: -1, addr: other, len: 1, opFlags: 1 }],
  [prepare.prepareCancel, [FAR, 1], { op: 14, fd: -1, addr: FAR, opFlags: 1 }],
  [prepare.prepareCancelFd, [5, 1], { op: 14, fd: 5, opFlags: 3 }],
  [prepare.prepareCancelOperation, [22, 1], { op: 14, fd: -1, len: 22, opFlags: 33 }],
  [prepare.prepareCancelAny, [], { op: 14, fd: -1, opFlags: 4 }],
  [
    prepare.prepareSplice,
    [5, -1, 6, FAR, 9, 1],
    { op: 30, fd: 6, off: FAR, addr: -1, len: 9, opFlags: 1, fileIndex: 5 },
  ],
  [prepare.prepareTee, [5, 6, 9, 1], { op: 33, fd: 6, len: 9, opFlags: 1, fileIndex: 5 }],
  [prepare.preparePipe, [other, 0x800], { op: 62, addr: other, opFlags: 0x800 }],
  [prepare.preparePipeDirect, [other, 0x800, 4], { op: 62, addr: other, opFlags: 0x800, fileIndex: 5 }],
  [prepare.prepareMsgRing, [5, 9, FAR, 0], { op: 40, fd: 5, off: FAR, len: 9 }],
  [
    prepare.prepareMsgRingFlags,
    [5, 9, FAR, 0x30000],
    { op: 40, fd: 5, off: FAR, len: 9, opFlags: 2, fileIndex: 0x30000 },
  ],
  [
    prepare.prepareMsgRingFd,
    [5, 3, 4, FAR, 1],
    { op: 40, fd: 5, off: FAR, addr: 1, opFlags: 1, fileIndex: 5, addr3: 3 },
  ],
  [
    prepare.prepareProvideBuffers,
    [ADDRESS, 9, 4, 6, 1],
    { op: 31, fd: 4, off: 1, addr: ADDRESS, len: 9, buffer: 6 },
  ],
  [prepare.prepareRemoveBuffers, [4, 6], { op: 32, fd: 4, buffer: 6 }],
  [prepare.prepareFilesUpdate, [other, 7], { op: 20, fd: -1, off: 7, addr: other, len: 5 }],
  [prepare.prepareFixedFdInstall, [5, 1], { op: 54, flags: 1, fd: 5, opFlags: 1 }],
  [prepare.prepareWaitid, [1, 77, data, 4], { op: 50, fd: 77, off: data, len: 1, fileIndex: 4 }],
  [
    prepare.prepareFutexWait,
    [other, FAR, ALLOC, 130],
    { op: 51, fd: 130, off: FAR, addr: other, addr3: ALLOC },
  ],
  [prepare.prepareFutexWake, [other, 1, ALLOC, 130], { op: 52, fd: 130, off: 1, addr: other, addr3: ALLOC }],
  [prepare.prepareFutexWaitv, [waiters], { op: 53, addr: waiters, len: 3 }],
  [prepare.prepareMadvise, [ADDRESS, 4096, 4], { op: 25, fd: -1, addr: ADDRESS, len: 4096, opFlags: 4 }],
  [
    prepare.prepareMadvise,
    [ADDRESS, 2 ** 32, 4],
    { op: 25, fd: -1, off: 2 ** 32, addr: ADDRESS, opFlags: 4 },
  ],
  [
    prepare.prepareUringCmd,
    [5, 0x4e80, 1, words],
    {
      op: 46,
      fd: 5,
      off: 0x4e80,
      opFlags: 1,
      addr3: 11 - 12 * 2 ** 32,
      pad: 13 - 14 * 2 ** 32,
    },
  ],
  [prepare.prepareBlockDiscard, [5, FAR, 2 ** 40], { op: 46, fd: 5, off: 0x1200, addr: FAR, addr3: 2 ** 40 }],
]

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
  // LINK: those two come with kernel 6.19 and need entries of 128 bytes.
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
