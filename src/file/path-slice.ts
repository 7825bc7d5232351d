import {
  AT,
  addressOf,
  errnoOf,
  JOB_WORDS,
  jobResult,
  STATX,
  STATX_SIZE,
  StatxView,
  SYSCALL,
  writeJob,
} from '../kernel/index.js'

/** Files that one slice asks about. */
export const SLICE_PATHS = 64
/** What the kernel takes for a path, with the NUL that ends it. */
const PATH_MAX = 4096
/** Room for the paths of a slice: the longest one always fits into an empty slice. */
const TEXT_BYTES = 32768
/** What Node's stats tell. */
const FIELDS = STATX.BASIC_STATS | STATX.BTIME
const ENAMETOOLONG = -errnoOf('ENAMETOOLONG')

/**
 * A few dozen statx(2) calls, laid out to be carried out in one go on another thread. Its memory is made once and used
 * over and over.
 */
export class PathSlice {
  /** The calls, for `offloadJobs()`. */
  readonly jobs = new Int32Array(new ArrayBuffer(SLICE_PATHS * JOB_WORDS * 4))
  /** Looks at an answer, after `result()`. */
  readonly answer = new StatxView(new ArrayBuffer(SLICE_PATHS * STATX_SIZE))
  readonly #text = Buffer.from(new ArrayBuffer(TEXT_BYTES))
  readonly #textAddress = addressOf(this.#text)
  readonly #answerAddress = addressOf(this.answer.buffer)
  #used = 0
  #count = 0

  /** Paths in it. */
  get count(): number {
    return this.#count
  }

  /** Forgets its paths. */
  clear(): void {
    this.#used = 0
    this.#count = 0
  }

  /**
   * Adds a path that has no NUL inside.
   *
   * @param flags of `AT`
   * @returns false when the slice is full
   */
  add(path: string | Uint8Array, flags: number): boolean {
    if (this.#count === SLICE_PATHS) return false
    const room = TEXT_BYTES - this.#used
    // Three bytes are the most that one unit of a string takes; only a near miss needs counting.
    const most = typeof path === 'string' ? path.length * 3 : path.length
    const bytes = most < PATH_MAX ? most : Buffer.byteLength(path)
    if (bytes < PATH_MAX && bytes >= room) return false
    const at = this.#count++ * JOB_WORDS
    if (bytes >= PATH_MAX) {
      // Told as the kernel would; getpid(2) stands in for the call, its result is not looked at.
      writeJob(this.jobs, at, SYSCALL.getpid, ENAMETOOLONG)
      return true
    }
    const length =
      typeof path === 'string' ? this.#text.write(path, this.#used) : copy(this.#text, path, this.#used)
    this.#text[this.#used + length] = 0
    const address = this.#textAddress + this.#used
    const answer = this.#answerAddress + (at / JOB_WORDS) * STATX_SIZE
    writeJob(this.jobs, at, SYSCALL.statx, 0, AT.FDCWD, address, flags, FIELDS, answer)
    this.#used += length + 1
    return true
  }

  /** What came of the path with that index: 0, and `answer` looks at it; or -errno. */
  result(index: number): number {
    const at = index * JOB_WORDS
    this.answer.moveTo(index * STATX_SIZE)
    // The mark, behind the arguments, says what went wrong before any call.
    return (this.jobs[at + JOB_WORDS - 2] as number) || jobResult(this.jobs, at)
  }
}

function copy(text: Buffer, path: Uint8Array, at: number): number {
  text.set(path, at)
  return path.length
}
