import { openSync } from 'node:fs'
import { IOSQE } from '../../kernel/index.js'
import { prepareReadFixedAt } from '../../ring/index.js'
import type { Mechanism } from '../mechanism.js'
import { RingPump } from '../ring-pump.js'
import { KIB, PAGE } from '../sizes.js'

/** io_uring with buffers and file registered in advance. */
export const ringReadRegistered: Mechanism = {
  name: 'Ring fixed',
  about: 'as Ring, with registered buffers and file: pinned and looked up once, not for every read',
  copies: 1,
  copiesWhy: 'page cache to buffer',
  cases: [
    { goal: 'read/cached/sequential', size: 64 * KIB, depth: 16 },
    { goal: 'read/cached/random', size: PAGE, depth: 64 },
  ],
  open(setting) {
    const fd = openSync(setting.path, 'r')
    return new RingPump({
      setting,
      fd,
      mode: 'dedicated',
      syscall: 'read',
      ready(ring, memory) {
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
