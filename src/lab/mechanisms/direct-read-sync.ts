import { closeSync, constants, readSync } from 'node:fs'
import { alignedBuffer } from '../../memory/index.js'
import { openDirect } from '../direct.js'
import { inTurn } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { MIB, PAGE } from '../sizes.js'

/** O_DIRECT, one read at a time. */
export const directReadSync: Mechanism = {
  name: 'direct readSync',
  node: true,
  about: 'O_DIRECT: the device writes into the buffer itself; one at a time, so it idles in between',
  copies: 0,
  copiesWhy: 'the device’s DMA reaches the buffer',
  direct: true,
  cases: [
    { goal: 'read/uncached/sequential', size: MIB },
    { goal: 'read/uncached/random', size: PAGE },
  ],
  open({ path, size }) {
    const fd = openDirect(path, constants.O_RDONLY, size)
    const buffer = alignedBuffer(size)
    return {
      run: lap => inTurn(lap, position => whole(readSync(fd, buffer, 0, size, position), size)),
      close: () => closeSync(fd),
    }
  },
}
