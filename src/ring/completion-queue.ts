import { IORING_CQE_F } from '../kernel/index.js'
import { CONTROL } from './control.js'
import { loadAcquire, storeRelease } from './shared-word.js'

const { MORE, SKIP, CQE32 } = IORING_CQE_F
/** What few completions have. */
const RARE = SKIP | CQE32
const UNUSUAL = MORE | RARE
const NONE = -1
/** Places in the queue's geometry. */
const ENTRIES = 0
const MASK = 1
const SHIFT = 2
const { ENDED } = CONTROL
/** log2 of the words of an entry of `IORING_SETUP.CQE32`. */
const WIDE_SHIFT = 3
const HIGH = 2 ** 32
/** The user data's upper half without the sign bit, which marks silence. */
const HIGH_BITS = 0x7fff_ffff
/** No index is greater. Said in the code, so that V8 leaves out the overflow checks of the sums made with one. */
const INDEX_MASK = 0x1fffff

// V8 folds a constant of this module; an import it loads and checks at every use, which is 5 instructions.
const load = loadAcquire
const store = storeRelease

/** Where the queue's parts stand: word indices into the shared mapping. */
export interface CompletionLayout {
  /** The mapping that holds head, tail, overflow count and entries, as words. */
  readonly shared: Int32Array
  readonly headIndex: number
  readonly tailIndex: number
  readonly overflowIndex: number
  readonly entriesIndex: number
  /** Entries; a power of two. */
  readonly capacity: number
  /** log2 of an entry's words: 2 for 16 bytes, 3 for the 32 bytes of `IORING_SETUP.CQE32`. */
  readonly entryShift: number
}

/**
 * Sees one completion.
 *
 * @param userData as it was given to the operation
 * @param result what the system call would have returned, or -errno
 * @param flags of `IORING_CQE_F`; `MORE` means that further completions of the same operation follow
 */
export type CompletionCallback = (userData: number, result: number, flags: number) => void

/**
 * The queue that the kernel fills and user space drains. We own the head, the kernel owns the tail.
 *
 * @see io_uring(7)
 */
export class CompletionQueue {
  // Set once, and only declared here; see SubmissionQueue.
  /** The mapping, as words. Empty once the ring is closed. */
  declare shared: Int32Array
  /** Entries the queue can hold. */
  declare capacity: number
  /** What `handOut()` computes with. In a typed array they are integers of 32 bits; in fields, V8 converts them each time. */
  private readonly geometry = new Int32Array(3)
  /** From the first entry on: an index less to add up. */
  declare private words: Int32Array
  declare private headIndex: number
  declare private tailIndex: number
  declare private overflowIndex: number
  declare private readonly control: Int32Array
  private head = 0
  /** The kernel's tail as we last saw it. */
  private tail = 0
  /** Of the entries before the head, those that ended nothing. */
  private others = 0
  /** First word of the 32-byte entry handed out last among those of 16 bytes. */
  private wide = 0
  /** First word of the entry at the head, where it is an unusual one and next. */
  private unusual = NONE
  /** Changes with every drain, and whenever the head moves otherwise. */
  private round = 0
  private retired = false

  /** @param control where the guard in native/ring.c finds how many operations have ended */
  constructor(layout: CompletionLayout, control: Int32Array = new Int32Array(ENDED + 1)) {
    this.control = control
    this.relocate(layout)
  }

  /** Moves to where the kernel has resized the queue to. */
  relocate(layout: CompletionLayout): void {
    this.shared = layout.shared
    this.capacity = layout.capacity
    this.words = layout.shared.subarray(layout.entriesIndex)
    this.geometry[ENTRIES] = layout.entriesIndex
    this.geometry[MASK] = layout.capacity - 1
    this.geometry[SHIFT] = layout.entryShift
    this.headIndex = layout.headIndex
    this.tailIndex = layout.tailIndex
    this.overflowIndex = layout.overflowIndex
    const ended = this.ended
    this.head = layout.shared[layout.headIndex]
    this.tail = this.head
    this.others = (this.head - ended) | 0
    this.disturb()
  }

  /** Goes on from the shared head and the guard's count: completions have been dropped. */
  resume(): void {
    this.head = this.shared[this.headIndex]
    this.tail = this.head
    this.others = (this.head - this.control[ENDED]) | 0
    this.disturb()
  }

  /** The mapping is about to go: nothing is there any more. */
  retire(): void {
    this.retired = true
    this.head = 0
    this.tail = 0
    this.others = 0
    this.disturb()
  }

