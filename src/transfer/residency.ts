import {
  addressOf,
  errnoOf,
  fileSystemType,
  JOB_WORDS,
  jobResult,
  PAGE_SIZE,
  RWF,
  runJobs,
  SYSCALL,
  setIovec,
  syscall,
  writeJob,
} from '../kernel/index.js'
import type { Endpoint } from './endpoint.js'

/** Bytes that a look ahead covers at first, and where one that reached further found something missing. */
const LEAST_WINDOW = 2 ** 23
/** Each look that follows one after which all was there covers twice as many, up to so many. */
const MOST_WINDOW = 2 ** 27
/**
 * What a look covers at least where something was missing before. The kernel reads ahead of whoever reads, twice 8 MiB where
 * devices are set so: what it has ordered must not be taken for what is there, or this thread would order the next.
 */
const COLD_WINDOW = 2 ** 25
/**
 * One page in so many bytes is tried, for a read that may be under way. Where window after window was there, nobody is
 * reading it in, and it is as many pages for a greater one.
 */
const LEAST_STRIDE = 2 ** 18
const MOST_PROBES = COLD_WINDOW / LEAST_STRIDE + 2
const FEW_PROBES = 4
/** A rest of a window that is not worth a call of its own. */
const REST = 2 ** 20
/** How long an answer is trusted. */
const TRUST_MS = 100

const EOPNOTSUPP = -errnoOf('EOPNOTSUPP')
/** File systems of memory alone: what is there has been read. @see statfs(2) */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */])

/** `struct cachestat_range`, its answer, a byte to read into and the iovec that leads there: in 32-bit words. */
const memory = new Int32Array(new ArrayBuffer(128))
const RANGE = 0
const ANSWER = 4
const BYTE = 16
const VECTOR = 20
const jobs = new Int32Array(new ArrayBuffer(MOST_PROBES * JOB_WORDS * 4))
let base = 0

function addresses(): number {
  if (base === 0) {
    base = addressOf(memory)
    setIovec(new Uint32Array(memory.buffer, VECTOR * 4), 0, base + BYTE * 4, 1)
  }
  return base
}

function setWide(at: number, value: number): void {
  memory[at] = value
  memory[at + 1] = Math.floor(value / 2 ** 32)
}

/**
 * Which of a file's bytes can be had without waiting for its device.
 *
 * cachestat(2) counts the pages that the page cache has, also those that are still being read. So a few of them are
 * read besides, with `RWF_NOWAIT`, which refuses to wait. It is two crossings into the kernel for a window of 8 to
 * 128 MiB.
 *
 * Where cachestat has no answer, for a file of somebody else's or before Linux 6.5, every byte counts as cold. So it does
 * where the file system knows no such reads, unless it has no device to wait for.
 */
export class Residency {
  readonly #source: Endpoint
  #from = 0
  #until = -1
  #trustedUntil = 0
  #window = LEAST_WINDOW
  #least = LEAST_WINDOW
  #blind: boolean
  /** A page that is there need not be tried. */
  #sure = false

  constructor(source: Endpoint) {
    this.#source = source
    this.#blind = !source.seekable || source.direct
  }

  /** Whether it cannot be told. */
  get blind(): boolean {
    return this.#blind
  }

  /** Forgets what it knew if that is too long ago. */
  expire(): void {
    if (performance.now() > this.#trustedUntil) this.forget()
  }

  /** Forgets what it knew. */
  forget(): void {
    this.#until = -1
  }

  /** Whether a piece was there when it was last looked for. */
  knows(position: number, length: number): boolean {
    return position >= this.#from && position + length <= this.#until
  }

  /** A piece has just been read: it is there. */
  learn(from: number, until: number): void {
    this.#from = from
    this.#until = until
    this.#trustedUntil = performance.now() + TRUST_MS
  }

  /**
   * How many bytes from `position` on are there, at most `length`; 0 where the first ones are not, or it cannot be told.
   *
   * What lies behind a cold byte within reach of reading ahead counts as cold, too: a call that came near it would begin
   * to read it on this thread.
   *
   * @param wanted bytes that will be asked for in the end, from `position` on
   */
  warm(position: number, length: number, wanted = length): number {
    const known = position >= this.#from ? this.#until - position : 0
    if (known >= Math.min(length, REST)) return Math.min(length, known)
    if (this.#blind) return 0
    const follows = known > 0 || position === this.#until
    this.#window = follows ? Math.min(2 * this.#window, MOST_WINDOW) : this.#least
    const most = Math.max(length, wanted)
    let bytes = Math.min(this.#window, most)
    if (!this.#look(position, bytes)) {
      const least = this.#least
      this.#window = least
      const isThere = bytes > least && !this.#blind && this.#look(position, least)
      if (!isThere) {
        this.#window = this.#least = COLD_WINDOW
        return Math.min(length, Math.max(0, known))
      }
      bytes = least
    }
    this.#least = LEAST_WINDOW
    this.learn(position, position + bytes)
    return Math.min(length, bytes)
  }

  #look(position: number, bytes: number): boolean {
    const { fd, kind, size } = this.#source
    // Behind a file's end there is nothing to wait for.
    const end = kind === 'file' ? Math.min(position + bytes, size) : position + bytes
    if (end <= position) return true
    const start = position - (position % PAGE_SIZE)
    const at = addresses()
    setWide(RANGE, start)
    setWide(RANGE + 2, end - start)
    const result = syscall('cachestat', fd, at + RANGE * 4, at + ANSWER * 4, 0)
    if (result < 0) {
      this.#blind = true
      return false
    }
    // An answer of more than 2^32 pages is none that this asked for.
    if ((memory[ANSWER] as number) >>> 0 < Math.ceil((end - start) / PAGE_SIZE)) return false
    return this.#sure || this.#tryPages(start, end)
  }

  /** Whether pages here and there can be read without waiting for them. */
  #tryPages(start: number, end: number): boolean {
    const { fd } = this.#source
    let count = 0
    const stride = this.#window === this.#least ? LEAST_STRIDE : this.#window / FEW_PROBES
    for (let probe = start; probe < end; probe += stride) this.#probe(count++, fd, probe)
    this.#probe(count++, fd, end - 1)
    runJobs(jobs, count)
    for (let job = 0; job < count; job++) {
      const result = jobResult(jobs, job * JOB_WORDS)
      if (result === EOPNOTSUPP) {
        this.#sure = IN_MEMORY.has(fileSystemType(fd))
        this.#blind = !this.#sure
        return this.#sure
      }
      if (result < 0) return false
    }
    return true
  }

  #probe(job: number, fd: number, position: number): void {
    const vector = base + VECTOR * 4
    writeJob(jobs, job * JOB_WORDS, SYSCALL.preadv2, 0, fd, vector, 1, position, 0, RWF.NOWAIT)
  }
}
