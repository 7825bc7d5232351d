import { addressOf, IORING_OP, IORING_POLL } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill } from './entry.js'

/**
 * Awaits readiness once. The completion's result holds the events.
 *
 * @param events `POLL` or `EPOLL` events
 * @returns false when the queue is full
 * @see poll(2)
 */
export function preparePollAdd(
  queue: SubmissionQueue,
  fd: number,
  events: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.POLL_ADD, fd, 0, 0, 0, events, userData)
}

/**
 * Awaits readiness again and again, a completion each, until one lacks `IORING_CQE_F.MORE`.
 *
 * @param flags `IORING_POLL.ADD_LEVEL` for level triggered, else 0
 * @returns false when the queue is full
 */
export function preparePollMultishot(
  queue: SubmissionQueue,
  fd: number,
  events: number,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.POLL_ADD, fd, 0, 0, IORING_POLL.ADD_MULTI | flags, events, userData)
}

/**
 * Ends a poll, which then completes with ECANCELED.
 *
 * @param target the poll's user data
 * @returns false when the queue is full
 */
export function preparePollRemove(queue: SubmissionQueue, target: number, userData: number): boolean {
  return fill(queue, IORING_OP.POLL_REMOVE, -1, 0, target, 0, 0, userData)
}

/**
 * Changes a poll in place.
 *
 * @param target the poll's user data
 * @param newUserData its new one, with `IORING_POLL.UPDATE_USER_DATA`; else 0
 * @param events its new events, with `IORING_POLL.UPDATE_EVENTS`; else 0
 * @param flags what to change, and `IORING_POLL.ADD_MULTI` to make or keep it multishot
 * @returns false when the queue is full
 */
export function preparePollUpdate(
  queue: SubmissionQueue,
  target: number,
  newUserData: number,
  events: number,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.POLL_REMOVE, -1, newUserData, target, flags, events, userData)
}

/**
 * Changes what an epoll set watches.
 *
 * @param operation `EPOLL_CTL` add, modify or delete
 * @param event a `struct epoll_event`; must live until the entry is submitted
 * @returns false when the queue is full
 * @see epoll_ctl(2)
 */
export function prepareEpollCtl(
  queue: SubmissionQueue,
  epoll: number,
  fd: number,
  operation: number,
  event: ArrayBufferView,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.EPOLL_CTL, epoll, fd, addressOf(event), operation, 0, userData)
}

/**
 * Awaits events of an epoll set. The completion's result is their number.
 *
 * @param events room for `maximum` of `struct epoll_event`; must live until completion
 * @returns false when the queue is full
 * @see epoll_wait(2)
 */
export function prepareEpollWait(
  queue: SubmissionQueue,
  epoll: number,
  events: ArrayBufferView,
  maximum: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.EPOLL_WAIT, epoll, 0, addressOf(events), maximum, 0, userData)
}
