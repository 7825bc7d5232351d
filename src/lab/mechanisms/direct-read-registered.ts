import { constants } from 'node:fs'
import { IOSQE } from '../../kernel/index.js'
import { prepareReadFixedAt } from '../../ring/index.js'
import { openDirect } from '../direct.js'
import type { Mechanism } from '../mechanism.js'
import { RingPump } from '../ring-pump.js'
import { PAGE } from '../sizes.js'

/** O_DIRECT, many reads in flight, buffers and file registered. */
export const directReadRegistered: Mechanism = {
  name: 'direct Ring fixed',
  about: 'as direct Ring, with registered buffers and file: pinned and looked up once, not for every read',
  copies: 0,
  copiesWhy: 'the device’s DMA reaches the buffer',
  direct: true,
  cases: [{ goal: 'read/uncached/random', size: PAGE, depth: 64 }],
  open(setting) {
    const fd = openDirect(setting.path, constants.O_RDONLY, setting.size)
    return new RingPump({
      setting,
      fd,
      mode: 'dedicated',
      syscall: 'read',
      ready: (ring, memory) => {
        ring.registerBuffers(memory)
        ring.registerFiles([fd])
        return (queue, address, position, slot) => {
          const prepared = prepareReadFixedAt(queue, 0, address, setting.size, slot, position, slot)
          queue.mark(IOSQE.FIXED_FILE)
          return prepared
        }
      },
    })
  },
}
