import { readSync, writeSync } from 'node:fs'
import { alignedBuffer } from '../../memory/index.js'
import { COPY_CASES, copyHalves } from '../copy-halves.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'

/** read(2) and write(2): every byte comes to the program and goes back. */
export const copyReadWrite: Mechanism = {
  name: 'read, write',
  node: true,
  about: 'every byte is fetched into the program and handed back: two system calls for each piece',
  copies: 2,
  copiesWhy: 'page cache to buffer, and buffer to page cache',
  cases: COPY_CASES,
  open: setting =>
    copyHalves(setting, (source, target, size) => {
      const buffer = alignedBuffer(size)
      return {
        copy(from, to, length) {
          whole(readSync(source, buffer, 0, length, from), length)
          return whole(writeSync(target, buffer, 0, length, to), length)
        },
      }
    }),
}
