import {
  cachestat,
  checkInteger,
  MAP,
  mapMemory,
  PAGE_SIZE,
  PROT,
  syscall,
  unmapMemory,
} from '../kernel/index.js'
import type { Method } from './method.js'

/** How much of a range the page cache holds. */
export interface Residency {
  /** Whole pages that are cached. */
  cachedPages: number
  /** Pages that the range touches. */
  pages: number
  /** Pages that wait to be written to the device; undefined where only mincore(2) can be asked. */
  dirtyPages: number | undefined
  method: Method
}

/** Bytes that mincore(2) is asked of at once. */
const MINCORE_BYTES = 2 ** 28

function mincorePages(fd: number, offset: number, length: number): number {
  let cached = 0
  for (let done = 0; done < length; done += MINCORE_BYTES) {
    const bytes = Math.min(MINCORE_BYTES, length - done)
    const memory = mapMemory(bytes, PROT.READ, MAP.SHARED, fd, offset + done)
    const pages = new Uint8Array(new ArrayBuffer(Math.ceil(bytes / PAGE_SIZE)))
    const result = syscall('mincore', memory.address, bytes, pages)
    unmapMemory(memory)
    if (result === 0) for (const page of pages) cached += page & 1
  }
  return cached
}

/**
 * How much of a file's range is in the page cache. Looking fetches nothing.
 *
 * cachestat(2) answers from Linux 6.5 on for files that are the caller's or writable to them. Before and elsewhere it is
 * mincore(2), which for a file of somebody else's takes every page for cached.
 *
 * @param offset a multiple of the page size
 * @param length bytes, more than 0
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; the system error of mmap(2) where neither can be asked
 */
export function residency(fd: number, offset: number, length: number): Residency {
  checkInteger(fd, 'fd', 0, 2 ** 31 - 1)
  checkInteger(offset, 'offset', 0)
  checkInteger(length, 'length', 1)
  const pages = Math.ceil(length / PAGE_SIZE)
  const stat = cachestat(fd, offset, length)
  if (typeof stat !== 'number') {
    return { cachedPages: Math.min(stat.cached, pages), pages, dirtyPages: stat.dirty, method: 'cachestat' }
  }
  return { cachedPages: mincorePages(fd, offset, length), pages, dirtyPages: undefined, method: 'mincore' }
}
