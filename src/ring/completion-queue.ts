import { IORING_CQE_F } from '../kernel/index.js'
import { CONTROL } from './control.js'
import { loadAcquire, storeRelease } from './shared-word.js'

const { MORE, SKIP, CQE32 } = IORING_CQE_F
/** What few completions have, and what is looked into only then. */
const UNUSUAL = MORE | SKIP | CQE32
const { ENDED } = CONTROL
const HIGH = 2 ** 32
/** The user data's upper half without the sign bit, which marks silence. */
const HIGH_BITS = 0x7fff_ffff
/** No index is greater. Said in the code, so that V8 leaves out the overflow checks of the sums made with one. */
const INDEX_MASK = 0x1fffff

const NOTHING = new Int32Array(1)

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
  /** Operations that have ended: completions without `MORE` seen so far, wrapping at 32 bits. */
  ended = 0
  /** First word of the entry that is being handed out; where `CQE32` data starts, four words on. */
  current = 0
  /** The mapping, as words. Empty once the ring is closed. */
  shared: Int32Array = NOTHING
  /** Entries the queue can hold. */
  capacity = 0
  #mask = 0
  #shift = 0
  #headIndex = 0
  #tailIndex = 0
  #overflowIndex = 0
  #entries = 0
  #head = 0
  readonly #control: Int32Array

  /** @param control where the guard in native/ring.c finds how many operations have ended */
  constructor(layout: CompletionLayout, control: Int32Array = new Int32Array(ENDED + 1)) {
    this.#control = control
    this.relocate(layout)
  }

  /** Moves to where the kernel has resized the queue to. */
  relocate(layout: CompletionLayout): void {
    this.shared = layout.shared
    this.capacity = layout.capacity
    this.#mask = layout.capacity - 1
    this.#shift = layout.entryShift
    this.#headIndex = layout.headIndex
    this.#tailIndex = layout.tailIndex
    this.#overflowIndex = layout.overflowIndex
    this.#entries = layout.entriesIndex
    this.#head = layout.shared[layout.headIndex]
  }

  /** Forgets the mapping: nothing is there any more. */
  retire(): void {
    const nowhere = { headIndex: 0, tailIndex: 0, overflowIndex: 0, entriesIndex: 0, entryShift: 2 }
    this.relocate({ ...nowhere, shared: NOTHING, capacity: 1 })
  }

  /** Completions waiting to be drained. */
  get ready(): number {
    return (load(this.shared, this.#tailIndex) - this.#head) | 0
  }

  /** Completions that the kernel could not keep at all; anything but 0 is fatal. */
  get lost(): number {
    return load(this.shared, this.#overflowIndex)
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
    const words = this.shared
    const tail = load(words, this.#tailIndex)
    let seen = 0
    for (let head = this.#head; ((tail - head) | 0) > 0; head = this.#head) {
      const at = (this.#entries + ((head & this.#mask) << this.#shift)) & INDEX_MASK
      const low = words[at] >>> 0
      const high = words[at + 1]
      const result = words[at + 2]
      const flags = words[at + 3]
      this.#head = (head + 1) | 0
      if ((flags & UNUSUAL) === 0) this.ended = (this.ended + 1) | 0
      else if (!this.#countUnusual(flags)) continue
      if (high < 0 && result >= 0) continue
      this.current = at
      seen++
      callback(high === 0 ? low : (high & HIGH_BITS) * HIGH + low, result, flags)
      if (this.shared !== words) return seen + this.drain(callback)
    }
    this.settle()
    return seen
  }

  /** Gives back to the kernel what has been handed out, and tells the guard. */
  settle(): void {
    store(this.shared, this.#headIndex, this.#head)
    this.#control[ENDED] = this.ended
  }

  /** Takes one from `ended`: a message of another ring, which ended nothing of this one's. */
  discount(): void {
    this.ended = (this.ended - 1) | 0
    this.#control[ENDED]--
  }

  /** @returns false for what only fills the gap at the queue's end */
  #countUnusual(flags: number): boolean {
    if ((flags & SKIP) !== 0) return false
    if ((flags & CQE32) !== 0 && this.#shift === 2) this.#head = (this.#head + 1) | 0
    if ((flags & MORE) === 0) this.ended = (this.ended + 1) | 0
    return true
  }
}
