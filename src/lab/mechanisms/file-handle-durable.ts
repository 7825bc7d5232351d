import { engine } from '../../engine/index.js'
import { open } from '../../file/index.js'
import { alignedBuffer } from '../../memory/index.js'
import { driverNotes } from '../driver-notes.js'
import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { PAGE } from '../sizes.js'

/** Sluice's own `FileHandle`: a write and a datasync for every block. */
export const fileHandleDurable: Mechanism = {
  name: 'FileHandle, sync',
  about: 'Sluice’s: a write and then a datasync, each a promise, without libuv’s threads',
  copies: 1,
  copiesWhy: 'buffer to page cache; from there the device fetches it',
  cases: [{ goal: 'write/durable/sequential', size: PAGE }],
  async open({ path, size, depth }) {
    const file = await open(path, 'r+')
    const buffer = alignedBuffer(size).fill(0x5a)
    return {
      run: lap =>
        inLanes(lap, depth, async position => {
          const { bytesWritten } = await file.write(buffer, 0, size, position)
          await file.datasync()
          return whole(bytesWritten, size)
        }),
      enters: () => engine().stats().enters,
      notes: driverNotes(),
      close: () => file.close(),
    }
  },
}
