import { release } from 'node:os'
import { engine, isOutOfThreads, offload, type Usage } from '../engine/index.js'
import {
  AT,
  checkInteger,
  F,
  invalidArgType,
  markDescriptor,
  O,
  S,
  STATX,
  StatxView,
  syscall,
  systemError,
  unmarkDescriptor,
} from '../kernel/index.js'
import { prepareClose } from '../ring/index.js'
import { Cursor } from './cursor.js'

const EMPTY_PATH = new Uint8Array(new ArrayBuffer(1))

/**
 * Another way for bytes than straight between the caller's memory and the page cache. It is told the position -1, for
 * the file's own, only by whoever has the cursor's turn; it counts itself as in flight.
 */
export interface Detour {
  /** What positions and lengths must be multiples of, to go straight; memory at pages always does. */
  readonly step: number
  read(
    descriptor: Descriptor,
    view: ArrayBufferView,
    offset: number,
    length: number,
    position: number,
    signal: AbortSignal | undefined,
  ): Promise<unknown>
  readv(descriptor: Descriptor, buffers: readonly ArrayBufferView[], position: number): Promise<unknown>
  write(
    descriptor: Descriptor,
    view: ArrayBufferView,
    offset: number,
    length: number,
    position: number,
    flags: number,
    signal: AbortSignal | undefined,
  ): Promise<unknown>
  writev(descriptor: Descriptor, buffers: readonly ArrayBufferView[], position: number): Promise<unknown>
  /** Writes what does not fill its last block, also where that is otherwise refused: the end of a stream. */
  writeTail(
    descriptor: Descriptor,
    view: ArrayBufferView,
    length: number,
    position: number,
    signal: AbortSignal | undefined,
  ): Promise<unknown>
}

/** The error that Node rejects with where a handle is closed, to the letter. */
export function closedError(syscall: string): Error {
  return Object.assign(new Error('file closed'), { code: 'EBADF', syscall })
}

/** Ends a descriptor. @returns once it is closed */
export type CloseDescriptor = (fd: number) => Promise<void>

/** How a descriptor ends. */
export interface Ending {
  readonly close: CloseDescriptor
  /** Nobody else will close it: it ends with its thread at the latest. False by default. */
  readonly isOwn?: boolean
}

/**
 * An open descriptor, and what is in flight on it. It is closed only when that is over: a number that the kernel has
 * given to another file meanwhile would be read and written instead.
 */
export class Descriptor implements Usage {
  readonly fd: number
  inFlight = 0
  idle: (() => void) | undefined = undefined
  /** The turn of operations at the file's own position. */
  readonly cursor: Cursor
  /** How its bytes move, where not straight. */
  readonly detour: Detour | undefined
  /** Writes go to the end, wherever they are told to. Not so on a block device: there the kernel heeds no O_APPEND. */
  readonly appends: boolean
  /** It cannot be read. */
  readonly writesOnly: boolean
  /** Nobody else will close it. */
  readonly isOwn: boolean
  readonly #close: CloseDescriptor
  #mode = -1
  #closing: Promise<void> | undefined

  /** @param flags it was opened with, as far as they are known */
  constructor(fd: number, flags: number, ending: Ending, detour?: Detour) {
    this.fd = fd
    this.appends = (flags & O.APPEND) !== 0 && this.#type !== S.IFBLK
    this.writesOnly = (flags & O.ACCMODE) === O.WRONLY
    this.detour = detour
    this.isOwn = ending.isOwn ?? false
    if (this.isOwn) markDescriptor(fd)
    this.#close = ending.close
    this.cursor = new Cursor(() => this.#settle())
  }

  /** Whether the file has bytes at positions, and a position of its own: a regular file or a block device. */
  get seekable(): boolean {
    return this.#type === S.IFREG || this.#type === S.IFBLK
  }

  /** What kind of file it is, of `S.IFMT`; looked at once. */
  get #type(): number {
    if (this.#mode < 0) this.#mode = (glance(this.fd)?.mode ?? 0) & S.IFMT
    return this.#mode
  }

  /** Bytes of the file, as far as the kernel has them at hand; unknown for a device. */
  sizeNow(): number {
    const view = glance(this.fd)
    if (view === undefined || (view.mode & S.IFMT) !== S.IFREG) return Number.MAX_SAFE_INTEGER
    return view.size
  }

  /** Counts somebody who will need the descriptor for a while. */
  use(): void {
    this.inFlight++
  }

  /** Keeps the descriptor open until `body` is over. */
  async during<T>(body: () => Promise<T>): Promise<T> {
    this.use()
    try {
      return await body()
    } finally {
      this.endUse()
    }
  }

  /** Takes `use()` back. */
  endUse(): void {
    this.inFlight--
    this.#settle()
  }

  get #busy(): boolean {
    return this.inFlight > 0 || this.cursor.busy
  }

