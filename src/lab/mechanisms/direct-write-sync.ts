import { closeSync, constants, writeSync } from 'node:fs'
import { alignedBuffer } from '../../memory/index.js'
import { openDirect } from '../direct.js'
import { inTurn } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { MIB, PAGE } from '../sizes.js'

/** O_DIRECT, one write at a time. */
export const directWriteSync: Mechanism = {
  name: 'direct writeSync',
  node: true,
  about: 'O_DIRECT: the device reads the buffer itself; one at a time, so it idles in between',
  copies: 0,
  copiesWhy: 'the device’s DMA reaches the buffer',
  direct: true,
  cases: [
    { goal: 'write/uncached/sequential', size: MIB },
    { goal: 'write/uncached/random', size: PAGE },
  ],
  open({ path, size }) {
    const fd = openDirect(path, constants.O_RDWR, size)
    const buffer = alignedBuffer(size).fill(0x5a)
    return {
      run: lap => inTurn(lap, position => whole(writeSync(fd, buffer, 0, size, position), size)),
      close: () => closeSync(fd),
    }
  },
}
