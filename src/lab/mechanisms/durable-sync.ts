import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { alignedBuffer } from '../../memory/index.js'
import { inTurn } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { PAGE } from '../sizes.js'

/** A write and an fdatasync for every block. */
export const durableSync: Mechanism = {
  name: 'write, fdatasync',
  node: true,
  about:
    'every block is on the device before the next is written: two system calls, and a wait for the device',
  copies: 1,
  copiesWhy: 'buffer to page cache; from there the device fetches it',
  cases: [{ goal: 'write/durable/sequential', size: PAGE }],
  open({ path, size }) {
    const fd = openSync(path, 'r+')
    const buffer = alignedBuffer(size).fill(0x5a)
    const write = (position: number) => {
      whole(writeSync(fd, buffer, 0, size, position), size)
      fdatasyncSync(fd)
      return size
    }
    return { run: lap => inTurn(lap, write), close: () => closeSync(fd) }
  },
}
