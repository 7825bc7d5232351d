import { statSync } from 'node:fs'
import { walk } from '../file/index.js'
import {
  AT,
  cachestat,
  errnoOf,
  O,
  PAGE_SIZE,
  pathBytes,
  SluiceError,
  STATX,
  StatxView,
  syscall,
  systemError,
} from '../kernel/index.js'
import { residency } from '../observe/index.js'

/** A file, and what of it is in the page cache, in bytes by whole pages. What the kernel does not tell is undefined. */
export interface CachedFile {
  path: string
  size: number
  cached: number
  /** Changed and not written yet. */
  dirty: number | undefined
  /** On its way to the device. */
  writeback: number | undefined
  /** Was cached once, and has been pushed out. */
  evicted: number | undefined
  /** The call that told it. */
  method: 'cachestat' | 'mincore'
  /** It is of somebody else: all of it counts as cached, whether or not it is. */
  foreign: boolean
}

/** What could not be looked at, and why. */
export interface Unseen {
  path: string
  reason: string
}

/** Files that have been looked at: by the inode, since a file may have several names, or be named twice. */
export class SeenFiles {
  readonly #inodes = new Map<number, Set<number>>()

  /** @returns false where it is there already */
  add(device: number, inode: number): boolean {
    let inodes = this.#inodes.get(device)
    if (inodes === undefined) {
      inodes = new Set()
      this.#inodes.set(device, inodes)
    }
    const { size } = inodes
    return inodes.add(inode).size > size
  }
}

/** Every regular file below some paths, in no particular order; links below them are not followed. */
export async function* regularFiles(
  paths: readonly string[],
  unseen: Unseen[],
): AsyncGenerator<string | Uint8Array> {
  const onError = ({ message }: Error, path: string) => unseen.push({ path, reason: message })
  for (const path of paths) {
    try {
      if (!statSync(path).isDirectory()) {
        yield path
        continue
      }
      for await (const entry of walk(path, { onError }))
        if (entry.isFile()) yield entry.exactBytes ?? entry.path
    } catch (error) {
      // Not of this folder but of all: Sluice itself cannot run.
      if (error instanceof SluiceError) throw error
      onError(error as Error, path)
    }
  }
}

const EPERM = -errnoOf('EPERM')
const NOTHING = new Uint8Array(new ArrayBuffer(1))

/**
 * Looks at one file: four system calls, so that a tree of a hundred thousand takes a second.
 *
 * @returns undefined for one that has been seen already
 * @throws the system error of open(2), statx(2), or of what tells residency
 */
export function lookAt(path: string | Uint8Array, seen: SeenFiles): CachedFile | undefined {
  const shown = typeof path === 'string' ? path : Buffer.from(path).toString()
  const fd = openToLook(pathBytes(path))
  if (fd < 0) throw systemError(fd, 'open', { path: shown })
  try {
    const view = new StatxView()
    const result = syscall('statx', fd, NOTHING, AT.EMPTY_PATH, STATX.BASIC_STATS, view.buffer)
    if (result < 0) throw systemError(result, 'stat', { path: shown })
    return seen.add(view.device, view.inode) ? look(fd, shown, view.size) : undefined
  } finally {
    syscall('close', fd)
  }
}

function openToLook(path: Uint8Array): number {
  const flags = O.RDONLY | O.CLOEXEC | O.NONBLOCK
  const fd = syscall('openat', AT.FDCWD, path, flags | O.NOATIME)
  // O_NOATIME is for owners.
  return fd === EPERM ? syscall('openat', AT.FDCWD, path, flags) : fd
}

function look(fd: number, path: string, size: number): CachedFile {
  const file = { path, size, cached: 0, dirty: 0, writeback: 0, evicted: 0 }
  if (size === 0) return { ...file, method: 'cachestat', foreign: false }
  const bytes = (pages: number) => Math.min(pages * PAGE_SIZE, size)
  const stat = cachestat(fd, 0, size)
  if (typeof stat !== 'number') {
    const { cached, dirty, writeback, evicted } = stat
    const told = { cached: bytes(cached), dirty: bytes(dirty) }
    return {
      ...file,
      ...told,
      writeback: bytes(writeback),
      evicted: bytes(evicted),
      method: 'cachestat',
      foreign: false,
    }
  }
  const cached = bytes(residency(fd, 0, size).cachedPages)
  const untold = { dirty: undefined, writeback: undefined, evicted: undefined }
  return { path, size, cached, ...untold, method: 'mincore', foreign: stat === EPERM }
}
