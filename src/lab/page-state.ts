import { readSync } from 'node:fs'
import { POSIX_FADV, syscall, systemError } from '../kernel/index.js'
import { alignedBuffer } from '../memory/index.js'
import { type Residency, residency } from '../observe/index.js'
import { MIB } from './sizes.js'

/** Pages that are just being read or written are not let go; the next try finds them idle. */
const EVICTION_TRIES = 3

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
  let left: Residency
  let tries = 0
  do {
    checked(syscall('fadvise64', fd, 0, length, POSIX_FADV.DONTNEED), 'posix_fadvise')
    left = residency(fd, 0, length)
  } while (left.cachedPages > 0 && ++tries < EVICTION_TRIES)
  return left
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
