import { errnoOf, FILE_IOCTL, SluiceError, syscall, systemError } from '../../kernel/index.js'
import { COPY_CASES, copyHalves } from '../copy-halves.js'
import type { Mechanism } from '../mechanism.js'

const UNSUPPORTED: ReadonlySet<number> = new Set(
  ['EOPNOTSUPP', 'ENOTTY', 'EINVAL', 'EPERM'].map(code => -errnoOf(code)),
)

/** A reflink: both places share the blocks until one is written to. */
export const copyReflink: Mechanism = {
  name: 'reflink',
  about: 'FICLONERANGE: the file system has both places share their blocks; only some file systems can',
  copies: 0,
  copiesWhy: 'none: what is written is which blocks a file has',
  cases: COPY_CASES,
  open: setting =>
    copyHalves(setting, (source, target) => {
      const range = new BigInt64Array(new ArrayBuffer(32))
      range[0] = BigInt(source)
      const copy = (from: number, to: number, length: number) => {
        range[1] = BigInt(from)
        range[2] = BigInt(length)
        range[3] = BigInt(to)
        const result = syscall('ioctl', target, FILE_IOCTL.FICLONERANGE, range)
        if (UNSUPPORTED.has(result)) {
          throw new SluiceError(
            'ERR_SLUICE_UNSUPPORTED',
            'this file system does not share blocks between files',
          )
        }
        if (result < 0) throw systemError(result, 'ioctl')
        return length
      }
      return { copy }
    }),
}
