import { AT, F, O, pathBytes, S, STATX, StatxView, syscall } from '../../kernel/index.js'

/** Descriptors whose flags are remembered during one submission; a power of two. */
const SLOTS = 256

/**
 * What is known of a descriptor. Nothing is remembered past one submission: anybody may close a descriptor, and
 * its number comes back as something else.
 */
export class FdFacts {
  readonly #fds = new Int32Array(SLOTS).fill(-1)
  readonly #flags = new Int32Array(SLOTS)
  readonly #answer = new StatxView()
  readonly #empty = pathBytes('')
  #remembered = 0

  /** Forgets everything. */
  forget(): void {
    if (this.#remembered === 0) return
    this.#remembered = 0
    this.#fds.fill(-1)
  }

  /** The descriptor's status flags (`O`), or -errno. */
  flags(fd: number): number {
    const slot = fd & (SLOTS - 1)
    if (this.#fds[slot] !== fd) {
      this.#flags[slot] = syscall('fcntl', fd, F.GETFL)
      this.#fds[slot] = fd
      this.#remembered++
    }
    return this.#flags[slot]
  }

  /** Whether it is open with a flag of `O`. */
  has(fd: number, flag: number): boolean {
    const flags = this.flags(fd)
    return flags >= 0 && (flags & flag) !== 0
  }

  /**
   * The size of a file; Infinity for a block device or directory, -1 for everything that is no file, or is not there.
   * What is no file can be polled, mostly.
   */
  fileSize(fd: number): number {
    const flags = AT.EMPTY_PATH | AT.STATX_DONT_SYNC
    const result = syscall('statx', fd, this.#empty, flags, STATX.BASIC_STATS, this.#answer.buffer)
    if (result < 0) return -1
    const kind = this.#answer.mode & S.IFMT
    if (kind === S.IFREG) return this.#answer.size
    return kind === S.IFBLK || kind === S.IFDIR ? Number.POSITIVE_INFINITY : -1
  }

  /** Whether it is a file, block device or directory: its data waits on a disk, if on anything. */
  isFile(fd: number): boolean {
    return this.fileSize(fd) >= 0
  }

  /** Whether reads and writes do not block of themselves. */
  isNonBlocking(fd: number): boolean {
    return this.has(fd, O.NONBLOCK)
  }
}
