import { readlinkSync } from 'node:fs'
import { engine, isOutOfThreads } from '../engine/index.js'
import {
  AT,
  errnoName,
  errnoOf,
  O,
  OPEN_HOW,
  openHow,
  pathBytes,
  RESOLVE,
  S,
  SluiceError,
  STATX,
  StatxView,
  syscall,
  systemError,
} from '../kernel/index.js'
import { prepareOpenAt2 } from '../ring/index.js'
import { keptDescriptors } from './kept-descriptors.js'

/** Which symbolic links below the root are followed: those that stay beneath it, none, or all. */
export type SymlinkPolicy = 'beneath' | 'deny' | 'follow'

/** What lies open, and what it was when it was opened. */
export interface OpenedFile {
  fd: number
  kind: 'file' | 'directory' | 'other'
  size: number
  /** Nanoseconds since 1970, of its content and of what is known about it. */
  modified: bigint
  changed: bigint
  inode: number
  device: number
  /** Names that lead to it. */
  links: number
}

const EAGAIN = -errnoOf('EAGAIN')
const EBADF = -errnoOf('EBADF')
const REFUSED = new Set(['ENOSYS', 'EPERM'].map(name => -errnoOf(name)))
const RETRIES = 16
const EMPTY_PATH = pathBytes('')

// O_NONBLOCK: a FIFO without a writer must not hold up the open.
const FLAGS = O.RDONLY | O.CLOEXEC | O.NONBLOCK | O.NOCTTY

const POLICY: Record<SymlinkPolicy, number> = {
  beneath: RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS,
  deny: RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_SYMLINKS,
  follow: RESOLVE.NO_MAGICLINKS,
}

/** What a descriptor leads to. */
export function describe(fd: number): OpenedFile {
  const view = new StatxView()
  // An open file's inode is in memory: this never waits, and on a ring it would go to a worker.
  const result = syscall('statx', fd, EMPTY_PATH, AT.EMPTY_PATH, STATX.BASIC_STATS, view.buffer)
  if (result < 0) throw systemError(result, 'fstat')
  const type = view.mode & S.IFMT
  return {
    fd,
    kind: type === S.IFREG ? 'file' : type === S.IFDIR ? 'directory' : 'other',
    size: view.size,
    modified: view.modifyTime,
    changed: view.changeTime,
    inode: view.inode,
    device: view.device,
    links: view.links,
  }
}

/**
 * The directory that is served. Everything below it is opened by the kernel's own rules (openat2(2)), so that no path,
 * however it is spelled and whatever is renamed meanwhile, leads out of it.
 */
export class RootDirectory {
  readonly path: string
  /** -1 once it is closed. */
  #fd: number
  readonly #how: Uint32Array
  /** Those who still open something, for whom the directory stays. */
  #users = 0
  #closed = false

  constructor(path: string, symlinks: SymlinkPolicy) {
    const fd = syscall('openat', AT.FDCWD, pathBytes(path), O.PATH | O.DIRECTORY | O.CLOEXEC)
    if (fd < 0) throw systemError(fd, 'open', { path })
    this.path = path
    this.#fd = fd
    this.#how = openHow(FLAGS, 0, POLICY[symlinks])
    try {
      this.#probe()
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Some sandboxes refuse openat2(2), and then nothing at all could be served. The ring is not asked by them. */
  #probe(): void {
    if (engine().driver === 'ring') return
    const fd = syscall('openat2', this.#fd, pathBytes('.'), this.#how, OPEN_HOW.SIZE)
    if (fd >= 0) syscall('close', fd)
    if (!REFUSED.has(fd)) return
    const text = `openat2(2), by which files are opened beneath a root, is refused here: ${errnoName(fd)}`
    throw new SluiceError('ERR_SLUICE_UNSUPPORTED', text)
  }

  /** Opens what lies at `path` below the root, without a leading slash. @returns what it is, or -errno */
  async open(path: string): Promise<OpenedFile | number> {
    if (this.#fd < 0) return EBADF
    this.retain()
    try {
      return await this.#openBelow(pathBytes(path === '' ? '.' : path))
    } finally {
      this.release()
    }
  }

  /** Has the directory stay, also where it is closed meanwhile, for whoever opens several things below it in turn. */
  retain(): void {
    this.#users++
  }

  /** One user less. */
  release(): void {
    this.#users--
    this.#closeUnused()
  }

  async #openBelow(bytes: Uint8Array): Promise<OpenedFile | number> {
    for (let attempt = 0; attempt < RETRIES; attempt++) {
      const opened = await this.#openOnce(bytes)
      if (typeof opened === 'number') return describe(opened)
      const { errno = 0 } = opened
      // A rename somewhere in the tree while `..` was resolved: the kernel asks to try again.
      const again = errno === EAGAIN && !isOutOfThreads(opened)
      // Nor does a file that is kept open stand in the way of one that is asked for.
      if (!again && !keptDescriptors.yield(errno)) return errno
    }
    return EAGAIN
  }

  #openOnce(bytes: Uint8Array): Promise<number | NodeJS.ErrnoException> {
    const prepare = (queue: Parameters<typeof prepareOpenAt2>[0], userData: number) =>
      prepareOpenAt2(queue, this.#fd, bytes, this.#how, userData)
    return engine()
      .run(prepare, { syscall: 'open', held: [bytes, this.#how] })
      .catch((error: NodeJS.ErrnoException) => {
        if (error.errno === undefined) throw error
        return error
      })
  }

  /** Whether an open file lies at this very path below the root, rather than where a link leads to. */
  holds(fd: number, path: string): boolean {
    try {
      const root = readlinkSync(`/proc/self/fd/${this.#fd}`)
      const whole = path === '' ? root : root === '/' ? `/${path}` : `${root}/${path}`
      return readlinkSync(`/proc/self/fd/${fd}`) === whole
    } catch {
      return false // no /proc, or a name too long for it
    }
  }

  /** Lets the directory go, once nobody uses it any more. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#closeUnused()
  }

  #closeUnused(): void {
    if (!this.#closed || this.#users > 0 || this.#fd < 0) return
    syscall('close', this.#fd)
    this.#fd = -1
  }
}
