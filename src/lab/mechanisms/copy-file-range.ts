import { syscall, systemError } from '../../kernel/index.js'
import { COPY_CASES, copyHalves } from '../copy-halves.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'

/** copy_file_range(2): the kernel copies, or lets the file system share blocks. */
export const copyFileRange: Mechanism = {
  name: 'copy_file_range',
  about:
    'the kernel copies from page to page; a file system that can shares the blocks instead and copies nothing',
  copies: 1,
  copiesWhy: 'page cache to page cache; none where the file system shares blocks (XFS, Btrfs)',
  cases: COPY_CASES,
  open: setting =>
    copyHalves(setting, (source, target) => {
      const offsets = new BigInt64Array(new ArrayBuffer(16))
      const places = [offsets.subarray(0, 1), offsets.subarray(1, 2)] as const
      return {
        copy(from, to, length) {
          offsets[0] = BigInt(from)
          offsets[1] = BigInt(to)
          const copied = syscall('copy_file_range', source, places[0], target, places[1], length, 0)
          if (copied < 0) throw systemError(copied, 'copy_file_range')
          return whole(copied, length)
        },
      }
    }),
}
