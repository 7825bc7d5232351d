import { alignedBuffer } from '../memory/index.js'

/** Bytes of a block: what one read or write of a copying mechanism moves. */
export const BLOCK_BYTES = 2 ** 17
/** Blocks that are kept for the next transfer. */
const KEPT = 32
const free: Uint8Array<ArrayBuffer>[] = []
let inUse = 0

/** Page-aligned memory, not cleared: what the last user left is still there. */
export function takeBlock(): Uint8Array<ArrayBuffer> {
  inUse++
  return free.pop() ?? alignedBuffer(BLOCK_BYTES)
}

/** Takes a block back. No operation may hold it any more. */
export function giveBlock(block: Uint8Array<ArrayBuffer>): void {
  inUse--
  if (free.length < KEPT) free.push(block)
}

/** Blocks that were taken and not given back. */
export function blocksInUse(): number {
  return inUse
}
