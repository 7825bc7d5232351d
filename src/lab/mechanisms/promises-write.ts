import { open } from 'node:fs/promises'
import { alignedBuffer } from '../../memory/index.js'
import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { KIB, PAGE } from '../sizes.js'

/** `fs.promises`, writing into the page cache. */
export const promisesWrite: Mechanism = {
  name: 'fs.promises',
  node: true,
  about: 'one of libuv’s 4 threads makes the pwrite(2) and wakes the event loop, which settles a promise',
  copies: 1,
  copiesWhy: 'buffer to page cache',
  cases: [
    { goal: 'write/cached/sequential', size: 64 * KIB },
    { goal: 'write/cached/random', size: PAGE, depth: 64 },
  ],
  bound:
    'libuv’s queue has no bound of its own: the caller’s depth is all there is, and 4 threads work on it',
  async open({ path, size, depth }) {
    const file = await open(path, 'r+')
    const buffer = alignedBuffer(size).fill(0x5a)
    return {
      run: lap =>
        inLanes(lap, depth, async position => {
          const { bytesWritten } = await file.write(buffer, 0, size, position)
          return whole(bytesWritten, size)
        }),
      close: () => file.close(),
    }
  },
}
