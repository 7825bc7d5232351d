import { engine } from '../../engine/index.js'
import { open } from '../../file/index.js'
import { alignedBuffer } from '../../memory/index.js'
import { driverNotes } from '../driver-notes.js'
import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { KIB, PAGE } from '../sizes.js'

/** Sluice's own `FileHandle`, writing into the page cache. */
export const fileHandleWrite: Mechanism = {
  name: 'FileHandle',
  about:
    'Sluice’s: promises as fs.promises has them, but all writes of a turn of the event loop in one system call',
  copies: 1,
  copiesWhy: 'buffer to page cache',
  cases: [
    { goal: 'write/cached/sequential', size: 64 * KIB, depth: 16 },
    { goal: 'write/cached/random', size: PAGE, depth: 64 },
  ],
  bound: 'the engine has at most 65,536 operations in flight and lets as many more wait as it is told to',
  async open({ path, size, depth }) {
    const file = await open(path, 'r+')
    const buffer = alignedBuffer(size).fill(0x5a)
    return {
      run: lap =>
        inLanes(lap, depth, async position => {
          const { bytesWritten } = await file.write(buffer, 0, size, position)
          return whole(bytesWritten, size)
        }),
      enters: () => engine().stats().enters,
      notes: driverNotes(),
      close: () => file.close(),
    }
  },
}
