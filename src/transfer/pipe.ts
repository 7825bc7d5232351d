import {
  checkInteger,
  errnoName,
  F,
  invalidArgType,
  O,
  OwnedDescriptor,
  PAGE_SIZE,
  SIOC,
  syscall,
  systemError,
} from '../kernel/index.js'

/** How a {@link Pipe} is made. */
export interface PipeOptions {
  /** Bytes it should hold; 1 MiB by default. */
  capacity?: number
}

/** What an ordinary user may ask for, unless /proc/sys/fs/pipe-max-size says otherwise. */
export const PIPE_CAPACITY = 2 ** 20
const MAX_CAPACITY = 2 ** 31 - 1
const answer = new Int32Array(new ArrayBuffer(8))

/**
 * A pipe: a queue of pages in the kernel, which splice(2) moves bytes through without copying them.
 *
 * It is as large as asked for where that is allowed, and else the largest that is; `capacity` and `reduced` tell. Its
 * ends do not block, and are closed when its thread ends, if not before.
 *
 * @see pipe(7)
 */
export class Pipe {
  readonly #wanted: number
  #capacity: number
  #reduced: string | undefined
  readonly #source: OwnedDescriptor
  readonly #sink: OwnedDescriptor
  #open = true

  /** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; the system error of pipe2(2): `EMFILE`, `ENFILE` */
  constructor(options: PipeOptions = {}) {
    if (typeof options !== 'object' || options === null)
      throw invalidArgType('options', 'of type object', options)
    const { capacity = PIPE_CAPACITY } = options
    checkInteger(capacity, 'options.capacity', 1, MAX_CAPACITY)
    const result = syscall('pipe2', answer, O.NONBLOCK | O.CLOEXEC)
    if (result < 0) throw systemError(result, 'pipe2')
    this.#source = new OwnedDescriptor(answer[0], 'pipe2')
    this.#sink = new OwnedDescriptor(answer[1], 'pipe2')
    const refusal = enlarge(this.writeFd, capacity)
    this.#wanted = capacity
    this.#capacity = syscall('fcntl', this.writeFd, F.GETPIPE_SZ)
    this.#reduced = this.#capacity >= capacity ? undefined : explain(refusal, capacity, this.#capacity)
  }

  /** Bytes that it holds when every page in it is full. */
  get capacity(): number {
    return this.#capacity
  }

  /** Why it is smaller than it should be; undefined where it is not. */
  get reduced(): string | undefined {
    return this.#reduced
  }

  /** Makes it as large as asked for, or as may be by now: other pipes of the user may have gone meanwhile. */
  enlarge(): void {
    if (this.#reduced === undefined || !this.#open) return
    let refusal = 0
    while (this.#capacity < this.#wanted && refusal === 0) {
      const size = Math.min(2 * this.#capacity, this.#wanted)
      const result = syscall('fcntl', this.writeFd, F.SETPIPE_SZ, size)
      if (result < 0) refusal = result
      else this.#capacity = result
    }
    this.#reduced = refusal === 0 ? undefined : explain(refusal, this.#wanted, this.#capacity)
  }

  /** The end that bytes come out of. */
  get readFd(): number {
    return this.#source.fd
  }

  /** The end that bytes go into. */
  get writeFd(): number {
    return this.#sink.fd
  }

  /** Bytes in it now. @throws the system error where it is closed */
  get pending(): number {
    const result = syscall('ioctl', this.readFd, SIOC.INQ, answer)
    if (result < 0) throw systemError(result, 'ioctl')
    return answer[0]
  }

  /** Whether `close()` has been called. */
  get closed(): boolean {
    return !this.#open
  }

  /**
   * Takes out what is in it, at most `most` bytes.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; the system error where it is closed
   */
  read(most: number = MAX_CAPACITY): Uint8Array<ArrayBuffer> {
    checkInteger(most, 'most', 0, MAX_CAPACITY)
    const length = Math.min(most, this.pending)
    const bytes = new Uint8Array(new ArrayBuffer(Math.max(1, length)))
    let filled = 0
    while (filled < length) {
      const result = syscall('read', this.readFd, bytes.subarray(filled), length - filled)
      if (result <= 0) break
      filled += result
    }
    return bytes.subarray(0, filled)
  }

  /** Closes both ends; what is in it is lost. No operation on it may be in flight. Idempotent. */
  close(): void {
    this.#open = false
    this.#source.close()
    this.#sink.close()
  }

  /** As `close()`. */
  [Symbol.dispose](): void {
    this.close()
  }
}

/** Asks for a capacity, then for half of it, and so on. @returns the first refusal, or 0 */
function enlarge(fd: number, capacity: number): number {
  const given = syscall('fcntl', fd, F.GETPIPE_SZ)
  let refusal = 0
  for (let size = capacity; size > given; size = Math.floor(size / 2)) {
    const result = syscall('fcntl', fd, F.SETPIPE_SZ, size)
    if (result >= 0) break
    if (refusal === 0) refusal = result
  }
  return refusal
}

function explain(refusal: number, wanted: number, capacity: number): string {
  const limits =
    capacity <= 2 * PAGE_SIZE
      ? 'this user has reached /proc/sys/fs/pipe-user-pages-soft'
      : 'see /proc/sys/fs/pipe-max-size and pipe-user-pages-soft'
  return `a pipe of ${wanted} bytes was refused with ${errnoName(refusal)}, ${capacity} were granted: ${limits}`
}
