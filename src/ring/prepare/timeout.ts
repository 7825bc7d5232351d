import { addressOf, IORING_OP, IORING_TIMEOUT } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill } from './entry.js'

/**
 * Completes with ETIME after a while, or with 0 after a number of completions, whichever comes first.
 *
 * @param time from `timespec()`; must live until the entry is submitted
 * @param completions that end it early; 0 for none. With `IORING_TIMEOUT.MULTISHOT`: how often it fires, 0
 *   for ever.
 * @param flags `IORING_TIMEOUT` flags
 * @returns false when the queue is full
 */
export function prepareTimeout(
  queue: SubmissionQueue,
  time: ArrayBufferView,
  completions: number,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.TIMEOUT, -1, completions, addressOf(time), 1, flags, userData)
}

/**
 * Ends a timeout, which then completes with ECANCELED.
 *
 * @param target the timeout's user data
 * @returns false when the queue is full
 */
export function prepareTimeoutRemove(queue: SubmissionQueue, target: number, userData: number): boolean {
  return fill(queue, IORING_OP.TIMEOUT_REMOVE, -1, 0, target, 0, 0, userData)
}

/**
 * Sets a running timeout anew.
 *
 * @param target the timeout's user data
 * @param time from `timespec()`; must live until the entry is submitted
 * @param flags `IORING_TIMEOUT.ABS`, and `LINK_UPDATE` if the target is a link's timeout
 * @returns false when the queue is full
 */
export function prepareTimeoutUpdate(
  queue: SubmissionQueue,
  target: number,
  time: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  const update = flags | IORING_TIMEOUT.UPDATE
  return fill(queue, IORING_OP.TIMEOUT_REMOVE, -1, addressOf(time), target, 0, update, userData)
}

/**
 * Limits the time of the entry before it, which must be marked as a link. If the time is up first, that entry
 * is cancelled and this one completes with ETIME; else this one completes with ECANCELED.
 *
 * @param time from `timespec()`; must live until the entry is submitted
 * @param flags `IORING_TIMEOUT` flags
 * @returns false when the queue is full
 */
export function prepareLinkTimeout(
  queue: SubmissionQueue,
  time: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.LINK_TIMEOUT, -1, 0, addressOf(time), 1, flags, userData)
}
