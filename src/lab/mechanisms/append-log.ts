import { engine } from '../../engine/index.js'
import { alignedBuffer } from '../../memory/index.js'
import { driverNotes } from '../driver-notes.js'
import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { PAGE } from '../sizes.js'
import { UnnamedLog } from '../unnamed-log.js'

/** `AppendLog`: group commit among whoever appends. */
export const appendLogMechanism: Mechanism = {
  name: 'AppendLog',
  about:
    'Sluice’s: records that are appended meanwhile share the next vectored write and its linked fdatasync',
  copies: 1,
  copiesWhy: 'buffer to page cache; from there the device fetches it',
  cases: [
    { goal: 'write/durable/sequential', size: PAGE },
    { goal: 'write/durable/sequential', size: PAGE, depth: 64 },
  ],
  bound: 'the log’s queue: 8 MiB of records, then append() waits',
  async open({ path, size, depth }) {
    const log = await UnnamedLog.beside(path)
    const record = alignedBuffer(size).fill(0x5a)
    return {
      run: lap =>
        inLanes(lap, depth, async () => {
          await log.append(record)
          return size
        }),
      enters: () => engine().stats().enters,
      notes: driverNotes(),
      close: () => log.close(),
    }
  },
}
