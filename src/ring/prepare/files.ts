import { addressOf, IORING_FSYNC, IORING_OP, OPEN_HOW, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill, slotWord, write } from './entry.js'

const WORD_RANGE = 2 ** 32

/**
 * Opens a file. The completion's result is the descriptor.
 *
 * @param directory descriptor that a relative path starts from, or `AT.FDCWD`
 * @param path from `pathBytes()`; must live until the entry is submitted
 * @param flags `O` flags; `O.CLOEXEC` is not implied
 * @param mode permissions of a file that is created
 * @returns false when the queue is full
 * @see openat(2)
 */
export function prepareOpenAt(
  queue: SubmissionQueue,
  directory: number,
  path: ArrayBufferView,
  flags: number,
  mode: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.OPENAT, directory, 0, addressOf(path), mode, flags, userData)
}

/**
 * As {@link prepareOpenAt}, into a slot of the registered files. `O.CLOEXEC` is refused there.
 *
 * @param slot its index, or `IORING_FILE_INDEX_ALLOC`; then the completion's result is the index
 */
export function prepareOpenAtDirect(
  queue: SubmissionQueue,
  directory: number,
  path: ArrayBufferView,
  flags: number,
  mode: number,
  slot: number,
  userData: number,
): boolean {
  const entry = write(queue, IORING_OP.OPENAT, directory, 0, addressOf(path), mode, flags, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = slotWord(slot)
  return queue.takeWhole()
}

/**
 * Opens a file under restrictions on how its path resolves.
 *
 * @param path from `pathBytes()`; must live until the entry is submitted
 * @param how from `openHow()`; must live until the entry is submitted
 * @returns false when the queue is full
 * @see openat2(2)
 */
export function prepareOpenAt2(
  queue: SubmissionQueue,
  directory: number,
  path: ArrayBufferView,
  how: ArrayBufferView,
  userData: number,
): boolean {
  const operation = IORING_OP.OPENAT2
  return fill(queue, operation, directory, addressOf(how), addressOf(path), OPEN_HOW.SIZE, 0, userData)
}

/** As {@link prepareOpenAt2}, into a slot of the registered files; see {@link prepareOpenAtDirect}. */
export function prepareOpenAt2Direct(
  queue: SubmissionQueue,
  directory: number,
  path: ArrayBufferView,
  how: ArrayBufferView,
  slot: number,
  userData: number,
): boolean {
  const [name, target] = [addressOf(path), addressOf(how)]
  const entry = write(queue, IORING_OP.OPENAT2, directory, target, name, OPEN_HOW.SIZE, 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = slotWord(slot)
  return queue.takeWhole()
}

/**
 * Closes a descriptor. Operations in flight on it go on.
 *
 * @returns false when the queue is full
 * @see close(2)
 */
export function prepareClose(queue: SubmissionQueue, fd: number, userData: number): boolean {
  return fill(queue, IORING_OP.CLOSE, fd, 0, 0, 0, 0, userData)
}

/** Empties a slot of the registered files. */
export function prepareCloseDirect(queue: SubmissionQueue, slot: number, userData: number): boolean {
  const entry = write(queue, IORING_OP.CLOSE, 0, 0, 0, 0, 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = slotWord(slot)
  return queue.takeWhole()
}

/**
 * Asks about a file.
 *
 * @param path from `pathBytes()`; empty with `AT.EMPTY_PATH` for the descriptor itself; must live until the
 *   entry is submitted
 * @param flags `AT` flags
 * @param mask `STATX` fields asked for
 * @param result a `struct statx`, 256 bytes; must live until completion
 * @returns false when the queue is full
 * @see statx(2)
 */
export function prepareStatx(
  queue: SubmissionQueue,
  directory: number,
  path: ArrayBufferView,
  flags: number,
  mask: number,
  result: ArrayBufferView,
  userData: number,
): boolean {
  const operation = IORING_OP.STATX
  return fill(queue, operation, directory, addressOf(result), addressOf(path), mask, flags, userData)
}

/**
 * Reserves, frees or rearranges space of a file.
 *
 * @param mode `FALLOC_FL` flags; 0 reserves
 * @returns false when the queue is full
 * @see fallocate(2)
 */
export function prepareFallocate(
  queue: SubmissionQueue,
  fd: number,
  mode: number,
  offset: number,
  length: number,
  userData: number,
): boolean {
  // The length stands where other operations have an address, the mode where they have a length.
  return fill(queue, IORING_OP.FALLOCATE, fd, offset, length, mode, 0, userData)
}

/**
 * Says how a range of a file will be used.
 *
 * @param length in bytes; 0 to the end. From 4 GiB on it takes kernel 6.11.
 * @returns false when the queue is full
 * @see posix_fadvise(2)
 */
export function prepareFadvise(
  queue: SubmissionQueue,
  fd: number,
  offset: number,
  length: number,
  advice: number,
  userData: number,
): boolean {
  // Only newer kernels look for a 64-bit length in the address; older ones insist that it is zero.
  const wide = length >= WORD_RANGE
  return fill(queue, IORING_OP.FADVISE, fd, offset, wide ? length : 0, wide ? 0 : length, advice, userData)
}

/**
 * Sets the length of a file.
 *
 * @returns false when the queue is full
 * @see ftruncate(2)
 */
export function prepareFtruncate(
  queue: SubmissionQueue,
  fd: number,
  length: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.FTRUNCATE, fd, length, 0, 0, 0, userData)
}

/**
 * Makes a file durable.
 *
 * @param flags `IORING_FSYNC.DATASYNC`, or 0
 * @returns false when the queue is full
 * @see fsync(2)
 */
export function prepareFsync(queue: SubmissionQueue, fd: number, flags: number, userData: number): boolean {
  return fill(queue, IORING_OP.FSYNC, fd, 0, 0, 0, flags, userData)
}

/** As {@link prepareFsync} with `IORING_FSYNC.DATASYNC`. */
export function prepareFdatasync(queue: SubmissionQueue, fd: number, userData: number): boolean {
  return prepareFsync(queue, fd, IORING_FSYNC.DATASYNC, userData)
}

/**
 * As {@link prepareFsync}, for a range of the file.
 *
 * @param length in bytes, below 4 GiB; 0 to the end
 */
export function prepareFsyncRange(
  queue: SubmissionQueue,
  fd: number,
  offset: number,
  length: number,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.FSYNC, fd, offset, 0, length, flags, userData)
}

/**
 * Starts or awaits write-back of a range. No durability: metadata and the device's cache are left out.
 *
 * @param length in bytes, below 4 GiB; 0 to the end
 * @param flags `SYNC_FILE_RANGE` flags
 * @returns false when the queue is full
 * @see sync_file_range(2)
 */
export function prepareSyncFileRange(
  queue: SubmissionQueue,
  fd: number,
  offset: number,
  length: number,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, IORING_OP.SYNC_FILE_RANGE, fd, offset, 0, length, flags, userData)
}
