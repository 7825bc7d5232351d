import { closeSync, openSync } from 'node:fs'
import { syscall, systemError } from '../../kernel/index.js'
import { Mapping } from '../../memory/index.js'
import { COPY_CASES, type CopyPiece, copyHalves } from '../copy-halves.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'

/** write(2) from a mapping: the program hands over pages of the page cache without touching them. */
export const copyMapped: Mechanism = {
  name: 'write from mmap',
  about:
    'the source mapped anew for each pass, a piece paged in by one madvise and written from there by one pwrite: nothing passes through the program',
  copies: 1,
  copiesWhy: 'page cache to page cache, by way of the mapping',
  cases: COPY_CASES,
  open(setting) {
    const fd = openSync(setting.path, 'r')
    let mapping: Mapping | undefined
    const copyFrom = (target: number): CopyPiece => {
      return (from, to, length) => {
        if (from === 0 || mapping === undefined) {
          mapping?.unmap()
          mapping = new Mapping({ file: fd, length: setting.window, access: 'read', shared: true })
        }
        mapping.advise('populate-read', from, length)
        const written = syscall('pwrite64', target, mapping.bytes.subarray(from, from + length), length, to)
        if (written < 0) throw systemError(written, 'pwrite')
        return whole(written, length)
      }
    }
    return copyHalves(setting, (_, target) => ({
      copy: copyFrom(target),
      close() {
        mapping?.unmap()
        closeSync(fd)
      },
    }))
  },
}
