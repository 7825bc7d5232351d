import { constants, openSync, statfsSync } from 'node:fs'
import { AT, SluiceError, STATX, StatxView, syscall } from '../kernel/index.js'

const TMPFS = 0x01021994
const RAMFS = 0x858458f6
/** Good for every device of today where the kernel cannot say (before Linux 6.1). */
const USUAL_ALIGNMENT = 4096

function refuse(reason: string, cause?: unknown): never {
  throw new SluiceError('ERR_SLUICE_UNSUPPORTED', reason, { cause })
}

function offsetAlignment(fd: number): number {
  const stat = new StatxView()
  const empty = new Uint8Array(new ArrayBuffer(8))
  const result = syscall('statx', fd, empty, AT.EMPTY_PATH, STATX.DIOALIGN, stat.buffer)
  if (result < 0 || (stat.mask & STATX.DIOALIGN) === 0) return USUAL_ALIGNMENT
  return stat.directOffsetAlign
}

/**
 * Opens a file past the page cache.
 *
 * @param flags of open(2), without O_DIRECT
 * @param size bytes that operations will move; their positions are multiples of it
 * @throws `ERR_SLUICE_UNSUPPORTED` with the reason where the file system has no Direct I/O, or not of that size
 */
export function openDirect(path: string, flags: number, size: number): number {
  const { type } = statfsSync(path)
  // It takes O_DIRECT from Linux 6.6 on, to please programs, and copies all the same.
  if (type === TMPFS || type === RAMFS)
    refuse('a file system in memory has no device that could be read directly')
  let fd: number
  try {
    fd = openSync(path, flags | constants.O_DIRECT)
  } catch (error) {
    refuse(`the file system refuses O_DIRECT (${(error as NodeJS.ErrnoException).code})`, error)
  }
  const alignment = offsetAlignment(fd)
  if (alignment === 0 || size % alignment !== 0) {
    syscall('close', fd)
    refuse(
      alignment === 0
        ? 'this file has no Direct I/O'
        : `Direct I/O here moves multiples of ${alignment} bytes`,
    )
  }
  return fd
}