  /** Operations that have ended: completions without `MORE` handed out so far, wrapping at 32 bits. */
  get ended(): number {
    return (this.head - this.others) | 0
  }

  /** First word of the 32-byte entry that was handed out last; its second half starts four words on. */
  get current(): number {
    const [entries, mask, shift] = this.geometry
    return shift === WIDE_SHIFT ? entries + (((this.head - 1) & mask) << WIDE_SHIFT) : this.wide
  }

  /** Completions waiting to be drained. */
  get ready(): number {
    return this.retired ? 0 : (load(this.shared, this.tailIndex) - this.head) | 0
  }

  /** Completions that the kernel could not keep at all; anything but 0 is fatal. */
  get lost(): number {
    return this.retired ? 0 : load(this.shared, this.overflowIndex)
  }

  /**
   * Hands out everything that is there. The callback may prepare, submit, reap, resize and close: an entry is taken
   * before it is handed out.
   *
   * When the callback throws, the shared head and the guard's count both stay where they were, which together is
   * still the truth; the next drain brings them up to date.
   *
   * @returns how many completions the callback saw
   */
  drain(callback: CompletionCallback): number {
    if (this.retired) return 0
    const mapping = this.shared
    this.tail = load(mapping, this.tailIndex)
    let seen = 0
    while (this.head !== this.tail) {
      seen = (seen + this.handOut(callback)) | 0
      if (this.unusual !== NONE) seen = (seen + this.handOutUnusual(callback)) | 0
    }
    if (!this.retired) this.settle()
    return this.shared === mapping ? seen : seen + this.drain(callback)
  }

  /**
   * What is ordinary, up to the first that is not, or until the callback has touched this queue. Since nothing else in
   * the loop can have done so, all but the head stays in registers.
   */
  private handOut(callback: CompletionCallback): number {
    const { words, geometry, tail } = this
    const mask = geometry[MASK]
    const shift = geometry[SHIFT]
    const round = this.disturb()
    const first = this.head
    let head = first
    while (head !== tail) {
      const at = ((head & mask) << shift) & INDEX_MASK
      const flags = words[at + 3]
      const high = words[at + 1]
      const result = words[at + 2]
      if (((flags & UNUSUAL) | high) !== 0) {
        if (((flags & RARE) | high) !== 0) {
          this.unusual = at
          break
        }
        this.others = (this.others + 1) | 0
      }
      head = (head + 1) | 0
      this.head = head
      callback(words[at] >>> 0, result, flags)
      if (this.round !== round) break
    }
    return (head - first) | 0
  }

  /** One with large user data, or that was to be silent, that fills a gap, or takes two places. */
  private handOutUnusual(callback: CompletionCallback): number {
    const at = this.unusual
    const { words } = this
    const flags = words[at + 3]
    this.unusual = NONE
    this.head = (this.head + 1) | 0
    if ((flags & (SKIP | MORE)) !== 0) this.others = (this.others + 1) | 0
    if ((flags & CQE32) !== 0 && this.geometry[SHIFT] !== WIDE_SHIFT) {
      this.head = (this.head + 1) | 0
      this.others = (this.others + 1) | 0
      this.wide = this.geometry[ENTRIES] + at
    } else if ((flags & SKIP) !== 0) return 0
    const userData = words[at] >>> 0
    const high = words[at + 1]
    const result = words[at + 2]
    if (high < 0 && result >= 0) return 0
    callback(userData + (high & HIGH_BITS) * HIGH, result, flags)
    return 1
  }

  /** Says to a drain that is under way, further up the stack, that head, tail or mapping are no longer as it knows them. */
  private disturb(): number {
    this.round = (this.round + 1) | 0
    return this.round
  }

  /** Gives back to the kernel what has been handed out, and tells the guard. */
  settle(): void {
    store(this.shared, this.headIndex, this.head)
    this.control[ENDED] = this.ended
  }

  /** Takes one from `ended`: a message of another ring, which ended nothing of this one's. */
  discount(): void {
    this.others = (this.others + 1) | 0
    this.control[ENDED]--
  }

  /**
   * Adds to `ended`: operations with the kernel's own `CQE_SKIP_SUCCESS`, which end within their submission. Each that
   * fails after all is to be taken off with `discount()`.
   */
  countSilent(operations: number): void {
    this.others = (this.others - operations) | 0
    this.control[ENDED] += operations
  }
}
