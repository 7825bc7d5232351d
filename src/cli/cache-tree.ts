import { type Dirent, opendirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { AT, cachestat, O, PAGE_SIZE, pathBytes, syscall, systemError } from '../kernel/index.js'
import { residency } from '../observe/index.js'

/** A file, and what of it is in the page cache, in bytes by whole pages. */
export interface CachedFile {
  path: string
  size: number
  cached: number
  /** Changed and not written yet; undefined where the kernel does not tell. */
  dirty: number | undefined
}

/** What could not be looked at, and why. */
export interface Unseen {
  path: string
  reason: string
}

/** Every regular file below some paths, one after the other; links are not followed. */
export function* regularFiles(paths: readonly string[], unseen: Unseen[]): Generator<string> {
  const pending = [...paths].reverse()
  while (pending.length > 0) {
    const path = pending.pop() as string
    const entries = directoryEntries(path, unseen)
    if (entries === undefined) yield path
    else
      for (const entry of entries)
        if (entry.isFile() || entry.isDirectory()) pending.push(join(path, entry.name))
  }
}

/** @returns undefined for what is no directory */
function directoryEntries(path: string, unseen: Unseen[]): Dirent[] | undefined {
  try {
    const directory = opendirSync(path, { bufferSize: 1024 })
    const entries: Dirent[] = []
    for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) entries.push(entry)
    directory.closeSync()
    return entries
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOTDIR') return undefined
    unseen.push({ path, reason: message })
    return []
  }
}

/**
 * Looks at one file: three system calls, so that a tree of a hundred thousand takes a second.
 *
 * @throws the system error of open(2), stat(2), or of what tells residency
 */
export function lookAt(path: string): CachedFile {
  const { size } = statSync(path)
  const fd = syscall('openat', AT.FDCWD, pathBytes(path), O.RDONLY | O.CLOEXEC | O.NONBLOCK | O.NOATIME)
  if (fd === -1) return lookAtForeign(path, size) // O_NOATIME is for owners
  if (fd < 0) throw systemError(fd, 'open', { path })
  return look(fd, path, size)
}

function lookAtForeign(path: string, size: number): CachedFile {
  const fd = syscall('openat', AT.FDCWD, pathBytes(path), O.RDONLY | O.CLOEXEC | O.NONBLOCK)
  if (fd < 0) throw systemError(fd, 'open', { path })
  return look(fd, path, size)
}

function look(fd: number, path: string, size: number): CachedFile {
  try {
    if (size === 0) return { path, size, cached: 0, dirty: 0 }
    const stat = cachestat(fd, 0, size)
    const told = typeof stat !== 'number'
    const cachedPages = told ? stat.cached : residency(fd, 0, size).cachedPages
    return {
      path,
      size,
      cached: Math.min(cachedPages * PAGE_SIZE, size),
      dirty: told ? Math.min(stat.dirty * PAGE_SIZE, size) : undefined,
    }
  } finally {
    syscall('close', fd)
  }
}
