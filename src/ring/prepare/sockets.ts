import { addressOf, IORING_ACCEPT, IORING_FILE_INDEX_ALLOC, IORING_OP, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill, PRIORITY_SHIFT, slotWord, write } from './entry.js'

const ACCEPT_MULTISHOT = IORING_OP.ACCEPT | (IORING_ACCEPT.MULTISHOT << PRIORITY_SHIFT)

/**
 * Makes a socket. The completion's result is its descriptor.
 *
 * @param type with `SOCK.NONBLOCK` and `SOCK.CLOEXEC` as wanted
 * @returns false when the queue is full
 * @see socket(2)
 */
export function prepareSocket(
  queue: SubmissionQueue,
  domain: number,
  type: number,
  protocol: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.SOCKET, domain, type, 0, protocol, 0, userData)
}

/**
 * As {@link prepareSocket}, into a slot of the registered files.
 *
 * @param slot its index, or `IORING_FILE_INDEX_ALLOC`; then the completion's result is the index
 */
export function prepareSocketDirect(
  queue: SubmissionQueue,
  domain: number,
  type: number,
  protocol: number,
  slot: number,
  userData: number,
): boolean {
  const entry = write(queue, IORING_OP.SOCKET, domain, type, 0, protocol, 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = slotWord(slot)
  return queue.takeWhole()
}

/**
 * Gives a socket its address.
 *
 * @param address from `encodeSocketAddress()`; must live until the entry is submitted
 * @returns false when the queue is full
 * @see bind(2)
 */
export function prepareBind(
  queue: SubmissionQueue,
  fd: number,
  address: ArrayBufferView,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.BIND, fd, address.byteLength, addressOf(address), 0, 0, userData)
}

/**
 * Lets a socket take connections.
 *
 * @param backlog connections that may wait to be accepted
 * @returns false when the queue is full
 * @see listen(2)
 */
export function prepareListen(
  queue: SubmissionQueue,
  fd: number,
  backlog: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.LISTEN, fd, 0, 0, backlog, 0, userData)
}

/**
 * Connects a socket.
 *
 * @param address from `encodeSocketAddress()`; must live until completion
 * @returns false when the queue is full
 * @see connect(2)
 */
export function prepareConnect(
  queue: SubmissionQueue,
  fd: number,
  address: ArrayBufferView,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.CONNECT, fd, address.byteLength, addressOf(address), 0, 0, userData)
}

/**
 * Accepts one connection. The completion's result is its descriptor.
 *
 * @param flags `SOCK.NONBLOCK` and `SOCK.CLOEXEC` as wanted
 * @returns false when the queue is full
 * @see accept4(2)
 */
export function prepareAccept(queue: SubmissionQueue, fd: number, flags: number, userData: number): boolean {
  return fill(queue, IORING_OP.ACCEPT, fd, 0, 0, 0, flags, userData)
}

/**
 * As {@link prepareAccept}, and stores the peer's address.
 *
 * @param address where it goes; must live until completion
 * @param length one 32-bit word: the room in `address` on the way in, the address's length on the way out;
 *   must live until completion
 */
export function prepareAcceptFrom(
  queue: SubmissionQueue,
  fd: number,
  address: ArrayBufferView,
  length: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.ACCEPT, fd, addressOf(length), addressOf(address), 0, flags, userData)
}

/**
 * As {@link prepareAccept}, into a slot of the registered files. `SOCK.CLOEXEC` is refused there.
 *
 * @param slot its index, or `IORING_FILE_INDEX_ALLOC`; then the completion's result is the index
 */
export function prepareAcceptDirect(
  queue: SubmissionQueue,
  fd: number,
  flags: number,
  slot: number,
  userData: number,
): boolean {
  const entry = write(queue, IORING_OP.ACCEPT, fd, 0, 0, 0, flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = slotWord(slot)
  return queue.takeWhole()
}

/**
 * Accepts connections as they come, a completion each, until one lacks `IORING_CQE_F.MORE`. There is no peer
 * address: each would overwrite the last.
 *
 * @returns false when the queue is full
 */
export function prepareAcceptMultishot(
  queue: SubmissionQueue,
  fd: number,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, ACCEPT_MULTISHOT, fd, 0, 0, 0, flags, userData)
}

/** As {@link prepareAcceptMultishot}, into free slots of the registered files, which the completions name. */
export function prepareAcceptMultishotDirect(
  queue: SubmissionQueue,
  fd: number,
  flags: number,
  userData: number,
): boolean {
  const entry = write(queue, ACCEPT_MULTISHOT, fd, 0, 0, 0, flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = slotWord(IORING_FILE_INDEX_ALLOC)
  return queue.takeWhole()
}

/**
 * Ends one or both directions of a connection.
 *
 * @param how 0 receiving, 1 sending, 2 both
 * @returns false when the queue is full
 * @see shutdown(2)
 */
export function prepareShutdown(queue: SubmissionQueue, fd: number, how: number, userData: number): boolean {
  return fill(queue, IORING_OP.SHUTDOWN, fd, 0, 0, how, 0, userData)
}
