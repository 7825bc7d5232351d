import { errnoOf, IORING_FEAT, IORING_SQ, IOSQE } from '../kernel/index.js'
import type { BufferTable } from '../memory/index.js'
import {
  type BlockRing,
  type BlockRingOptions,
  type BufferRing,
  type BufferRingOptions,
  type CompletionCallback,
  prepareNop,
  Ring,
  type SubmissionQueue,
} from '../ring/index.js'
import type { Driver, DriverStats } from './driver.js'

/** In an entry's first word. */
const SKIP_SUCCESS = IOSQE.CQE_SKIP_SUCCESS << 8
const EAGAIN = -errnoOf('EAGAIN')
/** This kernel does not have it, or this user may not lock as much memory (RLIMIT_MEMLOCK). */
const UNAVAILABLE = new Set(['EINVAL', 'EOPNOTSUPP', 'ENOMEM'].map(name => -errnoOf(name)))

/** Operations on a hosted ring: the kernel carries them out. */
export class RingDriver implements Driver {
  readonly name = 'ring'
  readonly ring: Ring
  readonly submissions: SubmissionQueue
  readonly fd: number
  readonly silences: boolean
  #overflows = 0
  /** Entries silenced since the last submission. */
  #silent = 0

  /** @throws the system error for which io_uring cannot be used here, also one that only shows at the first enter */
  constructor(entries: number) {
    this.ring = new Ring({ entries, mode: 'hosted' })
    this.submissions = this.ring.submissions
    this.fd = this.ring.fd
    this.silences = (this.ring.features & IORING_FEAT.CQE_SKIP) !== 0
    try {
      // A filter may let a ring be made and refuse its use.
      prepareNop(this.submissions, 0)
      this.ring.submit(1)
      this.ring.reap(() => {})
    } catch (error) {
      this.ring.close()
      throw error
    }
  }

  submit(): number {
    const silent = this.#silent
    if (silent === 0) return this.#submit()
    // Before they are submitted: a thread that is ended in the system call does not come back to count.
    this.ring.completions.countSilent(silent)
    this.#silent = 0
    const consumed = this.#submit()
    if (this.submissions.unconsumed > 0) {
      // Some may not have begun. As long as they count as in flight, nobody takes their memory for free.
      this.ring.completions.countSilent(-silent)
      this.#silent = silent
    }
    return consumed
  }

  #submit(): number {
    try {
      return this.ring.submit()
    } catch (error) {
      // The kernel is short of memory just now. What it has not taken goes with a later turn.
      if ((error as NodeJS.ErrnoException).errno === EAGAIN) return 0
      throw error
    }
  }

  reap(callback: CompletionCallback): number {
    if ((this.submissions.flags & IORING_SQ.CQ_OVERFLOW) !== 0) this.#overflows++
    return this.ring.reap(callback)
  }

  supports(operation: number): boolean {
    return this.ring.supports(operation)
  }

  get buffers(): BufferTable {
    return this.ring
  }

  blockRing(options: BlockRingOptions): BlockRing | undefined {
    return offered(() => this.ring.registerBlockRing(options))
  }

  bufferRing(options: BufferRingOptions): BufferRing | undefined {
    return offered(() => this.ring.registerBufferRing(options))
  }

  silence(): void {
    const { words, last } = this.submissions
    // Past `mark()`, which has the kernel speak so that it knows when memory is free.
    words[last] |= SKIP_SUCCESS
    this.#silent++
  }

  discountSilent(): void {
    this.ring.completions.discount()
  }

  stats(): DriverStats {
    return { enters: this.ring.enters, overflows: this.#overflows }
  }

  close(): void {
    this.ring.close()
  }
}

/** @returns undefined where it cannot be had here: then there is another way */
function offered<T>(register: () => T): T | undefined {
  try {
    return register()
  } catch (error) {
    if (UNAVAILABLE.has((error as NodeJS.ErrnoException).errno ?? 0)) return undefined
    throw error
  }
}
