import { closeSync, openSync, readvSync } from 'node:fs'
import { alignedBuffer } from '../../memory/index.js'
import { inTurn } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { KIB } from '../sizes.js'

/** Buffers that one call fills. */
const PARTS = 16

/** `fs.readvSync`: one preadv(2) fills several buffers. */
export const readvMechanism: Mechanism = {
  name: `readv ${PARTS} parts`,
  node: true,
  about: `one preadv(2) fills ${PARTS} buffers; the thread waits`,
  copies: 1,
  copiesWhy: 'page cache to buffers',
  cases: [
    { goal: 'read/cached/sequential', size: 64 * KIB },
    { goal: 'read/uncached/sequential', size: 64 * KIB },
  ],
  open({ path, size }) {
    const fd = openSync(path, 'r')
    const part = Math.ceil(size / PARTS)
    const memory = alignedBuffer(size)
    const buffers = Array.from({ length: Math.ceil(size / part) }, (_, index) =>
      memory.subarray(index * part, Math.min(size, (index + 1) * part)),
    )
    return {
      run: lap => inTurn(lap, position => whole(readvSync(fd, buffers, position), size)),
      close: () => closeSync(fd),
    }
  },
}
