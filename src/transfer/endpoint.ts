import type { Writable } from 'node:stream'
import { AT, F, O, S, SEEK, SluiceError, STATX, StatxView, syscall, systemError } from '../kernel/index.js'

/** What a descriptor leads to, as far as it decides how bytes move. */
export type Kind = 'file' | 'block' | 'pipe' | 'socket' | 'other' | 'stream'

const KINDS: Readonly<Record<number, Kind>> = {
  [S.IFREG]: 'file',
  [S.IFBLK]: 'block',
  [S.IFIFO]: 'pipe',
  [S.IFSOCK]: 'socket',
}

/** What stands behind an endpoint, where that is more than a descriptor. Every part is optional. */
export interface Backing {
  /** Throws where it is gone, so that the descriptor must not be used any more. */
  check?(): void
  /** Aborts when it goes away while somebody waits. */
  gone?: AbortSignal
  /** Told that much is about to be moved to it at once. */
  unpace?(): void
  /** Told of progress: bytes have just moved. */
  touch?(bytes: number): void
  /** Bytes that were read from it already, at most so many: they come first. */
  early?(most: number): readonly Uint8Array[]
  /** Takes bytes back that could not be delivered, for whoever reads next. @returns whether it did */
  restore?(bytes: readonly Uint8Array[]): boolean
  /** What to write to where there is no descriptor. */
  writable?: Writable
  /** Where there is no descriptor to read from: waits for bytes. @returns how many; 0 at the end */
  read?(block: Uint8Array, signal: AbortSignal): Promise<number>
  /** Gives it back. @param failure what the transfer failed with, if it did */
  release?(failure: Error | undefined): void
}

const view = new StatxView()
const EMPTY_PATH = new Uint8Array(new ArrayBuffer(1))

/** One end of a transfer: a descriptor, and what is known of it. */
export class Endpoint {
  readonly fd: number
  readonly kind: Kind
  /** `O` flags of the open file. */
  readonly flags: number
  /** Bytes of a regular file when the transfer began; 0 elsewhere. */
  readonly size: number
  readonly backing: Backing
  readonly #blocking: boolean
  /** The flags to be put back at the end of a burst; -1 where there is nothing to be undone. */
  #before = -1
  /** Together they say which file it is; 0 for a stream. */
  readonly device: number
  readonly inode: number

  /**
   * @param fd -1 for a stream that has none
   * @throws the system error of statx(2) or fcntl(2): `EBADF`
   */
  constructor(fd: number, backing: Backing = {}) {
    this.fd = fd
    this.backing = backing
    this.#blocking = false
    if (fd < 0) {
      this.kind = 'stream'
      this.device = 0
      this.inode = 0
      this.size = 0
      this.flags = 0
      return
    }
    const result = syscall('statx', fd, EMPTY_PATH, AT.EMPTY_PATH, STATX.BASIC_STATS, view.buffer)
    if (result < 0) throw systemError(result, 'statx')
    this.kind = KINDS[view.mode & S.IFMT] ?? 'other'
    this.size = this.kind === 'file' ? view.size : 0
    this.device = view.device
    this.inode = view.inode
    this.flags = syscall('fcntl', fd, F.GETFL)
    if (this.flags < 0) throw systemError(this.flags, 'fcntl')
    this.#blocking = !this.seekable && (this.flags & O.NONBLOCK) === 0
  }

  /** Whether bytes have positions. */
  get seekable(): boolean {
    return this.kind === 'file' || this.kind === 'block'
  }

  /** Whether calls on it may wait, as nobody has told its open file not to. */
  get blocks(): boolean {
    return this.#blocking
  }

  /** Whether the descriptor stays open until it is released, whatever others do. */
  get held(): boolean {
    return this.backing.release !== undefined
  }

  /** Whether its bytes move straight between memory and device. */
  get direct(): boolean {
    return (this.flags & O.DIRECT) !== 0 && this.seekable
  }

  /** Whether writes go to the end, wherever they are told to. */
  get appends(): boolean {
    return (this.flags & O.APPEND) !== 0
  }

  /** Where the open file stands. @throws the system error of lseek(2) */
  position(): number {
    return this.seek(0, SEEK.CUR)
  }

  /** Bytes from the start to the end, also of a block device. @throws the system error of lseek(2) */
  length(): number {
    if (this.kind === 'file') return this.size
    const here = this.position()
    const end = this.seek(0, SEEK.END)
    this.seek(here, SEEK.SET)
    return end
  }

  /** Bytes of a regular file now; 0 elsewhere. */
  sizeNow(): number {
    const result = syscall('statx', this.fd, EMPTY_PATH, AT.EMPTY_PATH, STATX.BASIC_STATS, view.buffer)
    return result < 0 || this.kind !== 'file' ? 0 : view.size
  }

  /** Moves the open file's position. @throws the system error of lseek(2) */
  seek(offset: number, whence: number): number {
    const result = syscall('lseek', this.fd, offset, whence)
    if (result < 0) throw systemError(result, 'lseek')
    return result
  }

  /**
   * Makes calls return rather than wait, until `leaveBurst()`.
   *
   * The flag belongs to the open file, which others may share. So it is set for the calls of one go, in which nothing
   * else of this thread runs, and not for as long as the transfer lasts.
   */
  enterBurst(): void {
    if (!this.#blocking) return
    // Asked anew: somebody else may have set them since, and must find them so.
    const flags = syscall('fcntl', this.fd, F.GETFL)
    if (flags < 0 || (flags & O.NONBLOCK) !== 0) return
    this.#before = flags
    syscall('fcntl', this.fd, F.SETFL, flags | O.NONBLOCK)
  }

  /** Undoes `enterBurst()`. */
  leaveBurst(): void {
    if (this.#before < 0) return
    syscall('fcntl', this.fd, F.SETFL, this.#before)
    this.#before = -1
  }
}

/** A number as two 32-bit words at the start of `words`, as calls take offsets by address. */
export function setOffset(words: Int32Array, offset: number): void {
  words[0] = offset
  words[1] = Math.floor(offset / 2 ** 32)
}

/** What a stream says that has gone away. */
export function goneError(stream: { errored?: Error | null }, name: string): Error {
  return stream.errored ?? new SluiceError('ERR_SLUICE_CLOSED', `The ${name} was closed`)
}
