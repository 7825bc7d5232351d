import { dirname } from 'node:path'
import {
  errnoName,
  FdWatcher,
  fileSystemType,
  IN,
  type InotifyEvent,
  inotifyEvents,
  O,
  pathBytes,
  syscall,
} from '../kernel/index.js'
import type { RootDirectory } from './root-directory.js'

/** File systems of which every change goes through this kernel: ext, XFS, Btrfs, tmpfs, ramfs, F2FS, ZFS, bcachefs. */
const LOCAL = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x858458f6, 0xf2f52010, 0x2fc12fc1, 0xca451a4e,
])
const NAMED = IN.CREATE | IN.DELETE | IN.MOVED_FROM | IN.MOVED_TO
const GONE = IN.DELETE_SELF | IN.MOVE_SELF | IN.UNMOUNT | IN.IGNORED
const MASK = (IN.MODIFY | IN.ATTRIB | NAMED | IN.DELETE_SELF | IN.MOVE_SELF | IN.ONLYDIR) >>> 0
const MAX_DIRECTORIES = 8192
/** Of those, directories of which no file is kept. */
const MAX_IDLE = 64
const BUFFER_BYTES = 65_536

/** A directory whose changes are seen, and who needs to know of them. */
export interface WatchedDirectory {
  readonly path: string
  readonly watch: number
  readonly parent: WatchedDirectory | undefined
  users: number
}

/** What has changed: a path below the root, and what became of it. */
export interface Change {
  path: string
  /** Everything below the path may have changed too. */
  below: boolean
  /** A name has come or gone, rather than what it leads to. */
  named: boolean
}

/**
 * Sees changes of directories below a root by inotify, and of those above them up to the root. The kernel queues an
 * event within the call that makes the change; it is read with the next turn of the event loop.
 *
 * It reads by itself rather than through the engine: it is quiet for long, and works alike on either driver.
 *
 * What it cannot see: file systems that others change (NFS, FUSE, overlay), writes through a mapping, and through
 * another link of a file or one that leads somewhere else.
 */
export class DirectoryWatch {
  /** Grows with every change: who looks at files compares it before and after. */
  epoch = 0
  /** Why a directory could not be watched, the last time that one could not. */
  reason: string | undefined
  readonly #root: RootDirectory
  readonly #changed: (change: Change) => void
  readonly #byPath = new Map<string, WatchedDirectory>()
  readonly #byWatch = new Map<number, WatchedDirectory>()
  /** Watched, and used by nobody just now; the one that has been so for longest first. */
  readonly #idle = new Set<WatchedDirectory>()
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  readonly #fd: number
  #watcher: FdWatcher | undefined

  constructor(root: RootDirectory, changed: (change: Change) => void) {
    this.#root = root
    this.#changed = changed
    this.#fd = syscall('inotify_init1', O.NONBLOCK | O.CLOEXEC)
    if (this.#fd < 0) {
      this.reason = `inotify_init1: ${errnoName(this.#fd)}`
      return
    }
    this.#watcher = new FdWatcher(this.#fd, () => this.#read())
    this.#watcher.start()
  }

  /** Directories that are watched. */
  get size(): number {
    return this.#byPath.size
  }

