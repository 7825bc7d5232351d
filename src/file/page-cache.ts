import { offload } from '../engine/index.js'
import {
  AbortError,
  AT,
  type CacheStat,
  CacheStatCall,
  cachestat,
  checkInteger,
  checkObject,
  MADV,
  PAGE_SIZE,
  POSIX_FADV,
  STATX,
  StatxView,
  syscall,
  systemError,
} from '../kernel/index.js'
import { type FileLike, Mapping, pin, regionOf, unpin } from '../memory/index.js'
import { type Method, residency } from '../observe/index.js'
import { checkSignal } from './arguments.js'
import { descriptorOf, duplicateDescriptor } from './descriptor.js'
import { FileHandle } from './file-handle.js'

const EMPTY_PATH = new Uint8Array(new ArrayBuffer(1))

/** A part of a file, in bytes. */
export interface FileRange {
  /** 0 by default. */
  offset?: number
  /** To the end of the file by default. */
  length?: number
}

/** What the page cache holds of a range. Everything is in pages of `pageSize` bytes. */
export interface PageCacheStat {
  /** Pages that the range touches. */
  pages: number
  cached: number
  /** Changed and not written to the device yet; undefined where only mincore(2) can be asked, as all that follow. */
  dirty: number | undefined
  /** On their way to the device. */
  writeback: number | undefined
  /** Were cached once and have been evicted. */
  evicted: number | undefined
  /** Of those, the ones whose return would mean that memory is short. */
  recentlyEvicted: number | undefined
  pageSize: number
  /** `mincore` takes every page for cached of a file that is neither yours nor writable to you. */
  method: Method
}

/** Pages that are held in memory until it is unlocked, or collected. */
export interface PageCacheLock {
  /** Bytes held. */
  readonly bytes: number
  /** Lets them be evicted again. Idempotent. */
  unlock(): void
  [Symbol.dispose](): void
}

/** Bytes whose pages are counted on this thread; the kernel walks an index of them, so more are counted on another. */
const INLINE_BYTES = 2 ** 30
/** Bytes that one call reads in. */
const LOAD_BYTES = 64 * 2 ** 20

/** A descriptor that stays open, whoever closes the file meanwhile. */
interface Held extends Disposable {
  readonly fd: number
}

/** A handle may be closed at any moment, and its number be another file's at the next; a number is its owner's to keep. */
function hold(file: FileLike): Held {
  const fd = descriptorOf(file)
  if (file instanceof FileHandle) return { fd, [Symbol.dispose]: file.hold() }
  if (typeof file === 'number') return { fd, [Symbol.dispose]() {} }
  const own = duplicateDescriptor(file)
  return { fd: own, [Symbol.dispose]: () => syscall('close', own) }
}

/** A range cut to the file: whole pages, and how many bytes of them were asked for. */
function resolve(fd: number, range: FileRange): { start: number; length: number; pages: number } {
  checkObject(range, 'range')
  const size = fileSize(fd)
  const { offset = 0 } = range
  checkInteger(offset, 'range.offset', 0)
  const { length = Math.max(0, size - offset) } = range
  checkInteger(length, 'range.length', 0)
  const start = offset - (offset % PAGE_SIZE)
  const end = Math.min(offset + length, size)
  const bytes = length === 0 || end <= start ? 0 : end - start
  return { start, length: bytes, pages: Math.ceil(bytes / PAGE_SIZE) }
}

function fileSize(fd: number): number {
  const view = new StatxView()
  const result = syscall('statx', fd, EMPTY_PATH, AT.EMPTY_PATH, STATX.BASIC_STATS, view.buffer)
  if (result < 0) throw systemError(result, 'fstat')
  return view.size
}

async function count(fd: number, start: number, length: number): Promise<CacheStat | number> {
  if (length <= INLINE_BYTES) return cachestat(fd, start, length)
  const call = new CacheStatCall(start, length)
  try {
    await offload('cachestat', [fd, call.range, call.answer, 0])
    return call.result
  } catch (error) {
    return (error as NodeJS.ErrnoException).errno ?? 0
  }
}

/**
 * What the page cache holds of a file's range. Looking fetches nothing.
 *
 * @returns rejects with the system error where it cannot be told: of fstat(2), or of mmap(2) before Linux 6.5
 * @see cachestat(2), mincore(2)
 */
