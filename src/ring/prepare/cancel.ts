import { IORING_ASYNC_CANCEL, IORING_OP } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill } from './entry.js'

/**
 * Cancels by user data. Result: 0 done, ENOENT not found, EALREADY too late to say; with
 * `IORING_ASYNC_CANCEL.ALL` the number found. What is cancelled still completes by itself, with ECANCELED or
 * with the result it had by then, before or after this.
 *
 * @param target the user data to look for
 * @param flags `IORING_ASYNC_CANCEL` flags
 * @returns false when the queue is full
 */
export function prepareCancel(
  queue: SubmissionQueue,
  target: number,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.ASYNC_CANCEL, -1, 0, target, 0, flags, userData)
}

/**
 * As {@link prepareCancel}, by descriptor.
 *
 * @param flags `IORING_ASYNC_CANCEL.ALL`, `FD_FIXED`, or 0
 */
export function prepareCancelFd(
  queue: SubmissionQueue,
  fd: number,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.ASYNC_CANCEL, fd, 0, 0, 0, flags | IORING_ASYNC_CANCEL.FD, userData)
}

/**
 * As {@link prepareCancel}, by operation. Needs kernel 6.6.
 *
 * @param operation an `IORING_OP`
 * @param flags `IORING_ASYNC_CANCEL.ALL`, or 0
 */
export function prepareCancelOperation(
  queue: SubmissionQueue,
  operation: number,
  flags: number,
  userData: number,
): boolean {
  const key = flags | IORING_ASYNC_CANCEL.OP
  return fill(queue, IORING_OP.ASYNC_CANCEL, -1, 0, 0, operation, key, userData)
}

/** Cancels everything in flight on the ring. The completion's result is how many were found. */
export function prepareCancelAny(queue: SubmissionQueue, userData: number): boolean {
  return fill(queue, IORING_OP.ASYNC_CANCEL, -1, 0, 0, 0, IORING_ASYNC_CANCEL.ANY, userData)
}
