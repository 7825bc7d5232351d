import { closeSync, openSync } from 'node:fs'
import { alignedBuffer, Mapping } from '../../memory/index.js'
import { inTurn } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { KIB, PAGE } from '../sizes.js'

/** Stores to a shared mapping. */
export const mappedWrite: Mechanism = {
  name: 'mmap, store',
  about:
    'blocks are stored into a shared mapping of the file; each page’s first store is a fault that marks it dirty',
  copies: 0,
  copiesWhy: 'the mapping is the page cache; copying into it is the program’s own doing, not the kernel’s',
  cases: [
    { goal: 'write/cached/sequential', size: 64 * KIB },
    { goal: 'write/cached/random', size: PAGE },
  ],
  open({ path, window, size }) {
    const fd = openSync(path, 'r+')
    const mapping = new Mapping({ file: fd, length: window, access: 'write' })
    const buffer = alignedBuffer(size).fill(0x5a)
    return {
      run: lap =>
        inTurn(lap, position => {
          mapping.bytes.set(buffer, position)
          return size
        }),
      close() {
        mapping.unmap()
        closeSync(fd)
      },
    }
  },
}
