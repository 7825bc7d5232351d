import { constants } from 'node:fs'
import { prepareReadAt } from '../../ring/index.js'
import { openDirect } from '../direct.js'
import type { Mechanism } from '../mechanism.js'
import { RingPump } from '../ring-pump.js'
import { MIB, PAGE } from '../sizes.js'

/** O_DIRECT, many reads in flight. */
export const directReadRing: Mechanism = {
  name: 'direct Ring',
  about: 'O_DIRECT with many reads in flight: the device always has the next one at hand',
  copies: 0,
  copiesWhy: 'the device’s DMA reaches the buffer',
  direct: true,
  cases: [
    { goal: 'read/uncached/sequential', size: MIB, depth: 16 },
    { goal: 'read/uncached/random', size: PAGE, depth: 64 },
  ],
  open(setting) {
    const fd = openDirect(setting.path, constants.O_RDONLY, setting.size)
    return new RingPump({
      setting,
      fd,
      mode: 'dedicated',
      syscall: 'read',
      ready: () => (queue, address, position, slot) =>
        prepareReadAt(queue, fd, address, setting.size, position, slot),
    })
  },
}