  /** Has changes in a directory seen, until `release()`. @returns undefined where they cannot be: see `reason` */
  async cover(path: string): Promise<WatchedDirectory | undefined> {
    if (this.#watcher === undefined) return undefined
    const known = this.#byPath.get(path)
    if (known !== undefined) return this.#use(known)
    const parent = path === '' ? undefined : await this.cover(parentOf(path))
    if (path !== '' && parent === undefined) return undefined
    const directory = await this.#open(path, parent)
    if (parent !== undefined && directory?.parent !== parent) this.release(parent)
    return directory
  }

  async #open(path: string, parent: WatchedDirectory | undefined): Promise<WatchedDirectory | undefined> {
    const opened = await this.#root.open(path)
    if (typeof opened === 'number') return undefined
    try {
      // It was closed meanwhile, and its descriptor may be another's by now.
      if (this.#watcher === undefined) return undefined
      // What was above it was moved or deleted meanwhile: of what happens to this path now nobody would be told.
      if (parent !== undefined && !this.#isKnown(parent)) return undefined
      // Somebody else may have come first, meanwhile.
      const known = this.#byPath.get(path)
      if (known !== undefined) {
        if (parent !== undefined && known.parent === parent) this.release(parent)
        return this.#use(known)
      }
      const watch = opened.kind === 'directory' ? this.#add(path, opened.fd) : -1
      if (watch < 0) return undefined
      const directory = { path, watch, parent, users: 1 }
      this.#byPath.set(path, directory)
      this.#byWatch.set(watch, directory)
      return directory
    } finally {
      syscall('close', opened.fd)
    }
  }

  #add(path: string, fd: number): number {
    const type = fileSystemType(fd)
    if (!LOCAL.has(type)) return this.#refuse(`a file system of type 0x${type.toString(16)} is not watched`)
    if (!this.#root.holds(fd, path)) return this.#refuse('symbolic links are not watched')
    if (this.#byPath.size >= MAX_DIRECTORIES)
      return this.#refuse(`${MAX_DIRECTORIES} directories are watched`)
    const watch = syscall('inotify_add_watch', this.#fd, pathBytes(`/proc/self/fd/${fd}`), MASK)
    if (watch < 0) {
      const limit = errnoName(watch) === 'ENOSPC' ? ' (fs.inotify.max_user_watches)' : ''
      return this.#refuse(`inotify_add_watch: ${errnoName(watch)}${limit}`)
    }
    return this.#byWatch.has(watch) ? this.#refuse('a directory lies at two places') : watch
  }

  #refuse(reason: string): number {
    this.reason = reason
    return -1
  }

  #use(directory: WatchedDirectory): WatchedDirectory {
    directory.users++
    this.#idle.delete(directory)
    return directory
  }

  /** One user less. A few directories that nobody uses are watched on: of what is not there, somebody may ask again. */
  release(directory: WatchedDirectory): void {
    if (--directory.users > 0) return
    this.#idle.add(directory)
    const [oldest] = this.#idle
    if (!this.#isKnown(directory)) this.#end(directory)
    else if (this.#idle.size > MAX_IDLE && oldest !== undefined) this.#end(oldest)
  }

  #end(directory: WatchedDirectory): void {
    this.#idle.delete(directory)
    this.#forget(directory)
    if (directory.parent !== undefined) this.release(directory.parent)
  }

  #isKnown(directory: WatchedDirectory): boolean {
    return this.#byWatch.get(directory.watch) === directory
  }

  #forget(directory: WatchedDirectory): void {
    if (!this.#isKnown(directory)) return
    this.#byWatch.delete(directory.watch)
    this.#byPath.delete(directory.path)
    // One that has gone by itself is no error: its number is given to no other.
    syscall('inotify_rm_watch', this.#fd, directory.watch)
  }

  /** A directory is no longer where it was, nor is what lies below it: at their paths there may be others by now. */
  #leave(path: string): void {
    const prefix = path === '' ? '' : `${path}/`
    const left = [...this.#byPath.values()].filter(
      directory => directory.path === path || directory.path.startsWith(prefix),
    )
    for (const directory of left) this.#forget(directory)
    for (const directory of left) if (this.#idle.has(directory)) this.#end(directory)
  }

  #read(): void {
    for (;;) {
      const length = syscall('read', this.#fd, this.#buffer, BUFFER_BYTES)
      if (length <= 0) return
      for (const event of inotifyEvents(this.#buffer, length)) this.#see(event)
    }
  }

  #see({ watch, mask, name }: InotifyEvent): void {
    if ((mask & IN.Q_OVERFLOW) !== 0) {
      this.epoch++
      // What was lost may have been that a directory was moved.
      this.#leave('')
      this.#changed({ path: '', below: true, named: true })
      return
    }
    const directory = this.#byWatch.get(watch)
    // Of a watch that is no more.
    if (directory === undefined) return
    this.epoch++
    const { path } = directory
    if ((mask & GONE) !== 0) {
      this.#leave(path)
      this.#changed({ path, below: true, named: true })
    } else if (name === '') {
      this.#changed({ path, below: true, named: false })
    } else {
      const changed = path === '' ? name : `${path}/${name}`
      const below = (mask & IN.ISDIR) !== 0
      const named = (mask & NAMED) !== 0
      // One that was deleted tells nothing itself while a file that lay in it is open.
      if (below && named) this.#leave(changed)
      this.#changed({ path: changed, below, named })
    }
  }

  /** Watches no more. */
  close(): void {
    if (this.#watcher === undefined) return
    this.#watcher.close()
    this.#watcher = undefined
    syscall('close', this.#fd)
    this.#byPath.clear()
    this.#byWatch.clear()
    this.#idle.clear()
  }
}

/** Of a path below the root; the root itself is the empty path. */
export function parentOf(path: string): string {
  const parent = dirname(path)
  return parent === '.' ? '' : parent
}
