import { addressOf, IORING_OP, IORING_RECVSEND, IOSQE, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill, PRIORITY_SHIFT, transferLength, write } from './entry.js'

const SELECT = IOSQE.BUFFER_SELECT << 8
const MULTISHOT = IORING_RECVSEND.RECV_MULTISHOT << PRIORITY_SHIFT
const RECV_SELECT = IORING_OP.RECV | SELECT
const RECV_MULTISHOT = IORING_OP.RECV | SELECT | MULTISHOT
const RECVMSG_MULTISHOT = IORING_OP.RECVMSG | SELECT | MULTISHOT
const RECV_ZC = IORING_OP.RECV_ZC | MULTISHOT

/**
 * Receives into a buffer. Zero bytes mean the peer's end.
 *
 * @param flags `MSG` flags; with `MSG.WAITALL` it completes only when the buffer is full
 * @returns false when the queue is full
 * @see recv(2)
 */
export function prepareRecv(
  queue: SubmissionQueue,
  fd: number,
  buffer: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  return prepareRecvAt(queue, fd, addressOf(buffer), buffer.byteLength, flags, userData)
}

/** As {@link prepareRecv}, into raw memory. */
export function prepareRecvAt(
  queue: SubmissionQueue,
  fd: number,
  address: number,
  length: number,
  flags: number,
  userData: number,
): boolean {
  const bytes = transferLength(length)
  return fill(queue, IORING_OP.RECV, fd, 0, address, bytes, flags, userData)
}

/**
 * Receives into a buffer that the kernel picks from a group when data comes, so that an idle connection
 * holds none.
 *
 * @param length the most to receive, in bytes; 0 for the picked buffer's length
 * @returns false when the queue is full
 */
export function prepareRecvSelect(
  queue: SubmissionQueue,
  fd: number,
  group: number,
  length: number,
  flags: number,
  userData: number,
): boolean {
  const entry = write(queue, RECV_SELECT, fd, 0, 0, transferLength(length), flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = group
  return queue.takeWhole()
}

/**
 * Receives again and again, as data comes, into buffers that the kernel picks from a group. Ends when a
 * completion lacks `IORING_CQE_F.MORE`, as at the peer's end or when the group is empty (ENOBUFS).
 *
 * @param length the most that one completion may bring, 0 for the buffer's length; see also `limitReceived()`
 * @returns false when the queue is full
 */
export function prepareRecvMultishot(
  queue: SubmissionQueue,
  fd: number,
  group: number,
  length: number,
  flags: number,
  userData: number,
): boolean {
  const entry = write(queue, RECV_MULTISHOT, fd, 0, 0, transferLength(length), flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = group
  return queue.takeWhole()
}

/**
 * Receives a message: into several buffers, with the sender's address and control data.
 *
 * @param header from `messageHeader()`; must live until completion, as must what it points to. The kernel
 *   stores the lengths of name and control data and the message's flags there.
 * @param flags `MSG` flags
 * @returns false when the queue is full
 * @see recvmsg(2)
 */
export function prepareRecvmsg(
  queue: SubmissionQueue,
  fd: number,
  header: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.RECVMSG, fd, 0, addressOf(header), 1, flags, userData)
}

/**
 * Receives messages as they come, each into a buffer of a group, laid out as `IO_URING_RECVMSG_OUT`, name,
 * control data, payload. Ends when a completion lacks `IORING_CQE_F.MORE`.
 *
 * @param header says how much room name and control data get; must live until the last completion
 * @returns false when the queue is full
 */
export function prepareRecvmsgMultishot(
  queue: SubmissionQueue,
  fd: number,
  header: ArrayBufferView,
  group: number,
  flags: number,
  userData: number,
): boolean {
  const entry = write(queue, RECVMSG_MULTISHOT, fd, 0, addressOf(header), 1, flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = group
  return queue.takeWhole()
}

/**
 * Receives as data comes, straight from the network device into the area registered with it. Needs
 * `IORING_REGISTER.ZCRX_IFQ` and completions of 32 bytes.
 *
 * @param interfaceQueue the registered queue's id
 * @param length the most to receive in all, in bytes; 0 for no limit
 * @returns false when the queue is full
 */
export function prepareRecvZc(
  queue: SubmissionQueue,
  fd: number,
  interfaceQueue: number,
  length: number,
  userData: number,
): boolean {
  const entry = write(queue, RECV_ZC, fd, 0, 0, length, 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = interfaceQueue
  return queue.takeWhole()
}
