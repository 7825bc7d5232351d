import { addressOf, IORING_OP, IOSQE } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { fill } from './entry.js'

const FIXED_FD_INSTALL = IORING_OP.FIXED_FD_INSTALL | (IOSQE.FIXED_FILE << 8)
/** Bytes of a descriptor in a list, as a shift. */
const FD_SHIFT = 2

/**
 * Changes registered files.
 *
 * @param fds 32-bit descriptors, -1 to empty a slot; with `IORING_FILE_INDEX_ALLOC` as first slot the kernel
 *   picks free ones and stores their indices here. Must live until completion.
 * @param first the slot of the first
 * @returns false when the queue is full
 */
export function prepareFilesUpdate(
  queue: SubmissionQueue,
  fds: ArrayBufferView,
  first: number,
  userData: number,
): boolean {
  const count = fds.byteLength >>> FD_SHIFT
  return fill(queue, IORING_OP.FILES_UPDATE, -1, first, addressOf(fds), count, 0, userData)
}

/**
 * Makes an ordinary descriptor of a registered file. The completion's result is that descriptor.
 *
 * @param slot of the registered file
 * @param flags `IORING_FIXED_FD.NO_CLOEXEC`, or 0
 * @returns false when the queue is full
 */
export function prepareFixedFdInstall(
  queue: SubmissionQueue,
  slot: number,
  flags: number,
  userData: number,
): boolean {
  return fill(queue, FIXED_FD_INSTALL, slot, 0, 0, 0, flags, userData)
}
