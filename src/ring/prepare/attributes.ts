import { addressOf, IORING_OP, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill, storeWide, write } from './entry.js'

/**
 * Sets an extended attribute of an open file.
 *
 * @param name from `pathBytes()`; must live until the entry is submitted
 * @param value must live until the entry is submitted
 * @param flags `XATTR` flags: create only, replace only
 * @returns false when the queue is full
 * @see fsetxattr(2)
 */
export function prepareFsetxattr(
  queue: SubmissionQueue,
  fd: number,
  name: ArrayBufferView,
  value: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  const operation = IORING_OP.FSETXATTR
  const length = value.byteLength
  return fill(queue, operation, fd, addressOf(value), addressOf(name), length, flags, userData)
}

/** As {@link prepareFsetxattr}, by path. */
export function prepareSetxattr(
  queue: SubmissionQueue,
  path: ArrayBufferView,
  name: ArrayBufferView,
  value: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  // Every address is asked for before the entry is taken: asking throws on a detached buffer.
  const target = addressOf(path)
  const operation = IORING_OP.SETXATTR
  const length = value.byteLength
  const entry = write(queue, operation, 0, addressOf(value), addressOf(name), length, flags, userData)
  if (entry < 0) return false
  storeWide(queue.words, entry + SQE_WORD.ADDR3, target)
  return queue.takeWhole()
}

/**
 * Gets an extended attribute of an open file. The completion's result is its length.
 *
 * @param name from `pathBytes()`; must live until the entry is submitted
 * @param value where it goes, empty to ask for the length; must live until completion
 * @returns false when the queue is full
 * @see fgetxattr(2)
 */
export function prepareFgetxattr(
  queue: SubmissionQueue,
  fd: number,
  name: ArrayBufferView,
  value: ArrayBufferView,
  userData: number,
): boolean {
  const operation = IORING_OP.FGETXATTR
  const length = value.byteLength
  return fill(queue, operation, fd, addressOf(value), addressOf(name), length, 0, userData)
}

/** As {@link prepareFgetxattr}, by path. */
export function prepareGetxattr(
  queue: SubmissionQueue,
  path: ArrayBufferView,
  name: ArrayBufferView,
  value: ArrayBufferView,
  userData: number,
): boolean {
  const target = addressOf(path)
  const operation = IORING_OP.GETXATTR
  const length = value.byteLength
  const entry = write(queue, operation, 0, addressOf(value), addressOf(name), length, 0, userData)
  if (entry < 0) return false
  storeWide(queue.words, entry + SQE_WORD.ADDR3, target)
  return queue.takeWhole()
}
