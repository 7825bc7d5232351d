import { open } from 'node:fs/promises'
import { alignedBuffer } from '../../memory/index.js'
import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { KIB, PAGE } from '../sizes.js'

/** `fs.promises`: a thread of libuv's pool makes the system call. */
export const promisesRead: Mechanism = {
  name: 'fs.promises',
  node: true,
  about: 'one of libuv’s 4 threads makes the pread(2) and wakes the event loop, which settles a promise',
  copies: 1,
  copiesWhy: 'page cache to buffer',
  cases: [
    { goal: 'read/cached/sequential', size: 64 * KIB },
    { goal: 'read/cached/random', size: PAGE },
    { goal: 'read/cached/random', size: PAGE, depth: 64 },
    { goal: 'read/uncached/sequential', size: 64 * KIB },
    { goal: 'read/uncached/random', size: PAGE, depth: 64 },
  ],
  bound:
    'libuv’s queue has no bound of its own: the caller’s depth is all there is, and 4 threads work on it',
  async open({ path, size, depth }) {
    const file = await open(path, 'r')
    const buffers = Array.from({ length: depth }, () => alignedBuffer(size))
    return {
      run: lap =>
        inLanes(lap, depth, async (position, lane) => {
          const { bytesRead } = await file.read(buffers[lane] as Uint8Array, 0, size, position)
          return whole(bytesRead, size)
        }),
      close: () => file.close(),
    }
  },
}
