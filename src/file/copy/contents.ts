import {
  addressOf,
  errnoOf,
  FILE_IOCTL,
  fileSystemType,
  MAP,
  PAGE_SIZE,
  POSIX_FADV,
  PROT,
  resultOf,
  SEEK,
  systemError,
} from '../../kernel/index.js'
import { residency } from '../../observe/index.js'
import type { Copying } from './copying.js'
import { call, JobList } from './job-list.js'
import type { CopyMethod } from './options.js'
import { copyByRing, copyByThreads } from './relay.js'

/** An open file to be copied, and what statx(2) said of it. */
export interface Source {
  fd: number
  size: number
  /** Bytes that have extents: fewer than the size where there are holes. */
  allocated: number
  device: number
}

const STEP_BYTES = 64 * 2 ** 20
/** Mapped at once: mapping costs per call, and what is in the processor's cache is written from there. */
const MAP_BYTES = 8 * 2 ** 20
/** From here on copy_file_range(2) is the fastest, cached or not. */
const LARGE_BYTES = 8 * 2 ** 20
/** It takes longer to find out whether a smaller file is cached than it could save. */
const COLD_BYTES = 2 ** 20
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
  if (await shareExtents(copying, source, target, targetDevice)) return { method: 'reflink', bytes: size }
  // Files of /proc and the like have no size; only reading them tells.
  if (size === 0) return { method: 'ring', bytes: await copyByRing(copying, source.fd, target, 0, Infinity) }
  const method = copying.via ?? (await chooseMethod(source))
  const copyRange = RANGE[method]
  let end = 0
  for (let from = 0; from < size; ) {
    const extent = source.allocated < size ? await nextExtent(source.fd, from, size) : { from: 0, to: size }
    if (extent === undefined) break
    end = await copyRange(copying, source.fd, target, extent.from, extent.to)
    from = extent.to
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

/**
 * Of a few MiB, what is in the page cache is written from there fastest by way of a mapping. What is not, and what is
 * large, comes fastest by copy_file_range(2), which sets off the read-ahead; and what a server holds, it can copy itself.
 */
async function chooseMethod({ fd, size }: Source): Promise<'copy_file_range' | 'map'> {
  if (REMOTE.has(fileSystemType(fd))) return 'copy_file_range'
  if (size < COLD_BYTES || (size < LARGE_BYTES && isCached(fd, 0, size))) return 'map'
  await call('fadvise64', undefined, fd, 0, 0, POSIX_FADV.SEQUENTIAL)
  return 'copy_file_range'
}

/** Whether most of a range is in the page cache. */
function isCached(fd: number, from: number, to: number): boolean {
  const { cachedPages, pages } = residency(fd, from, to - from)
  return cachedPages * 2 >= pages
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

/** Copies a range. @returns where it ended: before `to` where the source does */
type CopyRange = (
  copying: Copying,
  source: number,
  target: number,
  from: number,
  to: number,
) => Promise<number>

const RANGE: Record<Exclude<CopyMethod, 'reflink' | 'buffer'>, CopyRange> = {
  copy_file_range: copyInKernel,
  map: copyByMap,
  threads: copyByThreads,
  ring: copyByRing,
}

async function copyInKernel(copying: Copying, source: number, target: number, from: number, to: number) {
  const offsets = new BigInt64Array(new ArrayBuffer(16))
  const address = addressOf(offsets)
  for (let at = from; at < to; ) {
    copying.checkAborted()
    offsets.fill(BigInt(at))
    const length = Math.min(STEP_BYTES, to - at)
    const result = await call('copy_file_range', offsets, source, address, target, address + 8, length, 0)
    // Between some file systems the kernel does not copy; bytes can be read all the same.
    if (result < 0) return copyByRing(copying, source, target, at, to)
    if (result === 0) return at
    at += result
    copying.progress(at)
  }
  return to
}

/**
 * Writes right from mapped pages of the page cache. It is the kernel that touches them, so that a file which becomes
 * shorter is an error of the call and no signal.
 */
async function copyByMap(copying: Copying, source: number, target: number, from: number, to: number) {
  const jobs = new JobList()
  const flags = MAP.SHARED | MAP.POPULATE
  for (let at = from; at < to; ) {
    copying.checkAborted()
    const end = Math.min(to, at + STEP_BYTES)
    const pieces: { write: number; length: number }[] = []
    jobs.clear()
    for (let piece = at; piece < end; ) {
      const lead = piece % PAGE_SIZE
      const length = Math.min(end - piece, MAP_BYTES - lead)
      const map = jobs.add('mmap', 0, lead + length, PROT.READ, flags, source, piece - lead)
      // With a lead the address is not the result itself: only such a piece goes another way.
      const write = lead > 0 ? -1 : jobs.add('pwrite64', target, resultOf(map), length, piece)
      jobs.add('munmap', resultOf(map), lead + length)
      pieces.push({ write, length })
      piece += length
    }
    await jobs.run()
    for (const { write, length } of pieces) {
      const written = write < 0 ? 0 : jobs.result(write)
      if (written !== length) {
        // Too little room, a source that is shorter now or cannot be mapped: a read and a write tell which.
        const done = at + Math.max(written, 0)
        const stop = await copyByRing(copying, source, target, done, at + length)
        if (stop < at + length) return stop
      }
      at += length
    }
    copying.progress(at)
  }
  return to
}
