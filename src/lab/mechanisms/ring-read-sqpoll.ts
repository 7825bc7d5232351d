import { openSync } from 'node:fs'
import { prepareReadAt } from '../../ring/index.js'
import type { Mechanism } from '../mechanism.js'
import { RingPump } from '../ring-pump.js'
import { PAGE } from '../sizes.js'

/** io_uring with a thread of the kernel that takes what is submitted. */
export const ringReadSqpoll: Mechanism = {
  name: 'Ring SQPOLL',
  about:
    'a thread of the kernel watches the queue: no system call at all, at the price of a second CPU kept busy',
  copies: 1,
  copiesWhy: 'page cache to buffer',
  cases: [{ goal: 'read/cached/random', size: PAGE, depth: 64 }],
  open(setting) {
    const fd = openSync(setting.path, 'r')
    return new RingPump({
      setting,
      fd,
      mode: 'sqpoll',
      syscall: 'read',
      ready: () => (queue, address, position, slot) =>
        prepareReadAt(queue, fd, address, setting.size, position, slot),
    })
  },
}
