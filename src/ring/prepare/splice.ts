import { addressOf, IORING_OP, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill, slotWord, transferLength, write } from './entry.js'

/**
 * Moves bytes between a pipe and another descriptor. Always runs on a worker thread.
 *
 * @param sourceOffset,targetOffset in bytes; -1 for a pipe, or for the file's own position
 * @param flags `SPLICE_F` flags, and `IORING_SPLICE.FD_IN_FIXED`
 * @returns false when the queue is full
 * @see splice(2)
 */
export function prepareSplice(
  queue: SubmissionQueue,
  source: number,
  sourceOffset: number,
  target: number,
  targetOffset: number,
  length: number,
  flags: number,
  userData: number,
): boolean {
  const bytes = transferLength(length)
  const entry = write(queue, IORING_OP.SPLICE, target, targetOffset, sourceOffset, bytes, flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = source
  return queue.takeWhole()
}

/**
 * Copies bytes from one pipe to another without taking them. Always runs on a worker thread.
 *
 * @param flags `SPLICE_F` flags, and `IORING_SPLICE.FD_IN_FIXED`
 * @returns false when the queue is full
 * @see tee(2)
 */
export function prepareTee(
  queue: SubmissionQueue,
  source: number,
  target: number,
  length: number,
  flags: number,
  userData: number,
): boolean {
  const entry = write(queue, IORING_OP.TEE, target, 0, 0, transferLength(length), flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = source
  return queue.takeWhole()
}

/**
 * Makes a pipe.
 *
 * @param fds two 32-bit words for the reading and the writing end; must live until completion
 * @param flags `O.CLOEXEC`, `O.NONBLOCK`, `O.DIRECT`
 * @returns false when the queue is full
 * @see pipe2(2)
 */
export function preparePipe(
  queue: SubmissionQueue,
  fds: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.PIPE, 0, 0, addressOf(fds), 0, flags, userData)
}

/**
 * As {@link preparePipe}, into two slots of the registered files.
 *
 * @param slot the first of the two, or `IORING_FILE_INDEX_ALLOC`; then `fds` receives both indices
 */
export function preparePipeDirect(
  queue: SubmissionQueue,
  fds: ArrayBufferView,
  flags: number,
  slot: number,
  userData: number,
): boolean {
  const entry = write(queue, IORING_OP.PIPE, 0, 0, addressOf(fds), 0, flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = slotWord(slot)
  return queue.takeWhole()
}
