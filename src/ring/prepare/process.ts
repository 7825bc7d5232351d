import { addressOf, FUTEX_WAITV, IORING_OP, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill, storeWide, write } from './entry.js'

/**
 * Awaits a change of a child process.
 *
 * @param idType what `id` is: 0 any child, 1 a process, 2 a process group, 3 a pidfd
 * @param options which changes: `WEXITED` (4), `WSTOPPED` (2), `WCONTINUED` (8), …
 * @param result a `siginfo_t`, 128 bytes; must live until completion
 * @returns false when the queue is full
 * @see waitid(2)
 */
export function prepareWaitid(
  queue: SubmissionQueue,
  idType: number,
  id: number,
  result: ArrayBufferView,
  options: number,
  userData: number,
): boolean {
  const entry = write(queue, IORING_OP.WAITID, id, addressOf(result), 0, idType, 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = options
  return queue.takeWhole()
}

/**
 * Awaits a wake-up of a futex, if it still holds the expected value; else completes with EAGAIN.
 *
 * @param futex the word; must live until completion
 * @param value the expected value
 * @param mask which wake-ups: `FUTEX_BITSET_MATCH_ANY` for all
 * @param kind `FUTEX2` flags: the word's size, and `PRIVATE`
 * @returns false when the queue is full
 * @see futex(2)
 */
export function prepareFutexWait(
  queue: SubmissionQueue,
  futex: ArrayBufferView,
  value: number,
  mask: number,
  kind: number,
  userData: number,
): boolean {
  const entry = write(queue, IORING_OP.FUTEX_WAIT, kind, value, addressOf(futex), 0, 0, userData)
  if (entry < 0) return false
  storeWide(queue.words, entry + SQE_WORD.ADDR3, mask)
  return queue.takeWhole()
}

/**
 * Wakes waiters of a futex. The completion's result is how many.
 *
 * @param futex the word
 * @param count the most to wake
 * @param mask which waiters: `FUTEX_BITSET_MATCH_ANY` for all
 * @param kind `FUTEX2` flags, as the waiters gave them
 * @returns false when the queue is full
 * @see futex(2)
 */
export function prepareFutexWake(
  queue: SubmissionQueue,
  futex: ArrayBufferView,
  count: number,
  mask: number,
  kind: number,
  userData: number,
): boolean {
  const entry = write(queue, IORING_OP.FUTEX_WAKE, kind, count, addressOf(futex), 0, 0, userData)
  if (entry < 0) return false
  storeWide(queue.words, entry + SQE_WORD.ADDR3, mask)
  return queue.takeWhole()
}

/**
 * Awaits a wake-up of any of several futexes. The completion's result is the index of one that was woken.
 *
 * @param waiters from `futexWaiters()`; must live until completion, as must the futexes
 * @returns false when the queue is full
 * @see futex_waitv(2)
 */
export function prepareFutexWaitv(
  queue: SubmissionQueue,
  waiters: ArrayBufferView,
  userData: number,
): boolean {
  const count = Math.floor(waiters.byteLength / FUTEX_WAITV.SIZE)
  return fill(queue, IORING_OP.FUTEX_WAITV, 0, 0, addressOf(waiters), count, 0, userData)
}
