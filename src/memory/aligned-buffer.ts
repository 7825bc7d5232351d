import { constants } from 'node:buffer'
import { addressOf, checkInteger, outOfRange, PAGE_SIZE } from '../kernel/index.js'

const MAX_ALIGNMENT = 2 ** 30

/**
 * Memory whose first byte stands at a multiple of `alignment`, as Direct I/O and registered buffers want it.
 *
 * The length is `size`, not rounded; the ArrayBuffer underneath is larger, and `byteOffset` is rarely 0. It is
 * zeroed, and collected as any other.
 *
 * @param size bytes
 * @param alignment bytes, a power of two up to 1 GiB; a page by default
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; `RangeError` where there is no memory for it
 */
export function alignedBuffer(size: number, alignment: number = PAGE_SIZE): Uint8Array<ArrayBuffer> {
  checkInteger(size, 'size', 0, constants.MAX_LENGTH)
  checkInteger(alignment, 'alignment', 1, MAX_ALIGNMENT)
  if (!Number.isInteger(Math.log2(alignment))) throw outOfRange('alignment', 'a power of two', alignment)
  // Never an empty ArrayBuffer: that one has no address.
  const buffer = new ArrayBuffer(size + alignment)
  const misplaced = addressOf(buffer) % alignment
  return new Uint8Array(buffer, misplaced === 0 ? 0 : alignment - misplaced, size)
}
