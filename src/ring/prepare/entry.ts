import type { SubmissionQueue } from '../submission-queue.js'

/** What a system call moves at most; the kernel refuses or cuts what is longer. */
const MAX_TRANSFER = 0x7ffff000

/** Where an entry's first word holds its priority, which also carries flags of some operations. */
export const PRIORITY_SHIFT = 16

const PER_HIGH_WORD = 2 ** -32

/** The upper 32 bits; of a negative number too. Short enough for V8 to inline it wherever it is used. */
export const highWord = (value: number): number => (value - (value >>> 0)) * PER_HIGH_WORD

/**
 * Writes all of the next entry's 16 words: what the caller does not name is zero, so nothing of the entry's
 * previous use survives. It is not taken yet: the caller may write further words, and ends with `queue.takeWhole()`.
 * Where a value that is no number throws, no entry has been taken.
 *
 * 64-bit values come as numbers and are stored as two words: the low one by the typed array's own modulo
 * 2^32, the high one by division. That is exact for safe integers of either sign. Small enough for V8 to
 * inline, so that no address is boxed on its way here.
 *
 * @param head operation, `IOSQE` flags and priority
 * @returns the entry's first index into `words`, or -1 when the queue is full
 */
export function write(
  queue: SubmissionQueue,
  head: number,
  fd: number,
  offset: number,
  address: number,
  length: number,
  flags: number,
  userData: number,
): number {
  if (queue.full) return -1
  const entry = queue.place
  const words = queue.words
  words[entry] = head
  words[entry + 1] = fd
  words[entry + 2] = offset
  words[entry + 3] = highWord(offset)
  words[entry + 4] = address
  words[entry + 5] = highWord(address)
  words[entry + 6] = length
  words[entry + 7] = flags
  words[entry + 8] = userData
  words[entry + 9] = highWord(userData)
  words[entry + 10] = 0
  words[entry + 11] = 0
  words[entry + 12] = 0
  words[entry + 13] = 0
  words[entry + 14] = 0
  words[entry + 15] = 0
  return entry
}

/** Takes the next entry, written as by {@link write}. @returns false when the queue is full */
export function fill(
  queue: SubmissionQueue,
  head: number,
  fd: number,
  offset: number,
  address: number,
  length: number,
  flags: number,
  userData: number,
): boolean {
  return write(queue, head, fd, offset, address, length, flags, userData) >= 0 && queue.takeWhole()
}

/**
 * As {@link fill}, for operations that have nothing to say beyond word 9: reads, writes, no-ops. While no other
 * kind has been through the queue, the rest of the entry is zero already, and storing that again would be a tenth
 * of what preparing costs (1.5 of 15 ns where it was measured).
 *
 * @returns false when the queue is full
 */
export function fillPlain(
  queue: SubmissionQueue,
  head: number,
  fd: number,
  offset: number,
  address: number,
  length: number,
  flags: number,
  userData: number,
): boolean {
  if (queue.fullForPlain) return false
  const entry = queue.place
  const words = queue.words
  words[entry] = head
  words[entry + 1] = fd
  words[entry + 2] = offset
  words[entry + 3] = highWord(offset)
  words[entry + 4] = address
  words[entry + 5] = highWord(address)
  words[entry + 6] = length
  words[entry + 7] = flags
  words[entry + 8] = userData
  words[entry + 9] = highWord(userData)
  queue.take()
  return true
}

/** Stores a 64-bit value as two words, the low one at `index`. */
export function storeWide(words: Int32Array, index: number, value: number): void {
  words[index] = value
  words[index + 1] = highWord(value)
}

/**
 * A file slot as an entry spells it: one more than the index, since zero means an ordinary descriptor, but
 * `IORING_FILE_INDEX_ALLOC` as it is.
 */
export function slotWord(slot: number): number {
  return slot === 0xffffffff ? -1 : slot + 1
}

/** The length of a transfer, cut to {@link MAX_TRANSFER}. */
export function transferLength(length: number): number {
  return Math.min(length, MAX_TRANSFER)
}
