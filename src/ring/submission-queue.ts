import { IOSQE } from '../kernel/index.js'
import { loadAcquire, storeFenced, storeRelease } from './shared-word.js'

/** Words of 32 bits in a submission entry. */
export const ENTRY_WORDS = 16

/** Word of an entry that holds opcode, flags and priority; its second byte is the IOSQE flags. */
const FLAGS_SHIFT = 8

const RETIRED = { headIndex: 0, tailIndex: 0, flagsIndex: 0, capacity: 0, entryShift: 4 }

const NOTHING = new Int32Array(1)

/** Where the queue's parts stand: word indices into the shared mapping, and the entries themselves. */
export interface SubmissionLayout {
  /** The mapping that holds head, tail and flags, as words. */
  readonly shared: Int32Array
  /** The entries, 16 words each. */
  readonly words: Int32Array
  readonly headIndex: number
  readonly tailIndex: number
  readonly flagsIndex: number
  /** Entries; a power of two. */
  readonly capacity: number
  /** log2 of an entry's words: 4 for 64 bytes, 5 for the 128 bytes of `IORING_SETUP.SQE128`. */
  readonly entryShift: number
}

/**
 * The queue that user space fills and the kernel drains.
 *
 * We own the tail, the kernel owns the head. An entry is ours from `next()` until `publish()` moves the
 * tail past it; after that only its completion gives back what it points to.
 *
 * @see io_uring(7)
 */
export class SubmissionQueue {
  /** The entries, {@link ENTRY_WORDS} words each. Empty once the ring is closed. */
  words: Int32Array = NOTHING
  /** Entries the queue can hold. */
  capacity = 0
  #shared: Int32Array = NOTHING
  #mask = 0
  #shift = 0
  #headIndex = 0
  #tailIndex = 0
  #flagsIndex = 0
  /** The kernel's head as we last saw it. It only moves on, so this one is safe, if pessimistic. */
  #head = 0
  #tail = 0
  #published = 0
  #last = -1
  #silent = 0

  constructor(layout: SubmissionLayout) {
    this.relocate(layout)
    this.#tail = layout.shared[layout.tailIndex]
    this.#published = this.#tail
  }

  /** Moves to where the kernel has resized the queue to; every entry taken must have been published. */
  relocate(layout: SubmissionLayout): void {
    this.words = layout.words
    this.capacity = layout.capacity
    this.#shared = layout.shared
    this.#mask = layout.capacity - 1
    this.#headIndex = layout.headIndex
    this.#tailIndex = layout.tailIndex
    this.#flagsIndex = layout.flagsIndex
    this.#shift = layout.entryShift
    this.#head = layout.shared[layout.headIndex]
    this.#last = -1
  }

  /** Entries that can still be taken before the kernel must drain some. */
  get space(): number {
    this.#head = loadAcquire(this.#shared, this.#headIndex)
    return this.capacity - ((this.#tail - this.#head) | 0)
  }

  /** Entries taken since the last `publish()`. */
  get unpublished(): number {
    return (this.#tail - this.#published) | 0
  }

  /** Entries published that the kernel has not consumed yet. */
  get unconsumed(): number {
    return (this.#published - loadAcquire(this.#shared, this.#headIndex)) | 0
  }

  /** The kernel's word to us: `IORING_SQ.NEED_WAKEUP`, `CQ_OVERFLOW`, `TASKRUN`. */
  get flags(): number {
    return loadAcquire(this.#shared, this.#flagsIndex)
  }

  /**
   * Takes the next entry. Its words still hold what was there before.
   *
   * @returns the entry's first index into `words`, or -1 when the queue is full
   */
  next(): number {
    if (((this.#tail - this.#head) | 0) >= this.capacity && this.space <= 0) return -1
    this.#last = (this.#tail & this.#mask) << this.#shift
    this.#tail = (this.#tail + 1) | 0
    return this.#last
  }

  /**
   * Whether `count` entries can be taken now. Ask before the first entry of a chain: a chain ends where a
   * submission ends, so one that does not fit whole must wait.
   */
  reserve(count: number): boolean {
    return this.space >= count
  }

  /** The index into `words` of the entry that was taken last, or -1 before the first. */
  get last(): number {
    return this.#last
  }

  /** Words from one entry to the next: {@link ENTRY_WORDS}, or twice that with `IORING_SETUP.SQE128`. */
  get entryWords(): number {
    return 1 << this.#shift
  }

  /** Adds `IOSQE` flags (link, drain, fixed file, …) to the entry that was taken last. */
  mark(flags: number): void {
    if (this.#last < 0) return
    this.words[this.#last] |= flags << FLAGS_SHIFT
    if ((flags & IOSQE.CQE_SKIP_SUCCESS) !== 0) this.#silent++
  }

  /**
   * Entries marked `CQE_SKIP_SUCCESS` since the last call. Their success is never heard of, so they do not count
   * as in flight.
   */
  takeSilent(): number {
    const silent = this.#silent
    this.#silent = 0
    return silent
  }

  /** Forgets the mapping: the queue is full for ever. */
  retire(): void {
    this.relocate({ ...RETIRED, words: new Int32Array(0), shared: NOTHING })
    this.#tail = 0
    this.#published = 0
  }

  /** Lets the kernel see every entry taken so far, when it is next entered. */
  publish(): void {
    storeRelease(this.#shared, this.#tailIndex, this.#tail)
    this.#published = this.#tail
  }

  /**
   * Lets a kernel thread that polls see every entry taken so far. Its `flags` are to be loaded only now: the other
   * way round, it may fall asleep between the two and never be woken.
   */
  publishPolled(): void {
    storeFenced(this.#shared, this.#tailIndex, this.#tail)
    this.#published = this.#tail
  }
}
