import { SEEK, syscall, systemError } from '../../kernel/index.js'
import { COPY_CASES, copyHalves } from '../copy-halves.js'
import type { Mechanism } from '../mechanism.js'
import { whole } from '../short-transfer.js'

/** sendfile(2) from file to file: a pipe inside the kernel. */
export const copySendfile: Mechanism = {
  name: 'sendfile',
  about: 'the kernel passes pages through a pipe of its own, and copies them at its end',
  copies: 1,
  copiesWhy: 'page cache to page cache; a reference to the source’s page goes through the pipe',
  cases: COPY_CASES,
  open: setting =>
    copyHalves(setting, (source, target) => {
      const offset = new BigInt64Array(new ArrayBuffer(8))
      return {
        copy(from, to, length) {
          offset[0] = BigInt(from)
          const sought = syscall('lseek', target, to, SEEK.SET)
          if (sought < 0) throw systemError(sought, 'lseek')
          const copied = syscall('sendfile', target, source, offset, length)
          if (copied < 0) throw systemError(copied, 'sendfile')
          return whole(copied, length)
        },
      }
    }),
}
