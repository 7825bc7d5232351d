import { constants } from 'node:fs'
import { prepareWriteAt } from '../../ring/index.js'
import { openDirect } from '../direct.js'
import type { Mechanism } from '../mechanism.js'
import { RingPump } from '../ring-pump.js'
import { MIB, PAGE } from '../sizes.js'

/** O_DIRECT, many writes in flight. */
export const directWriteRing: Mechanism = {
  name: 'direct Ring',
  about: 'O_DIRECT with many writes in flight: the device always has the next one at hand',
  copies: 0,
  copiesWhy: 'the device’s DMA reaches the buffer',
  direct: true,
  cases: [
    { goal: 'write/uncached/sequential', size: MIB, depth: 16 },
    { goal: 'write/uncached/random', size: PAGE, depth: 64 },
  ],
  open(setting) {
    const fd = openDirect(setting.path, constants.O_RDWR, setting.size)
    return new RingPump({
      setting,
      fd,
      mode: 'dedicated',
      syscall: 'write',
      ready: () => (queue, address, position, slot) =>
        prepareWriteAt(queue, fd, address, setting.size, position, slot),
    })
  },
}
