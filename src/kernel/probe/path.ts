import { closeSync, openSync, statfsSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { cachestat } from '../cachestat.js'
import { errnoName } from '../errors.js'
import { AT, O, RWF } from '../fcntl.js'
import { FILE_IOCTL } from '../ioctl.js'
import { iovecs } from '../iovec.js'
import { MAP, mapMemory, PAGE_SIZE, PROT, unmapMemory } from '../mmap.js'
import { STATX, STATX_ATTR, StatxView } from '../statx.js'
import { syscall } from '../syscall.js'
import { probeDirect } from './direct.js'
import { type DeviceFacts, findDevice, findMount, type MountFacts } from './mount.js'

/** What the file system of a path offers. What needs a file to be tried on is null where none could be made. */
export interface PathFacts {
  /** Absolute. */
  path: string
  kind: 'file' | 'directory' | 'other'
  /** A file can be made beside it. */
  writable: boolean
  mount: MountFacts | null
  device: DeviceFacts | null
  blockSize: number
  totalBytes: number
  /** That an ordinary user may fill. */
  freeBytes: number
  /** O_DIRECT: past the page cache. */
  direct: {
    supported: boolean | null
    /** Bytes that an address must be a multiple of. */
    memoryAlign: number | null
    /** Bytes that an offset and a length must be multiples of. */
    offsetAlign: number | null
    /** Whether the kernel told it (6.1) or reads were tried. */
    method: 'statx' | 'tried' | null
  }
  /** Files are mapped as the device's own memory. */
  dax: {
    active: boolean | null
    /** A mapping with MAP_SYNC: `ok`, or the error that it meets. */
    mapSync: string | null
  }
  /** Copies that share their extents (FICLONE): `ok`, or the error that it meets. */
  reflink: string | null
  /** Writes that are never torn (RWF_ATOMIC): smallest and largest in bytes, 0 where there are none. */
  atomicWrite: { min: number; max: number } | null
  /** Reads that do not wait (RWF_NOWAIT): `ok`, or the error that it meets. */
  nowait: string | null
  /** Reads that leave no trace in the page cache (RWF_DONTCACHE, kernel 6.14): `ok`, or the error that it meets. */
  uncached: string | null
  /** What the page cache holds of a file, in one call (kernel 6.5): `ok`, or the error that it meets. */
  cachestat: string | null
}

const SAMPLE = PAGE_SIZE * 32

function way(result: number): string {
  return result >= 0 ? 'ok' : errnoName(result)
}

/** A file without a name, gone when it is closed; undefined where none can be made. */
function temporaryFile(folder: string): number | undefined {
  const mode = 0o600
  try {
    return openSync(folder, O.TMPFILE | O.RDWR | O.CLOEXEC, mode)
  } catch {
    // Not every file system has files without a name.
  }
  const name = join(folder, `.sluice-probe-${process.pid}-${process.hrtime.bigint()}`)
  try {
    const fd = openSync(name, 'wx+', mode)
    unlinkSync(name)
    return fd
  } catch {
    return undefined
  }
}

function sample(folder: string): number | undefined {
  const fd = temporaryFile(folder)
  if (fd === undefined) return undefined
  try {
    for (let at = 0; at < SAMPLE; ) at += writeSync(fd, new Uint8Array(SAMPLE - at), 0, SAMPLE - at, at)
    return fd
  } catch {
    // Full, or over quota: then nothing can be tried here.
    closeSync(fd)
    return undefined
  }
}

function reflink(from: number, folder: string): string | null {
  const to = temporaryFile(folder)
  if (to === undefined) return null
  const result = syscall('ioctl', to, FILE_IOCTL.FICLONE, from)
  closeSync(to)
  return way(result)
}

function mapSync(fd: number): string {
  try {
    const flags = MAP.SHARED_VALIDATE | MAP.SYNC
    unmapMemory(mapMemory(PAGE_SIZE, PROT.READ | PROT.WRITE, flags, fd))
    return 'ok'
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EIO'
  }
}

function readWith(fd: number, flags: number): string {
  return way(syscall('preadv2', fd, iovecs([new Uint8Array(new ArrayBuffer(512))]), 1, 0, 0, flags))
}

function statx(fd: number): StatxView | undefined {
  const stat = new StatxView()
  const mask = STATX.BASIC_STATS | STATX.DIOALIGN | STATX.WRITE_ATOMIC
  const result = syscall('statx', fd, new Uint8Array(new ArrayBuffer(8)), AT.EMPTY_PATH, mask, stat.buffer)
  return result < 0 ? undefined : stat
}

/** What can be learnt from a file of ours in the folder. */
function examine(fd: number, folder: string, least: number) {
  const stat = statx(fd)
  const cached = cachestat(fd, 0, 0)
  return {
    direct: probeDirect(fd, stat, least),
    dax: {
      active: stat === undefined ? null : (stat.attributes & STATX_ATTR.DAX) !== 0,
      mapSync: mapSync(fd),
    },
    reflink: reflink(fd, folder),
    atomicWrite: stat === undefined ? null : { min: stat.atomicWriteMin, max: stat.atomicWriteMax },
    nowait: readWith(fd, RWF.NOWAIT),
    uncached: readWith(fd, RWF.DONTCACHE),
    cachestat: typeof cached === 'number' ? way(cached) : 'ok',
  }
}

/** Opens what can be opened without waiting or side effects: no device, no pipe. */
function openQuietly(path: string, kind: PathFacts['kind']): number | undefined {
  if (kind === 'other') return undefined
  try {
    return openSync(path, 'r')
  } catch {
    // Not ours to read: what is left is what the mount says.
    return undefined
  }
}

/** What is there but beside which no file can be made tells less: nothing is written to it. */
function examineReadOnly(path: string, kind: PathFacts['kind'], least: number) {
  const fd = openQuietly(path, kind)
  const stat = fd === undefined ? undefined : statx(fd)
  const file = kind === 'file' ? fd : undefined
  const cached = file === undefined ? undefined : cachestat(file, 0, 0)
  const facts = {
    direct: file === undefined ? UNKNOWN_DIRECT : probeDirect(file, stat, least),
    dax: { active: stat === undefined ? null : (stat.attributes & STATX_ATTR.DAX) !== 0, mapSync: null },
    reflink: null,
    atomicWrite:
      file === undefined || stat === undefined
        ? null
        : { min: stat.atomicWriteMin, max: stat.atomicWriteMax },
    nowait: file === undefined ? null : readWith(file, RWF.NOWAIT),
    uncached: file === undefined ? null : readWith(file, RWF.DONTCACHE),
    cachestat: cached === undefined ? null : typeof cached === 'number' ? way(cached) : 'ok',
  }
  if (fd !== undefined) closeSync(fd)
  return facts
}

const UNKNOWN_DIRECT = { supported: null, memoryAlign: null, offsetAlign: null, method: null } as const

/** File systems whose Direct I/O asks for no more than the device does. */
const BY_DEVICE = new Set(['ext2', 'ext3', 'ext4', 'xfs', 'f2fs'])

/** Where to begin trying; the block of a network's file system can be as large as a request. */
function leastAlignment(type: string | undefined, device: DeviceFacts | null, blockSize: number): number {
  const careful = Math.min(blockSize, PAGE_SIZE)
  return type !== undefined && BY_DEVICE.has(type) ? (device?.logicalBlockSize ?? careful) : careful
}

/**
 * What the file system that holds a path offers, tried on files without a name in its folder, which are gone
 * afterwards.
 *
 * @throws the system error where the path cannot be looked at
 */
export function probePath(path: string): PathFacts {
  const absolute = resolve(path)
  const stat = statSync(absolute)
  const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other'
  const folder = kind === 'directory' ? absolute : dirname(absolute)
  const found = findMount(absolute)
  const space = statfsSync(absolute)
  // A file that is mounted by itself lies on another file system than its folder.
  const beside = statSync(folder).dev === stat.dev ? folder : undefined
  const fd = beside === undefined ? undefined : sample(beside)
  try {
    const device = found === undefined ? null : findDevice(found)
    const least = leastAlignment(found?.mount.type, device, space.bsize)
    const facts = fd === undefined ? examineReadOnly(absolute, kind, least) : examine(fd, folder, least)
    return {
      path: absolute,
      kind,
      writable: fd !== undefined,
      mount: found?.mount ?? null,
      device,
      blockSize: space.bsize,
      totalBytes: space.blocks * space.bsize,
      freeBytes: space.bavail * space.bsize,
      ...facts,
    }
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
