import { closeSync, openSync, writevSync } from 'node:fs'
import { alignedBuffer } from '../../memory/index.js'
import { inTurn } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { KIB } from '../sizes.js'

/** Buffers that one call takes. */
const PARTS = 16

/** `fs.writevSync`: one pwritev(2) takes several buffers. */
export const writevMechanism: Mechanism = {
  name: `writev ${PARTS} parts`,
  node: true,
  about: `one pwritev(2) takes ${PARTS} buffers to the page cache, with no need to join them first`,
  copies: 1,
  copiesWhy: 'buffers to page cache',
  cases: [{ goal: 'write/cached/sequential', size: 64 * KIB }],
  open({ path, size }) {
    const fd = openSync(path, 'r+')
    const part = Math.ceil(size / PARTS)
    const memory = alignedBuffer(size).fill(0x5a)
    const buffers = Array.from({ length: Math.ceil(size / part) }, (_, index) =>
      memory.subarray(index * part, Math.min(size, (index + 1) * part)),
    )
    return {
      run: lap => inTurn(lap, position => whole(writevSync(fd, buffers, position), size)),
      close: () => closeSync(fd),
    }
  },
}