async function stat(file: FileLike, range: FileRange = {}): Promise<PageCacheStat> {
  using held = hold(file)
  return await statOf(held.fd, range)
}

async function statOf(fd: number, range: FileRange): Promise<PageCacheStat> {
  const { start, length, pages } = resolve(fd, range)
  const unknown = {
    pages,
    cached: 0,
    dirty: undefined,
    writeback: undefined,
    evicted: undefined,
    recentlyEvicted: undefined,
    pageSize: PAGE_SIZE,
    method: 'cachestat',
  } as const
  if (pages === 0) return unknown
  const answer = await count(fd, start, length)
  // A large folio at the end may hold more pages than the range.
  if (typeof answer !== 'number') return { ...unknown, ...answer, cached: Math.min(answer.cached, pages) }
  const { cachedPages, method } = residency(fd, start, length)
  return { ...unknown, cached: cachedPages, method }
}

/**
 * Reads a range into the page cache, off the event loop and without copying it anywhere.
 *
 * @returns rejects with the system error: `EFAULT` where the file was truncated or cannot be read, `EINVAL` before
 *   Linux 5.14; with `AbortError` between two pieces of 64 MiB
 * @see madvise(2), MADV_POPULATE_READ
 */
async function load(file: FileLike, range: FileRange & { signal?: AbortSignal } = {}): Promise<void> {
  using held = hold(file)
  await loadOf(held.fd, range)
}

async function loadOf(fd: number, range: FileRange & { signal?: AbortSignal }): Promise<void> {
  const { start, length } = resolve(fd, range)
  checkSignal(range.signal, 'range.signal')
  for (let done = 0; done < length; done += LOAD_BYTES) {
    if (range.signal?.aborted) throw new AbortError(range.signal)
    const bytes = Math.min(LOAD_BYTES, length - done)
    using mapping = new Mapping({ file: fd, offset: start + done, length: bytes, shared: true })
    const region = regionOf(mapping.bytes.buffer)
    pin(region)
    try {
      await offload('madvise', [mapping.address, bytes, MADV.POPULATE_READ])
    } finally {
      unpin(region)
    }
  }
}

/**
 * Gives up the pages of a range. Changed ones are written back first, unless `sync` is false: then they stay.
 *
 * @returns pages that are cached still: somebody maps or locks them, or they are being written; rejects with the system
 *   error of fdatasync(2): `EIO` where the device failed
 * @see posix_fadvise(2)
 */
async function evict(file: FileLike, range: FileRange & { sync?: boolean } = {}): Promise<number> {
  using held = hold(file)
  const { fd } = held
  const { start, length } = resolve(fd, range)
  if (length === 0) return 0
  if (range.sync !== false) await offload('fdatasync', [fd])
  // Only whole pages are given up, so the last one must be asked for to its end.
  await offload('fadvise64', [fd, start, Math.ceil(length / PAGE_SIZE) * PAGE_SIZE, POSIX_FADV.DONTNEED])
  return (await statOf(fd, range)).cached
}

/**
 * Reads a range in and keeps it in memory. Charged to RLIMIT_MEMLOCK without CAP_IPC_LOCK.
 *
 * @returns rejects as `load()` does, and with the system error of mlock(2): `ENOMEM` beyond the limit
 */
async function lock(file: FileLike, range: FileRange = {}): Promise<PageCacheLock> {
  using held = hold(file)
  const { fd } = held
  const { start, length } = resolve(fd, range)
  if (length === 0) return { bytes: 0, unlock() {}, [Symbol.dispose]() {} }
  await loadOf(fd, range)
  const mapping = new Mapping({ file: fd, offset: start, length, shared: true, lock: true })
  const unlock = () => mapping.unmap()
  return { bytes: length, unlock, [Symbol.dispose]: unlock }
}

/**
 * The kernel's page cache, seen and steered by file. A file is a handle of ours or Node's, or a descriptor; ranges are
 * widened to whole pages and cut to the file.
 *
 * ```ts
 * const { cached, pages } = await pageCache.stat(file)
 * await pageCache.load(file, { offset: 0, length: 1 << 20 })
 * ```
 */
export const pageCache = { stat, load, evict, lock } as const
