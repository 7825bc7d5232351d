import { openSync } from 'node:fs'
import { prepareReadAt } from '../../ring/index.js'
import type { Mechanism } from '../mechanism.js'
import { RingPump } from '../ring-pump.js'
import { KIB, PAGE } from '../sizes.js'

/** io_uring through the page cache. */
export const ringRead: Mechanism = {
  name: 'Ring',
  about: 'io_uring: reads are written into shared memory and handed over many at a time, in one system call',
  copies: 1,
  copiesWhy: 'page cache to buffer',
  cases: [
    { goal: 'read/cached/sequential', size: 64 * KIB, depth: 16 },
    { goal: 'read/cached/random', size: PAGE },
    { goal: 'read/cached/random', size: PAGE, depth: 64 },
    { goal: 'read/uncached/sequential', size: 64 * KIB, depth: 16 },
    { goal: 'read/uncached/random', size: PAGE, depth: 64 },
  ],
  open(setting) {
    const fd = openSync(setting.path, 'r')
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
