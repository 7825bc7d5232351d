import { IORING_OP, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { write } from './entry.js'

/**
 * Gives buffers to a group, the way before buffer rings: an entry each time.
 *
 * @param address of the first; they lie one behind the other and must live until used or removed
 * @param length of each, in bytes
 * @param count how many
 * @param group 0 to 65535
 * @param first id of the first; the others follow
 * @returns false when the queue is full
 */
export function prepareProvideBuffers(
  queue: SubmissionQueue,
  address: number,
  length: number,
  count: number,
  group: number,
  first: number,
  userData: number,
): boolean {
  const entry = write(queue, IORING_OP.PROVIDE_BUFFERS, count, first, address, length, 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = group
  return queue.takeWhole()
}

/**
 * Takes buffers back from a group. The completion's result is how many there were.
 *
 * @param count the most to take
 * @returns false when the queue is full
 */
export function prepareRemoveBuffers(
  queue: SubmissionQueue,
  count: number,
  group: number,
  userData: number,
): boolean {
  const entry = write(queue, IORING_OP.REMOVE_BUFFERS, count, 0, 0, 0, 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = group
  return queue.takeWhole()
}
