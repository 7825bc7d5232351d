import { IOSQE } from '../kernel/index.js'
import { loadAcquire, storeFenced, storeRelease } from './shared-word.js'

/** Words of 32 bits in a submission entry. */
export const ENTRY_WORDS = 16

/** Set in the user data of an entry whose success nobody wants to hear of: the top bit of its upper word. */
export const SILENT = -0x8000_0000

/** Word of an entry that holds opcode, flags and priority; its second byte is the IOSQE flags. */
const FLAGS_SHIFT = 8
const USER_DATA_HIGH = 9
/** Of the words that few operations use. */
const FIRST_RARE_WORD = 10
/** No index is greater. Said in the code, so that V8 leaves out the overflow checks of the sums made with one. */
const INDEX_MASK = 0xfffff

// V8 folds a constant of this module; an import it loads and checks at every use, which is 5 instructions.
const load = loadAcquire
const store = storeRelease

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
  // Set once, and only declared here: such a field of a queue that it knows, V8 puts into the code, down to the
  // memory's address. A #field, or one with an initial value, is set twice. That, and the shorter bytecode, of which
  // V8 inlines so much and no more, make preparing a no-op 80 instructions instead of 110. `relocate()` undoes it.
  /** The entries, {@link ENTRY_WORDS} words each. Empty once the ring is closed. */
  declare words: Int32Array
  /** The same, two words at a time: zeros are stored in half the stores, and no bits but those of 0 should be. */
  declare pairs: Float64Array
  /** Entries the queue can hold. */
  declare capacity: number
  declare private shared: Int32Array
  declare private mask: number
  declare private shift: number
  declare private headIndex: number
  declare private tailIndex: number
  declare private flagsIndex: number
  /** Entries published since the ring was made, wrapping at 32 bits. */
  published = 0
  /** The tail at which the queue is full, by the kernel's head as we last saw it. That one only moves on. */
  private limit = 0
  private tail = 0
  /** The tail up to which entries come that somebody may have written more than ten words of. */
  private soiledUntil = 0
  /** The tail at which a plain entry must be looked at more closely: the limit, or where the next one is soiled. */
  private plainLimit = 0
  private hasLast = false
  private retired = false

  constructor(layout: SubmissionLayout) {
    this.relocate(layout)
    this.tail = layout.shared[layout.tailIndex]
    this.published = this.tail
    this.soil()
    this.forgetLast()
  }

  /** Moves to where the kernel has resized the queue to; every entry taken must have been published. */
  relocate(layout: SubmissionLayout): void {
    this.words = layout.words
    const { buffer, byteOffset, length } = layout.words
    this.pairs = new Float64Array(buffer, byteOffset, length / 2)
    this.capacity = layout.capacity
    this.shared = layout.shared
    this.mask = layout.capacity - 1
    this.headIndex = layout.headIndex
    this.tailIndex = layout.tailIndex
    this.flagsIndex = layout.flagsIndex
    this.shift = layout.entryShift
    this.limit = (layout.shared[layout.headIndex] + layout.capacity) | 0
    this.forgetLast()
  }

  /** Gives back the entries taken last, which must not have been published. */
  takeBack(entries: number): void {
    this.tail = (this.tail - entries) | 0
    this.forgetLast()
  }

  /** Goes on from the shared tail: whatever was taken and not consumed is forgotten. */
  resume(): void {
    this.tail = this.shared[this.tailIndex]
    this.published = this.tail
    this.soil()
    this.forgetLast()
  }

  /** The next entry is the first; a plain one too goes by way of `canTakePlain()`, where that changes. */
  private forgetLast(): void {
    this.hasLast = false
    this.plainLimit = this.tail
  }

  /** Entries that can still be taken before the kernel must drain some. */
  get space(): number {
    if (this.retired) return 0
    this.limit = (load(this.shared, this.headIndex) + this.capacity) | 0
    return (this.limit - this.tail) | 0
  }

  /** Entries taken since the last `publish()`. */
  get unpublished(): number {
    return (this.tail - this.published) | 0
  }

  /** Entries published that the kernel has not consumed yet. */
  get unconsumed(): number {
    return this.retired ? 0 : (this.published - load(this.shared, this.headIndex)) | 0
  }

  /** The kernel's word to us: `IORING_SQ.NEED_WAKEUP`, `CQ_OVERFLOW`, `TASKRUN`. */
  get flags(): number {
    return this.retired ? 0 : load(this.shared, this.flagsIndex)
  }

  /**
   * Takes the next entry. Its words still hold what was there before.
   *
   * @returns the entry's first index into `words`, or -1 when the queue is full
   */
  next(): number {
    if (this.full) return -1
    const entry = this.place
    this.take()
    this.soil()
    return entry
  }

  /** Whether no entry can be taken. The kernel's head is looked at only where it may have moved on. */
  get full(): boolean {
    return this.tail === this.limit && this.fullNow()
  }

  /** Apart, since V8 inlines `full` wherever it is used only while it is this short. */
  private fullNow(): boolean {
    return this.space <= 0
  }

  /** The index into `words` of the entry that is taken next. Written before it is taken, since a wrong value throws. */
  get place(): number {
    return ((this.tail & this.mask) << this.shift) & INDEX_MASK
  }

  /** Takes the entry at `place`, of a queue that is not full. Who does not write all of it asks `fullForPlain`, else it is soiled. */
  take(): void {
    this.tail = (this.tail + 1) | 0
  }

  /** Takes the entry at `place`, of a queue that is not full, all of which has been written. */
  takeWhole(): true {
    this.take()
    this.soil()
    return true
  }

  /**
   * Whether no entry can be taken by who writes only its words 0 to 9. Where an earlier use of the entry may have left
   * something in the others, they are cleared. One comparison is all it takes mostly.
   */
  get fullForPlain(): boolean {
    return this.tail === this.plainLimit && !this.canTakePlain()
  }

  private canTakePlain(): boolean {
    if (this.full) return false
    const soiled = ((this.soiledUntil - this.tail) | 0) > 0
    this.plainLimit = soiled ? (this.tail + 1) | 0 : this.limit
    this.hasLast = true
    if (soiled) this.clean(this.place + FIRST_RARE_WORD)
    return true
  }

  private clean(at: number): void {
    const { words } = this
    words[at] = 0
    words[at + 1] = 0
    words[at + 2] = 0
    words[at + 3] = 0
    words[at + 4] = 0
    words[at + 5] = 0
  }

  /** Says that the entry taken last is written to its end. */
  soil(): void {
    this.soiledUntil = (this.tail + this.capacity) | 0
    this.plainLimit = this.tail
    this.hasLast = true
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
    if (!this.hasLast) return -1
    this.soil()
    return this.lastTaken
  }

  private get lastTaken(): number {
    return (((this.tail - 1) & this.mask) << this.shift) & INDEX_MASK
  }

  /** Words from one entry to the next: {@link ENTRY_WORDS}, or twice that with `IORING_SETUP.SQE128`. */
  get entryWords(): number {
    return 1 << this.shift
  }

  /**
   * Adds `IOSQE` flags (link, drain, fixed file, …) to the entry that was taken last.
   *
   * `CQE_SKIP_SUCCESS` is kept from the kernel: of an operation that ends in silence nobody could say whether it
   * still writes into its memory. Its success is counted and then not handed out. Such an operation can be cancelled
   * by descriptor or kind, not by user data.
   */
  mark(flags: number): void {
    if (!this.hasLast) return
    const last = this.lastTaken
    this.words[last] |= (flags & ~IOSQE.CQE_SKIP_SUCCESS) << FLAGS_SHIFT
    if ((flags & IOSQE.CQE_SKIP_SUCCESS) !== 0) this.words[last + USER_DATA_HIGH] |= SILENT
  }

  /** The mapping is about to go: the queue is full for ever. */
  retire(): void {
    this.retired = true
    this.tail = 0
    this.limit = 0
    this.published = 0
    this.forgetLast()
  }

  /**
   * Lets the kernel see every entry taken so far, when it is next entered.
   *
   * @returns how many it has not consumed yet
   */
  publish(): number {
    const tail = this.tail
    this.published = tail
    store(this.shared, this.tailIndex, tail)
    return (tail - load(this.shared, this.headIndex)) | 0
  }

  /**
   * Lets a kernel thread that polls see every entry taken so far. Its `flags` are to be loaded only now: the other
   * way round, it may fall asleep between the two and never be woken.
   *
   * @returns how many it has not consumed yet
   */
  publishPolled(): number {
    this.published = this.tail
    storeFenced(this.shared, this.tailIndex, this.tail)
    return this.unconsumed
  }
}
