import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { alignedBuffer } from '../../memory/index.js'
import type { Lap } from '../lap.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'
import { PAGE } from '../sizes.js'

/** Blocks that become durable together. */
const GROUP = 64

/** Many writes, one fdatasync: group commit. An operation ends when its group is on the device. */
export const durableGroup: Mechanism = {
  name: `${GROUP} writes, 1 sync`,
  about: `group commit: ${GROUP} blocks share one wait for the device`,
  copies: 1,
  copiesWhy: 'buffer to page cache; from there the device fetches it',
  cases: [{ goal: 'write/durable/sequential', size: PAGE, depth: GROUP }],
  bound: 'the group: nobody is told of success before its fdatasync',
  open({ path, size, depth }) {
    const fd = openSync(path, 'r+')
    const buffer = alignedBuffer(size).fill(0x5a)
    return { run: lap => commitGroups(lap, fd, buffer, depth), close: () => closeSync(fd) }
  },
}

function commitGroups(lap: Lap, fd: number, buffer: Uint8Array, depth: number): void {
  const stamps = new Float64Array(depth)
  const size = buffer.length
  while (!lap.over) {
    let count = 0
    for (; count < depth; count++) {
      const position = lap.next()
      if (position < 0) break
      stamps[count] = lap.begin()
      whole(writeSync(fd, buffer, 0, size, position), size)
    }
    if (count > 0) fdatasyncSync(fd)
    for (let index = 0; index < count; index++) lap.end(stamps[index] as number, size)
  }
}
