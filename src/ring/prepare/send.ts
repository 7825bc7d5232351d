import { addressOf, IORING_OP, IORING_RECVSEND, IOSQE, IOVEC, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill, PRIORITY_SHIFT, storeWide, transferLength, write } from './entry.js'

const SEND_VECTORS = IORING_OP.SEND | (IORING_RECVSEND.SEND_VECTORIZED << PRIORITY_SHIFT)
const SEND_BUNDLE = IORING_OP.SEND | (IOSQE.BUFFER_SELECT << 8) | (IORING_RECVSEND.BUNDLE << PRIORITY_SHIFT)
const SEND_ZC_VECTORS = IORING_OP.SEND_ZC | (IORING_RECVSEND.SEND_VECTORIZED << PRIORITY_SHIFT)
const SENDMSG_ZC_FIXED = IORING_OP.SENDMSG_ZC | (IORING_RECVSEND.FIXED_BUF << PRIORITY_SHIFT)

/**
 * Sends a buffer on a connection.
 *
 * @param flags `MSG` flags; with `MSG.WAITALL` the kernel sends the rest itself
 * @returns false when the queue is full
 * @see send(2)
 */
export function prepareSend(
  queue: SubmissionQueue,
  fd: number,
  buffer: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  return prepareSendAt(queue, fd, addressOf(buffer), buffer.byteLength, flags, userData)
}

/** As {@link prepareSend}, from raw memory. */
export function prepareSendAt(
  queue: SubmissionQueue,
  fd: number,
  address: number,
  length: number,
  flags: number,
  userData: number,
): boolean {
  const bytes = transferLength(length)
  return fill(queue, IORING_OP.SEND, fd, 0, address, bytes, flags, userData)
}

/**
 * Sends a datagram to an address.
 *
 * @param target from `encodeSocketAddress()`; must live until completion
 * @returns false when the queue is full
 * @see sendto(2)
 */
export function prepareSendTo(
  queue: SubmissionQueue,
  fd: number,
  buffer: ArrayBufferView,
  flags: number,
  target: ArrayBufferView,
  userData: number,
): boolean {
  const bytes = transferLength(buffer.byteLength)
  const entry = write(queue, IORING_OP.SEND, fd, addressOf(target), addressOf(buffer), bytes, flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = target.byteLength
  return queue.takeWhole()
}

/**
 * Sends several buffers, without the header that `prepareSendmsg` needs. Needs kernel 6.17.
 *
 * @param vectors from `iovecs()`; must live until completion, as must the buffers
 * @returns false when the queue is full
 */
export function prepareSendVectors(
  queue: SubmissionQueue,
  fd: number,
  vectors: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  const count = vectors.byteLength / IOVEC.SIZE
  return fill(queue, SEND_VECTORS, fd, 0, addressOf(vectors), count, flags, userData)
}

/**
 * Sends every buffer of a group's buffer ring, in their order, with one completion: its result is the bytes sent,
 * its flags name the first buffer. Needs `IORING_FEAT.RECVSEND_BUNDLE`.
 *
 * @returns false when the queue is full
 */
export function prepareSendBundle(
  queue: SubmissionQueue,
  fd: number,
  group: number,
  flags: number,
  userData: number,
): boolean {
  // The kernel takes no length here; it refuses or ignores one.
  const entry = write(queue, SEND_BUNDLE, fd, 0, 0, 0, flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = group
  return queue.takeWhole()
}

/**
 * Sends a buffer without copying it. If the completion has `IORING_CQE_F.MORE`, a second one follows with
 * `NOTIF`, and only then is the memory free.
 *
 * @param flags `MSG` flags
 * @param options `IORING_RECVSEND.SEND_ZC_REPORT_USAGE`, `POLL_FIRST`, or 0
 * @returns false when the queue is full
 */
export function prepareSendZc(
  queue: SubmissionQueue,
  fd: number,
  buffer: ArrayBufferView,
  flags: number,
  options: number,
  userData: number,
): boolean {
  return prepareSendZcAt(queue, fd, addressOf(buffer), buffer.byteLength, flags, options, userData)
}

/** As {@link prepareSendZc}, from raw memory. */
export function prepareSendZcAt(
  queue: SubmissionQueue,
  fd: number,
  address: number,
  length: number,
  flags: number,
  options: number,
  userData: number,
): boolean {
  const head = IORING_OP.SEND_ZC | (options << PRIORITY_SHIFT)
  const bytes = transferLength(length)
  return fill(queue, head, fd, 0, address, bytes, flags, userData)
}

/**
 * As {@link prepareSendZc}, from a part of a registered buffer, whose pages are already pinned.
 *
 * @param index of the registered buffer
 */
export function prepareSendZcFixedAt(
  queue: SubmissionQueue,
  fd: number,
  address: number,
  length: number,
  index: number,
  flags: number,
  options: number,
  userData: number,
): boolean {
  const head = IORING_OP.SEND_ZC | ((options | IORING_RECVSEND.FIXED_BUF) << PRIORITY_SHIFT)
  const entry = write(queue, head, fd, 0, address, transferLength(length), flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = index
  return queue.takeWhole()
}

/** As {@link prepareSendVectors}, without copying; see {@link prepareSendZc}. */
export function prepareSendZcVectors(
  queue: SubmissionQueue,
  fd: number,
  vectors: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  const count = vectors.byteLength / IOVEC.SIZE
  return fill(queue, SEND_ZC_VECTORS, fd, 0, addressOf(vectors), count, flags, userData)
}

/**
 * Sends to an address: makes a datagram of the zero-copy send that was prepared last.
 *
 * @param target from `encodeSocketAddress()`; must live until completion
 */
export function sendZcTo(queue: SubmissionQueue, target: ArrayBufferView): void {
  const entry = queue.last
  if (entry < 0) return
  storeWide(queue.words, entry + SQE_WORD.OFF, addressOf(target))
  queue.words[entry + SQE_WORD.FILE_INDEX] = target.byteLength
}

/**
 * Sends a message: several buffers, an address, control data such as descriptors.
 *
 * @param header from `messageHeader()`; must live until completion, as must what it points to
 * @param flags `MSG` flags
 * @returns false when the queue is full
 * @see sendmsg(2)
 */
export function prepareSendmsg(
  queue: SubmissionQueue,
  fd: number,
  header: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.SENDMSG, fd, 0, addressOf(header), 1, flags, userData)
}

/** As {@link prepareSendmsg}, by the header's address. */
export function prepareSendmsgAt(
  queue: SubmissionQueue,
  fd: number,
  header: number,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.SENDMSG, fd, 0, header, 1, flags, userData)
}

/** As {@link prepareSendmsg}, without copying; see {@link prepareSendZc}. */
export function prepareSendmsgZc(
  queue: SubmissionQueue,
  fd: number,
  header: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.SENDMSG_ZC, fd, 0, addressOf(header), 1, flags, userData)
}

/**
 * As {@link prepareSendmsgZc}, from parts of one registered buffer. Needs kernel 6.15.
 *
 * @param index of the registered buffer
 */
export function prepareSendmsgZcFixed(
  queue: SubmissionQueue,
  fd: number,
  header: ArrayBufferView,
  index: number,
  flags: number,
  userData: number,
): boolean {
  const entry = write(queue, SENDMSG_ZC_FIXED, fd, 0, addressOf(header), 1, flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = index
  return queue.takeWhole()
}
