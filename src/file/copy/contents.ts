import {
  addressOf,
  errnoOf,
  FILE_IOCTL,
  fileSystemType,
  POSIX_FADV,
  SEEK,
  systemError,
} from '../../kernel/index.js'
import type { Copying } from './copying.js'
import { call } from './job-list.js'
import { copyByMap } from './mapped-copy.js'
import type { CopyMethod } from './options.js'
import { copyByRing, copyStream } from './relay.js'

/** An open file to be copied, and what statx(2) said of it. */
export interface Source {
  fd: number
  size: number
  /** Bytes that have extents: fewer than the size where there are holes. */
  allocated: number
  device: number
  /** It has no size, and maybe no positions: it is read from where it is, until it ends. */
  isStream: boolean
}

const STEP_BYTES = 64 * 2 ** 20
/** File systems whose server copies, or that know better than the page cache. */
const REMOTE: ReadonlySet<number> = new Set([
  0x6969 /* NFS */, 0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */, 0x65735546 /* FUSE */, 0xc36400 /* Ceph */,
])
/** For this pair of files, or file systems, extents cannot be shared. */
const NO_REFLINK: ReadonlySet<number> = new Set(
  ['EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOTTY', 'EPERM'].map(errno),
)
const ENXIO = errno('ENXIO')

function errno(name: string): number {
  return -errnoOf(name)
}

/**
 * Copies what a file holds to an empty one. Holes stay holes.
 *
 * @param target a descriptor to write to
 * @returns the method, and bytes of the copy: what there was, where the source has become shorter meanwhile
 * @throws the system error, `AbortError`
 */
export async function copyContents(
  copying: Copying,
  source: Source,
  target: number,
  targetDevice: number,
): Promise<{ method: CopyMethod; bytes: number }> {
  const { size } = source
  if (source.isStream && copying.reflink !== 'always') {
    return { method: 'ring', bytes: await copyStream(copying, source.fd, target) }
  }
  if (await shareExtents(copying, source, target, targetDevice)) return { method: 'reflink', bytes: size }
  // Files of /proc and the like have no size; only reading them tells.
  if (size === 0) return { method: 'ring', bytes: await copyByRing(copying, source.fd, target, 0, Infinity) }
  let method: Method = copying.via ?? (REMOTE.has(fileSystemType(source.fd)) ? 'copy_file_range' : 'map')
  let end = 0
  for (let from = 0; from < size; ) {
    const extent = source.allocated < size ? await nextExtent(source.fd, from, size) : { from: 0, to: size }
    if (extent === undefined) break
    end = await RANGE[method](copying, source.fd, target, extent.from, extent.to)
    from = extent.to
    if (end < from) {
      // Too little room, a source that ends here now, a call that these files do not have: a read and a write tell which.
      const begin = end
      end = await copyByRing(copying, source.fd, target, begin, from)
      if (end > begin) method = 'ring'
    }
    if (end === from) continue
    // The source is shorter now. What was copied of it further on, before it was, belongs to nothing.
    await check('ftruncate', await call('ftruncate', undefined, target, end))
    return { method, bytes: end }
  }
  if (end < size) await check('ftruncate', await call('ftruncate', undefined, target, size))
  return { method, bytes: size }
}

async function shareExtents(
  copying: Copying,
  source: Source,
  target: number,
  device: number,
): Promise<boolean> {
  if (copying.canReflink(source.device, device) === false) return false
  if (source.size === 0 && copying.reflink !== 'always') return false
  const result = await call('ioctl', undefined, target, FILE_IOCTL.FICLONE, source.fd)
  if (result >= 0) copying.learnReflink(source.device, device, true)
  else if (!NO_REFLINK.has(result) || copying.reflink === 'always') throw systemError(result, 'ioctl')
  else if (copying.canReflink(source.device, device) === undefined) {
    copying.learnReflink(source.device, device, false)
  }
  return result >= 0
}

/** The first piece of a file from a position on that is no hole. @returns undefined where only a hole follows */
async function nextExtent(fd: number, from: number, size: number) {
  const data = await call('lseek', undefined, fd, from, SEEK.DATA)
  if (data === ENXIO || data >= size) return undefined
  if (data < 0) return { from, to: size } // Nobody can tell: all of it is data.
  const hole = await call('lseek', undefined, fd, data, SEEK.HOLE)
  return { from: data, to: hole < 0 ? size : Math.min(hole, size) }
}

function check(name: string, result: number): number {
  if (result < 0) throw systemError(result, name)
  return result
}

type Method = Exclude<CopyMethod, 'reflink' | 'buffer'>

/** Copies a range. @returns where it ended: before `to` where the source does, or the method does not work */
type CopyRange = (
  copying: Copying,
  source: number,
  target: number,
  from: number,
  to: number,
) => Promise<number>

const RANGE: Record<Method, CopyRange> = {
  copy_file_range: copyInKernel,
  map: copyByMap,
  ring: copyByRing,
}

async function copyInKernel(copying: Copying, source: number, target: number, from: number, to: number) {
  const offsets = new BigInt64Array(new ArrayBuffer(16))
  const address = addressOf(offsets)
  await call('fadvise64', undefined, source, 0, 0, POSIX_FADV.SEQUENTIAL)
  for (let at = from; at < to; ) {
    copying.checkAborted()
    offsets.fill(BigInt(at))
    const length = Math.min(STEP_BYTES, to - at)
    const result = await call('copy_file_range', offsets, source, address, target, address + 8, length, 0)
    // Where the source ends, or what the kernel does not copy between these file systems.
    if (result <= 0) return at
    at += result
    copying.progress(at)
  }
  return to
}
