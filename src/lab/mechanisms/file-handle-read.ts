import { engine } from '../../engine/index.js'
import { open } from '../../file/index.js'
import { alignedBuffer } from '../../memory/index.js'
import { driverNotes } from '../driver-notes.js'
import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { KIB, PAGE } from '../sizes.js'

/** Sluice's own `FileHandle`. */
export const fileHandleRead: Mechanism = {
  name: 'FileHandle',
  about:
    'Sluice’s: promises as fs.promises has them, but all reads of a turn of the event loop in one system call',
  copies: 1,
  copiesWhy: 'page cache to buffer',
  cases: [
    { goal: 'read/cached/sequential', size: 64 * KIB, depth: 16 },
    { goal: 'read/cached/random', size: PAGE },
    { goal: 'read/cached/random', size: PAGE, depth: 64 },
    { goal: 'read/uncached/sequential', size: 64 * KIB, depth: 16 },
    { goal: 'read/uncached/random', size: PAGE, depth: 64 },
  ],
  bound: 'the engine has at most 65,536 operations in flight and lets as many more wait as it is told to',
  async open({ path, size, depth }) {
    const file = await open(path)
    const buffers = Array.from({ length: depth }, () => alignedBuffer(size))
    return {
      run: lap =>
        inLanes(lap, depth, async (position, lane) => {
          const { bytesRead } = await file.read(buffers[lane] as Uint8Array, 0, size, position)
          return whole(bytesRead, size)
        }),
      enters: () => engine().stats().enters,
      notes: driverNotes(),
      close: () => file.close(),
    }
  },
}