  #settle(): void {
    if (!this.#busy) this.idle?.()
  }

  /** Whether it is closed, or waits to be. */
  get isClosing(): boolean {
    return this.#closing !== undefined
  }

  /** Closes it as soon as nothing is in flight on it any more. */
  close(): Promise<void> {
    this.#closing ??= this.#busy ? this.#closeLater() : this.#end()
    return this.#closing
  }

  async #closeLater(): Promise<void> {
    await new Promise<void>(resolve => {
      this.idle = () => {
        if (!this.#busy) resolve()
      }
    })
    this.idle = undefined
    await this.#end()
  }

  #end(): Promise<void> {
    if (this.isOwn) unmarkDescriptor(this.fd)
    return this.#close(this.fd)
  }
}

/** What the kernel has at hand of a file, without asking a server for news; undefined where the descriptor is none. */
function glance(fd: number): StatxView | undefined {
  const view = new StatxView()
  const flags = AT.EMPTY_PATH | AT.STATX_DONT_SYNC
  const result = syscall('statx', fd, EMPTY_PATH, flags, STATX.BASIC_STATS, view.buffer)
  return result < 0 ? undefined : view
}

const MAX_DESCRIPTOR = 2 ** 31 - 1

/**
 * The descriptor of a file that is open already.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; `EBADF` for a handle that has been closed
 */
export function descriptorOf(file: unknown): number {
  const isObject = typeof file === 'object' && file !== null
  const fd = isObject ? (file as { fd?: unknown }).fd : file
  if (typeof fd !== 'number') {
    throw invalidArgType('file', 'of type number or an instance of FileHandle', file)
  }
  if (isObject && fd === -1) throw closedError('fcntl')
  checkInteger(fd, 'file', 0, MAX_DESCRIPTOR)
  return fd
}

/** Another descriptor of the same open file, which stays open when the first is closed. @throws as `descriptorOf()` */
export function duplicateDescriptor(file: unknown): number {
  const fd = syscall('fcntl', descriptorOf(file), F.DUPFD_CLOEXEC, 0)
  if (fd < 0) throw systemError(fd, 'fcntl')
  return fd
}

/** io_uring's close is unsound on 5.16 to 6.0 and early 5.15, where Docker's seccomp filter is in force. */
const RING_CLOSES = isLater(release(), [6, 1, 0])

function isLater(version: string, least: readonly number[]): boolean {
  const parts = version.split(/[^0-9]/, 3).map(Number)
  for (const [index, number] of least.entries()) {
    const part = parts[index] || 0
    if (part !== number) return part > number
  }
  return true
}

/** close(2), off this thread where it might block. @returns once it is closed; rejects with `EIO`, `EBADF` … */
export async function closeDescriptor(fd: number): Promise<void> {
  if (!RING_CLOSES) {
    await offload('close', [fd])
    return
  }
  try {
    await engine().run((queue, userData) => prepareClose(queue, fd, userData), { syscall: 'close' })
  } catch (error) {
    if (!isOutOfThreads(error)) throw error
    // It may block this thread, but nobody else would ever close it.
    const result = syscall('close', fd)
    if (result < 0) throw systemError(result, 'close')
  }
}
