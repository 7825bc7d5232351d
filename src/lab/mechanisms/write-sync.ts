import { closeSync, openSync, writeSync } from 'node:fs'
import { alignedBuffer } from '../../memory/index.js'
import { inTurn } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { KIB, MIB, PAGE } from '../sizes.js'

/** `fs.writeSync`: one pwrite(2) an operation, into the page cache. */
export const writeSyncMechanism: Mechanism = {
  name: 'writeSync',
  node: true,
  about: 'one pwrite(2) for every block into the page cache; the device sees it later',
  copies: 1,
  copiesWhy: 'buffer to page cache',
  cases: [
    { goal: 'write/cached/sequential', size: PAGE },
    { goal: 'write/cached/sequential', size: 64 * KIB },
    { goal: 'write/cached/sequential', size: MIB },
    { goal: 'write/cached/random', size: PAGE },
  ],
  open({ path, size }) {
    const fd = openSync(path, 'r+')
    const buffer = alignedBuffer(size).fill(0x5a)
    return {
      run: lap => inTurn(lap, position => whole(writeSync(fd, buffer, 0, size, position), size)),
      close: () => closeSync(fd),
    }
  },
}
