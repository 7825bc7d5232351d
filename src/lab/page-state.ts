import { readSync } from 'node:fs'
import { POSIX_FADV, syscall, systemError } from '../kernel/index.js'
import { alignedBuffer } from '../memory/index.js'
import { type Residency, residency } from '../observe/index.js'
import { MIB } from './sizes.js'

/** Pages that are being read ahead are not let go before their device has delivered them: that is waited for. */
const EVICTION_TRIES = 50
const EVICTION_PAUSE_MS = 2

/** Nobody wakes who waits here: it is a pause. */
const NEVER = new Int32Array(new SharedArrayBuffer(4))

function checked(result: number, name: string): void {
  if (result < 0) throw systemError(result, name)
}

/** Waits until what was written is on the device, so that nobody else's lap pays for it. */
export function settle(fd: number): void {
  checked(syscall('fdatasync', fd), 'fdatasync')
}

/**
 * Lets the page cache forget the first `length` bytes of a file. Its dirty pages are written first, since the kernel
 * keeps those.
 *
 * @returns what is cached still, asked of the kernel
 */
export function evict(fd: number, length: number): Residency {
  settle(fd)
  for (let tries = 1; ; tries++) {
    checked(syscall('fadvise64', fd, 0, length, POSIX_FADV.DONTNEED), 'posix_fadvise')
    const left = residency(fd, 0, length)
    if (left.cachedPages === 0 || tries === EVICTION_TRIES) return left
    Atomics.wait(NEVER, 0, 0, EVICTION_PAUSE_MS)
  }
}

/**
 * Reads the first `length` bytes of a file, so that the page cache holds them.
 *
 * @returns what is cached now, asked of the kernel
 */
export function fill(fd: number, length: number): Residency {
  const before = residency(fd, 0, length)
  // mincore(2) takes every page of somebody else's file for cached, so only the other is believed.
  if (before.method === 'cachestat' && before.cachedPages === before.pages) return before
  const buffer = alignedBuffer(MIB)
  for (let position = 0; position < length; position += MIB) readSync(fd, buffer, 0, MIB, position)
  return residency(fd, 0, length)
}
