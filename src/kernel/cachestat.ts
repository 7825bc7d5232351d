import { syscall } from './syscall.js'

/** `struct cachestat` in 64-bit words. */
const CACHESTAT = { CACHE: 0, DIRTY: 1, WRITEBACK: 2, EVICTED: 3, RECENTLY_EVICTED: 4, WORDS: 5 } as const

/** Pages of a file's range that the page cache holds. */
export interface CacheStat {
  cached: number
  dirty: number
  writeback: number
  evicted: number
  recentlyEvicted: number
}

/**
 * What the page cache holds of a file's range, in pages.
 *
 * @param length bytes; 0 for the rest of the file
 * @returns -errno where it cannot be told: `ENOSYS` before Linux 6.5, `EPERM` for a file that is neither the caller's
 *   nor writable to them
 * @see cachestat(2)
 */
export function cachestat(fd: number, offset: number, length: number): CacheStat | number {
  const range = new BigUint64Array(new ArrayBuffer(16))
  range[0] = BigInt(offset)
  range[1] = BigInt(length)
  const answer = new BigUint64Array(new ArrayBuffer(CACHESTAT.WORDS * 8))
  const result = syscall('cachestat', fd, range, answer, 0)
  if (result < 0) return result
  const field = (index: number) => Number(answer[index])
  return {
    cached: field(CACHESTAT.CACHE),
    dirty: field(CACHESTAT.DIRTY),
    writeback: field(CACHESTAT.WRITEBACK),
    evicted: field(CACHESTAT.EVICTED),
    recentlyEvicted: field(CACHESTAT.RECENTLY_EVICTED),
  }
}
