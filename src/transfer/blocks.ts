import { alignedBuffer } from '../memory/index.js'

/** Bytes of a block: what one read or write of a copying mechanism moves. */
export const BLOCK_BYTES = 2 ** 17
/** Blocks that are kept for the next transfer. */
const KEPT = 32
const free: Uint8Array<ArrayBuffer>[] = []

/** Page-aligned memory, not cleared: what the last user left is still there. */
export function takeBlock(): Uint8Array<ArrayBuffer> {
  return free.pop() ?? alignedBuffer(BLOCK_BYTES)
}

/** Takes a block back. No operation may hold it any more. */
export function giveBlock(block: Uint8Array<ArrayBuffer>): void {
  if (free.length < KEPT) free.push(block)
}
