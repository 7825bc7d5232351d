import { closeSync, openSync, readSync } from 'node:fs'
import { alignedBuffer } from '../../memory/index.js'
import { inTurn } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { KIB, MIB, PAGE } from '../sizes.js'

/** `fs.readSync`: one pread(2) an operation. */
export const readSyncMechanism: Mechanism = {
  name: 'readSync',
  node: true,
  about: 'one pread(2) for every block; the thread waits',
  copies: 1,
  copiesWhy: 'page cache to buffer',
  cases: [
    { goal: 'read/cached/sequential', size: 1 },
    { goal: 'read/cached/sequential', size: PAGE },
    { goal: 'read/cached/sequential', size: 64 * KIB },
    { goal: 'read/cached/sequential', size: MIB },
    { goal: 'read/cached/random', size: PAGE },
    { goal: 'read/uncached/sequential', size: PAGE },
    { goal: 'read/uncached/sequential', size: MIB },
    { goal: 'read/uncached/random', size: PAGE },
  ],
  open({ path, size }) {
    const fd = openSync(path, 'r')
    const buffer = alignedBuffer(size)
    return {
      run: lap => inTurn(lap, position => whole(readSync(fd, buffer, 0, size, position), size)),
      close: () => closeSync(fd),
    }
  },
}
