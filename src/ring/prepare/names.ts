import { addressOf, IORING_OP } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill } from './entry.js'

/**
 * Gives a file another name.
 *
 * @param source,target from `pathBytes()`; must live until the entry is submitted
 * @param flags `RENAME` flags
 * @returns false when the queue is full
 * @see renameat2(2)
 */
export function prepareRenameAt(
  queue: SubmissionQueue,
  sourceDirectory: number,
  source: ArrayBufferView,
  targetDirectory: number,
  target: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  // The second directory stands where other operations have a length.
  const operation = IORING_OP.RENAMEAT
  const from = addressOf(source)
  return fill(queue, operation, sourceDirectory, addressOf(target), from, targetDirectory, flags, userData)
}

/**
 * Gives a file a further name.
 *
 * @param source,target from `pathBytes()`; must live until the entry is submitted
 * @param flags `AT` flags
 * @returns false when the queue is full
 * @see linkat(2)
 */
export function prepareLinkAt(
  queue: SubmissionQueue,
  sourceDirectory: number,
  source: ArrayBufferView,
  targetDirectory: number,
  target: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  const operation = IORING_OP.LINKAT
  const from = addressOf(source)
  return fill(queue, operation, sourceDirectory, addressOf(target), from, targetDirectory, flags, userData)
}

/**
 * Makes a symbolic link.
 *
 * @param target what the link says, from `pathBytes()`; must live until the entry is submitted
 * @param path where the link goes, from `pathBytes()`; must live until the entry is submitted
 * @returns false when the queue is full
 * @see symlinkat(2)
 */
export function prepareSymlinkAt(
  queue: SubmissionQueue,
  target: ArrayBufferView,
  directory: number,
  path: ArrayBufferView,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.SYMLINKAT, directory, addressOf(path), addressOf(target), 0, 0, userData)
}

/**
 * Removes a name.
 *
 * @param path from `pathBytes()`; must live until the entry is submitted
 * @param flags `AT.REMOVEDIR`, or 0
 * @returns false when the queue is full
 * @see unlinkat(2)
 */
export function prepareUnlinkAt(
  queue: SubmissionQueue,
  directory: number,
  path: ArrayBufferView,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.UNLINKAT, directory, 0, addressOf(path), 0, flags, userData)
}

/**
 * Makes a directory.
 *
 * @param path from `pathBytes()`; must live until the entry is submitted
 * @returns false when the queue is full
 * @see mkdirat(2)
 */
export function prepareMkdirAt(
  queue: SubmissionQueue,
  directory: number,
  path: ArrayBufferView,
  mode: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.MKDIRAT, directory, 0, addressOf(path), mode, 0, userData)
}
