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

/** The memory of one cachestat(2): for whoever makes the call on another thread. */
export class CacheStatCall {
  /** The call's second argument. */
  readonly range = new BigUint64Array(new ArrayBuffer(16))
  /** The call's third argument. */
  readonly answer = new BigUint64Array(new ArrayBuffer(CACHESTAT.WORDS * 8))

  /** @param length bytes; 0 for the rest of the file */
  constructor(offset: number, length: number) {
    this.range[0] = BigInt(offset)
    this.range[1] = BigInt(length)
  }

  /** What the kernel answered. */
  get result(): CacheStat {
    const field = (index: number) => Number(this.answer[index])
    return {
      cached: field(CACHESTAT.CACHE),
      dirty: field(CACHESTAT.DIRTY),
      writeback: field(CACHESTAT.WRITEBACK),
      evicted: field(CACHESTAT.EVICTED),
      recentlyEvicted: field(CACHESTAT.RECENTLY_EVICTED),
    }
  }
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
  const call = new CacheStatCall(offset, length)
  const result = syscall('cachestat', fd, call.range, call.answer, 0)
  return result < 0 ? result : call.result
}
