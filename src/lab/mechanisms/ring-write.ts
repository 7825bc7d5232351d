import { openSync } from 'node:fs'
import { prepareWriteAt } from '../../ring/index.js'
import type { Mechanism } from '../mechanism.js'
import { RingPump } from '../ring-pump.js'
import { KIB, PAGE } from '../sizes.js'

/** io_uring, writing into the page cache. */
export const ringWrite: Mechanism = {
  name: 'Ring',
  about: 'io_uring: writes are put into shared memory and handed over many at a time, in one system call',
  copies: 1,
  copiesWhy: 'buffer to page cache',
  cases: [
    { goal: 'write/cached/sequential', size: 64 * KIB, depth: 16 },
    { goal: 'write/cached/random', size: PAGE, depth: 64 },
  ],
  open(setting) {
    const fd = openSync(setting.path, 'r+')
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
