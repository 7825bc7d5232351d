import { addressOf, IORING_OP, IOSQE, IOVEC, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill, fillPlain, transferLength, write } from './entry.js'

// V8 folds a constant of this module; what is imported it loads and checks at every use.
const { READ, WRITE, READ_FIXED, WRITE_FIXED } = IORING_OP
const plain = fillPlain

/**
 * Reads into a buffer.
 *
 * @param position in the file, in bytes; -1 for the file's own position
 * @returns false when the queue is full
 * @see pread(2)
 */
export function prepareRead(
  queue: SubmissionQueue,
  fd: number,
  buffer: ArrayBufferView,
  position: number,
  userData: number,
): boolean {
  return prepareReadAt(queue, fd, addressOf(buffer), buffer.byteLength, position, userData)
}

/** As {@link prepareRead}, into raw memory. */
export function prepareReadAt(
  queue: SubmissionQueue,
  fd: number,
  address: number,
  length: number,
  position: number,
  userData: number,
): boolean {
  const bytes = transferLength(length)
  return plain(queue, READ, fd, position, address, bytes, 0, userData)
}

/**
 * Writes a buffer.
 *
 * @param position in the file, in bytes; -1 for the file's own position
 * @returns false when the queue is full
 * @see pwrite(2)
 */
export function prepareWrite(
  queue: SubmissionQueue,
  fd: number,
  buffer: ArrayBufferView,
  position: number,
  userData: number,
): boolean {
  return prepareWriteAt(queue, fd, addressOf(buffer), buffer.byteLength, position, userData)
}

/** As {@link prepareWrite}, from raw memory. */
export function prepareWriteAt(
  queue: SubmissionQueue,
  fd: number,
  address: number,
  length: number,
  position: number,
  userData: number,
): boolean {
  const bytes = transferLength(length)
  return plain(queue, WRITE, fd, position, address, bytes, 0, userData)
}

/**
 * Reads into a part of a registered buffer.
 *
 * @param buffer lies within the registered buffer
 * @param index of the registered buffer
 * @returns false when the queue is full
 */
export function prepareReadFixed(
  queue: SubmissionQueue,
  fd: number,
  buffer: ArrayBufferView,
  index: number,
  position: number,
  userData: number,
): boolean {
  return prepareReadFixedAt(queue, fd, addressOf(buffer), buffer.byteLength, index, position, userData)
}

/** As {@link prepareReadFixed}, by address. The kernel checks that it lies within the registered buffer. */
export function prepareReadFixedAt(
  queue: SubmissionQueue,
  fd: number,
  address: number,
  length: number,
  index: number,
  position: number,
  userData: number,
): boolean {
  const bytes = transferLength(length)
  const entry = write(queue, READ_FIXED, fd, position, address, bytes, 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = index
  return queue.takeWhole()
}

/**
 * Writes a part of a registered buffer.
 *
 * @param buffer lies within the registered buffer
 * @param index of the registered buffer
 * @returns false when the queue is full
 */
export function prepareWriteFixed(
  queue: SubmissionQueue,
  fd: number,
  buffer: ArrayBufferView,
  index: number,
  position: number,
  userData: number,
): boolean {
  return prepareWriteFixedAt(queue, fd, addressOf(buffer), buffer.byteLength, index, position, userData)
}

/** As {@link prepareWriteFixed}, by address. The kernel checks that it lies within the registered buffer. */
export function prepareWriteFixedAt(
  queue: SubmissionQueue,
  fd: number,
  address: number,
  length: number,
  index: number,
  position: number,
  userData: number,
): boolean {
  const bytes = transferLength(length)
  const entry = write(queue, WRITE_FIXED, fd, position, address, bytes, 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = index
  return queue.takeWhole()
}

/**
 * Reads into several buffers, one after another.
 *
 * @param vectors from `iovecs()`; must live until completion, as must the buffers
 * @returns false when the queue is full
 * @see preadv2(2)
 */
export function prepareReadv(
  queue: SubmissionQueue,
  fd: number,
  vectors: ArrayBufferView,
  position: number,
  userData: number,
): boolean {
  const count = vectors.byteLength / IOVEC.SIZE
  return fill(queue, IORING_OP.READV, fd, position, addressOf(vectors), count, 0, userData)
}

/**
 * Writes several buffers, one after another.
 *
 * @param vectors from `iovecs()`; must live until completion, as must the buffers
 * @returns false when the queue is full
 * @see pwritev2(2)
 */
export function prepareWritev(
  queue: SubmissionQueue,
  fd: number,
  vectors: ArrayBufferView,
  position: number,
  userData: number,
): boolean {
  const count = vectors.byteLength / IOVEC.SIZE
  return fill(queue, IORING_OP.WRITEV, fd, position, addressOf(vectors), count, 0, userData)
}

/** As {@link prepareReadv}, into parts of one registered buffer. */
export function prepareReadvFixed(
  queue: SubmissionQueue,
  fd: number,
  vectors: ArrayBufferView,
  index: number,
  position: number,
  userData: number,
): boolean {
  const count = vectors.byteLength / IOVEC.SIZE
  const entry = write(queue, IORING_OP.READV_FIXED, fd, position, addressOf(vectors), count, 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = index
  return queue.takeWhole()
}

/** As {@link prepareWritev}, from parts of one registered buffer. */
export function prepareWritevFixed(
  queue: SubmissionQueue,
  fd: number,
  vectors: ArrayBufferView,
  index: number,
  position: number,
  userData: number,
): boolean {
  const count = vectors.byteLength / IOVEC.SIZE
  const entry = write(queue, IORING_OP.WRITEV_FIXED, fd, position, addressOf(vectors), count, 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = index
  return queue.takeWhole()
}

/**
 * Reads again and again, as data comes, into buffers that the kernel picks from a group. Not for regular
 * files. Ends when a completion lacks `IORING_CQE_F.MORE`.
 *
 * @param length the most to read at a time, in bytes; 0 for the picked buffer's length
 * @returns false when the queue is full
 */
export function prepareReadMultishot(
  queue: SubmissionQueue,
  fd: number,
  group: number,
  length: number,
  position: number,
  userData: number,
): boolean {
  const head = IORING_OP.READ_MULTISHOT | (IOSQE.BUFFER_SELECT << 8)
  const entry = write(queue, head, fd, position, 0, transferLength(length), 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.BUFFER] = group
  return queue.takeWhole()
}
