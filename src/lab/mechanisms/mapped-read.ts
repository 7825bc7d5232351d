import { closeSync, openSync } from 'node:fs'
import { alignedBuffer, Mapping } from '../../memory/index.js'
import type { Lap } from '../lap.js'
import type { Mechanism, Setting } from '../mechanism.js'
import { KIB, PAGE } from '../sizes.js'

/** Maps the file, copies every block out of it once, and unmaps it. */
function readThrough(fd: number, { window, size, random }: Setting, lap: Lap, buffer: Uint8Array): void {
  const mapping = new Mapping({ file: fd, length: window, access: 'read', shared: true })
  mapping.advise(random ? 'random' : 'sequential')
  const { bytes } = mapping
  const blocks = Math.floor(window / size)
  for (let block = 0; block < blocks; block++) {
    const position = lap.next()
    if (position < 0) break
    const stamp = lap.begin()
    buffer.set(bytes.subarray(position, position + size))
    lap.end(stamp, size)
  }
  mapping.unmap()
}

/** mmap(2): page faults instead of system calls. */
export const mappedRead: Mechanism = {
  name: 'mmap',
  about: 'the file mapped anew for each pass over it; a block is copied out of it, which faults its pages in',
  copies: 0,
  copiesWhy: 'the mapping is the page cache; copying out is the program’s own doing, not the kernel’s',
  cases: [
    { goal: 'read/cached/sequential', size: 64 * KIB },
    { goal: 'read/cached/random', size: PAGE },
    { goal: 'read/uncached/sequential', size: 64 * KIB },
    { goal: 'read/uncached/random', size: PAGE },
  ],
  open(setting) {
    const fd = openSync(setting.path, 'r')
    const buffer = alignedBuffer(setting.size)
    return {
      run(lap) {
        do readThrough(fd, setting, lap, buffer)
        while (lap.wraps)
      },
      close: () => closeSync(fd),
    }
  },
}
