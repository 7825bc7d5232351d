import { Arena } from '../memory/index.js'

/** Bytes of a block, and how many: all that copying costs in memory, however many files there are. */
const BLOCK_BYTES = 262144
const BLOCKS = 16

let own: Arena | undefined

/** Page-aligned memory for what Direct I/O cannot move straight, shared by this thread's files. */
export function bounceArena(): Arena {
  own ??= new Arena({ blockSize: BLOCK_BYTES, blocks: BLOCKS, maxWaiting: 2 ** 20 })
  return own
}
