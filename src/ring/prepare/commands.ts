import { BLOCK_URING_CMD, IORING_NOP, IORING_OP, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill, highWord, storeWide, write } from './entry.js'

const WORD_RANGE = 2 ** 32

// V8 folds a constant of this module; what is imported it loads and checks at every use.
const { NOP } = IORING_OP
const upper = highWord

/**
 * Does nothing, and completes with 0.
 *
 * @returns false when the queue is full
 */
export function prepareNop(queue: SubmissionQueue, userData: number): boolean {
  if (queue.fullForPlain) return false
  const entry = queue.place
  const { words, pairs } = queue
  const pair = entry >> 1
  // Its number is 0, and the kernel does not look at its descriptor.
  pairs[pair] = 0
  pairs[pair + 1] = 0
  pairs[pair + 2] = 0
  pairs[pair + 3] = 0
  words[entry + 8] = userData
  words[entry + 9] = upper(userData)
  queue.take()
  return true
}

/**
 * Does nothing, and completes with a given result. Needs kernel 6.10.
 *
 * @param result 32 bits, signed
 * @returns false when the queue is full
 */
export function prepareNopWithResult(queue: SubmissionQueue, result: number, userData: number): boolean {
  return fill(queue, NOP, -1, 0, 0, result, IORING_NOP.INJECT_RESULT, userData)
}

/**
 * Says how a range of memory will be used. Always runs on a worker thread.
 *
 * @param address page-aligned
 * @param length in bytes; from 4 GiB on it takes kernel 6.11
 * @returns false when the queue is full
 * @see madvise(2)
 */
export function prepareMadvise(
  queue: SubmissionQueue,
  address: number,
  length: number,
  advice: number,
  userData: number,
): boolean {
  // Only newer kernels look for a 64-bit length in the offset; older ones insist that it is zero.
  const wide = length >= WORD_RANGE
  const operation = IORING_OP.MADVISE
  return fill(queue, operation, -1, wide ? length : 0, address, wide ? 0 : length, advice, userData)
}

/**
 * A command that the file's driver defines.
 *
 * @param command its number
 * @param flags `IORING_URING_CMD` flags
 * @param payload for the driver, copied into the entry: up to 4 words, or 20 with `IORING_SETUP.SQE128`; what is
 *   beyond is left out, what is short is zero
 * @returns false when the queue is full
 */
export function prepareUringCmd(
  queue: SubmissionQueue,
  fd: number,
  command: number,
  flags: number,
  payload: Int32Array,
  userData: number,
): boolean {
  const entry = write(queue, IORING_OP.URING_CMD, fd, command, 0, 0, flags, userData)
  if (entry < 0) return false
  const { words } = queue
  const end = queue.entryWords
  for (let word: number = SQE_WORD.ADDR3; word < end; word++) {
    words[entry + word] = payload[word - SQE_WORD.ADDR3] ?? 0
  }
  return queue.takeWhole()
}

/**
 * Tells a block device that a range is no longer needed; its content is lost. Needs kernel 6.12.
 *
 * @param offset,length in bytes, multiples of the device's logical block size
 * @returns false when the queue is full
 * @see ioctl BLKDISCARD
 */
export function prepareBlockDiscard(
  queue: SubmissionQueue,
  fd: number,
  offset: number,
  length: number,
  userData: number,
): boolean {
  const entry = write(queue, IORING_OP.URING_CMD, fd, BLOCK_URING_CMD.DISCARD, offset, 0, 0, userData)
  if (entry < 0) return false
  storeWide(queue.words, entry + SQE_WORD.ADDR3, length)
  return queue.takeWhole()
}
