import { IORING_MSG, IORING_MSG_RING, IORING_OP, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill, slotWord, storeWide, write } from './entry.js'

/**
 * Posts a completion on another ring.
 *
 * @param ring the other ring's descriptor
 * @param result the completion's result, 32 bits
 * @param targetUserData the completion's user data
 * @param flags `IORING_MSG_RING` flags
 * @returns false when the queue is full
 */
export function prepareMsgRing(
  queue: SubmissionQueue,
  ring: number,
  result: number,
  targetUserData: number,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.MSG_RING, ring, targetUserData, IORING_MSG.DATA, result, flags, userData)
}

/**
 * As {@link prepareMsgRing}, with flags for the completion. Needs kernel 6.3.
 *
 * @param completionFlags what the other side sees as the completion's flags
 */
export function prepareMsgRingFlags(
  queue: SubmissionQueue,
  ring: number,
  result: number,
  targetUserData: number,
  completionFlags: number,
  userData: number,
): boolean {
  const flags = IORING_MSG_RING.FLAGS_PASS
  const entry = write(queue, IORING_OP.MSG_RING, ring, targetUserData, 0, result, flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = completionFlags
  return queue.takeWhole()
}

/**
 * Puts a registered file of this ring into a slot of another. Needs kernel 6.0.
 *
 * @param source slot in this ring
 * @param target slot in the other, or `IORING_FILE_INDEX_ALLOC`
 * @param targetUserData user data of the completion on the other ring, whose result is the slot if it was picked
 * @param flags `IORING_MSG_RING.CQE_SKIP`, or 0
 * @returns false when the queue is full
 */
export function prepareMsgRingFd(
  queue: SubmissionQueue,
  ring: number,
  source: number,
  target: number,
  targetUserData: number,
  flags: number,
  userData: number,
): boolean {
  const operation = IORING_OP.MSG_RING
  const entry = write(queue, operation, ring, targetUserData, IORING_MSG.SEND_FD, 0, flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = slotWord(target)
  storeWide(queue.words, entry + SQE_WORD.ADDR3, source)
  return queue.takeWhole()
}
