import { addressOf, IORING_RW_ATTR_FLAG, IOSQE, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { PRIORITY_SHIFT, storeWide } from './entry.js'

const PERSONALITY_SHIFT = 16

/**
 * Lets the kernel pick the buffer of the entry taken last from a buffer group. The entry's own address is
 * then ignored, and its length is a limit (zero: the buffer's own length).
 *
 * @param group a group of a `BufferRing` or of `prepareProvideBuffers`, 0 to 65535
 */
export function selectBuffer(queue: SubmissionQueue, group: number): void {
  const entry = queue.last
  if (entry < 0) return
  queue.mark(IOSQE.BUFFER_SELECT)
  const word = entry + SQE_WORD.BUFFER
  queue.words[word] = (queue.words[word] & 0xffff0000) | (group & 0xffff)
}

/**
 * Runs the entry taken last with the credentials of a registered personality.
 *
 * @param id what `IORING_REGISTER.PERSONALITY` returned, 1 to 65535
 */
export function usePersonality(queue: SubmissionQueue, id: number): void {
  const entry = queue.last
  if (entry < 0) return
  const word = entry + SQE_WORD.BUFFER
  queue.words[word] = (queue.words[word] & 0xffff) | (id << PERSONALITY_SHIFT)
}

/**
 * Adds flags that travel in the priority field of the entry taken last: `IORING_RECVSEND.POLL_FIRST` and
 * `BUNDLE`, `IORING_ACCEPT.DONTWAIT` and the like.
 */
export function addOptions(queue: SubmissionQueue, options: number): void {
  const entry = queue.last
  if (entry >= 0) queue.words[entry] |= options << PRIORITY_SHIFT
}

/**
 * Ends the multishot receive prepared last once it has received so much in all: its last completion has no
 * `IORING_CQE_F.MORE`. Exact only if each receive is limited as well; else the last one may go beyond. Needs kernel
 * 6.17; before, the receive fails with `EINVAL`.
 *
 * @param bytes 1 or more
 */
export function limitReceived(queue: SubmissionQueue, bytes: number): void {
  const entry = queue.last
  if (entry >= 0) queue.words[entry + SQE_WORD.FILE_INDEX] = bytes
}

/**
 * Adds to the operation's own flags of the entry taken last: `RWF` flags of a read or write, `SPLICE_F` flags
 * of a splice and the like.
 */
export function addFlags(queue: SubmissionQueue, flags: number): void {
  const entry = queue.last
  if (entry >= 0) queue.words[entry + SQE_WORD.OP_FLAGS] |= flags
}

/**
 * Sets the I/O priority of the entry taken last, a read or write of a file.
 *
 * @param priority class in the upper 3 bits, level in the lower 13
 * @see ioprio_set(2)
 */
export function usePriority(queue: SubmissionQueue, priority: number): void {
  const entry = queue.last
  if (entry >= 0) queue.words[entry] = (queue.words[entry] & 0xffff) | (priority << PRIORITY_SHIFT)
}

/**
 * Gives the entry taken last, a read or write of a block device that checks integrity, its protection
 * information. Needs `IORING_FEAT.RW_ATTR`.
 *
 * @param information an `io_uring_attr_pi` that lives until completion
 */
export function useProtection(queue: SubmissionQueue, information: ArrayBufferView): void {
  const entry = queue.last
  if (entry < 0) return
  storeWide(queue.words, entry + SQE_WORD.ADDR3, addressOf(information))
  storeWide(queue.words, entry + SQE_WORD.PAD, IORING_RW_ATTR_FLAG.PI)
}
