import { IOSQE } from '../kernel/index.js'
import { loadAcquire, storeFenced, storeRelease } from './shared-word.js'

/** Words of 32 bits in a submission entry. */
export const ENTRY_WORDS = 16

/** Set in the user data of an entry whose success nobody wants to hear of: the top bit of its upper word. */
export const SILENT = -0x8000_0000

/** Word of an entry that holds opcode, flags and priority; its second byte is the IOSQE flags. */
const FLAGS_SHIFT = 8
const USER_DATA_HIGH = 9
/** No index is greater. Said in the code, so that V8 leaves out the overflow checks of the sums made with one. */
const INDEX_MASK = 0xfffff

const RETIRED = { headIndex: 0, tailIndex: 0, flagsIndex: 0, capacity: 0, entryShift: 4 }

const NOTHING = new Int32Array(1)

// V8 folds a constant of this module; an import it loads and checks at every use, which is 5 instructions.
const load = loadAcquire
const store = storeRelease
const { imul } = Math

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
  /** Entries published since the ring was made, wrapping at 32 bits. */
  published = 0
  #shared: Int32Array = NOTHING
  #mask = 0
  #stride = 0
  #headIndex = 0
  #tailIndex = 0
  #flagsIndex = 0
  /** The tail at which the queue is full, by the kernel's head as we last saw it. That one only moves on. */
  #limit = 0
  #tail = 0
  /** The tail up to which entries come that somebody may have written more than ten words of. */
  #soiledUntil = 0
  #last = -1

  constructor(layout: SubmissionLayout) {
    this.relocate(layout)
    this.#tail = layout.shared[layout.tailIndex]
    this.published = this.#tail
    this.#soil()
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
    this.#stride = 1 << layout.entryShift
    this.#limit = (layout.shared[layout.headIndex] + layout.capacity) | 0
    this.#last = -1
  }

  /** Gives back the entries taken last, which must not have been published. */
  takeBack(entries: number): void {
    this.#tail = (this.#tail - entries) | 0
    this.#last = -1
  }

  /** Goes on from the shared tail: whatever was taken and not consumed is forgotten. */
  resume(): void {
    this.#tail = this.#shared[this.#tailIndex]
    this.published = this.#tail
    this.#last = -1
    this.#soil()
  }

  /** Entries that can still be taken before the kernel must drain some. */
  get space(): number {
    this.#limit = (load(this.#shared, this.#headIndex) + this.capacity) | 0
    return (this.#limit - this.#tail) | 0
  }

  /** Entries taken since the last `publish()`. */
  get unpublished(): number {
    return (this.#tail - this.published) | 0
  }

  /** Entries published that the kernel has not consumed yet. */
  get unconsumed(): number {
    return (this.published - load(this.#shared, this.#headIndex)) | 0
  }

  /** The kernel's word to us: `IORING_SQ.NEED_WAKEUP`, `CQ_OVERFLOW`, `TASKRUN`. */
  get flags(): number {
    return load(this.#shared, this.#flagsIndex)
  }

  /**
   * Takes the next entry. Its words still hold what was there before.
   *
   * @returns the entry's first index into `words`, or -1 when the queue is full
   */
  next(): number {
    const entry = this.claim()
    if (entry >= 0) this.#soil()
    return entry
  }

  /** As `next()`, for who writes words 0 to 9, and clears the others if the queue is `soiled`. */
  claim(): number {
    const tail = this.#tail
    if (tail === this.#limit) {
      // As in `space`, but written out: a call here would have V8 check everything anew behind it. What is stored into
      // the entry depends on the comparison, so no processor stores it before it has loaded the head.
      this.#limit = (this.#shared[this.#headIndex] + this.capacity) | 0
      if (tail === this.#limit) return -1
    }
    this.#tail = (tail + 1) | 0
    const entry = imul(tail & this.#mask, this.#stride) & INDEX_MASK
    this.#last = entry
    return entry
  }

  /**
   * Whether the entry that was taken last may hold something in words 10 to 15, because `next()` or `last` gave it
   * to somebody when it was in use before.
   */
  get soiled(): boolean {
    return ((this.#soiledUntil - this.#tail) | 0) >= 0
  }

  #soil(): void {
    this.#soiledUntil = (this.#tail + this.capacity) | 0
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
    this.#soil()
    return this.#last
  }

  /** Words from one entry to the next: {@link ENTRY_WORDS}, or twice that with `IORING_SETUP.SQE128`. */
  get entryWords(): number {
    return this.#stride
  }

  /**
   * Adds `IOSQE` flags (link, drain, fixed file, …) to the entry that was taken last.
   *
   * `CQE_SKIP_SUCCESS` is kept from the kernel: of an operation that ends in silence nobody could say whether it
   * still writes into its memory. Its success is counted and then not handed out. Such an operation can be cancelled
   * by descriptor or kind, not by user data.
   */
  mark(flags: number): void {
    const last = this.#last
    if (last < 0) return
    this.words[last] |= (flags & ~IOSQE.CQE_SKIP_SUCCESS) << FLAGS_SHIFT
    if ((flags & IOSQE.CQE_SKIP_SUCCESS) !== 0) this.words[last + USER_DATA_HIGH] |= SILENT
  }

  /** Forgets the mapping: the queue is full for ever. */
  retire(): void {
    this.relocate({ ...RETIRED, words: new Int32Array(0), shared: NOTHING })
    this.#tail = 0
    this.published = 0
  }

  /**
   * Lets the kernel see every entry taken so far, when it is next entered.
   *
   * @returns how many it has not consumed yet
   */
  publish(): number {
    const tail = this.#tail
    this.published = tail
    store(this.#shared, this.#tailIndex, tail)
    return (tail - load(this.#shared, this.#headIndex)) | 0
  }

  /**
   * Lets a kernel thread that polls see every entry taken so far. Its `flags` are to be loaded only now: the other
   * way round, it may fall asleep between the two and never be woken.
   *
   * @returns how many it has not consumed yet
   */
  publishPolled(): number {
    this.published = this.#tail
    storeFenced(this.#shared, this.#tailIndex, this.#tail)
    return this.unconsumed
  }
}
