import { IORING_CQE_F } from '../kernel/index.js'
import { loadAcquire, storeRelease } from './shared-word.js'

const { MORE, SKIP, CQE32 } = IORING_CQE_F
const HIGH = 2 ** 32

const NOTHING = new Int32Array(1)

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

  constructor(layout: CompletionLayout) {
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
    return (loadAcquire(this.shared, this.#tailIndex) - this.#head) | 0
  }

  /** Completions that the kernel could not keep at all; anything but 0 is fatal. */
  get lost(): number {
    return loadAcquire(this.shared, this.#overflowIndex)
  }

  /**
   * Hands out everything that is there. The callback may prepare, submit and even reap: an entry is taken before
   * it is handed out.
   *
   * @returns how many completions the callback saw
   */
  drain(callback: CompletionCallback): number {
    const words = this.shared
    const tail = loadAcquire(words, this.#tailIndex)
    let seen = 0
    try {
      while (((tail - this.#head) | 0) > 0) {
        const at = this.#entries + ((this.#head & this.#mask) << this.#shift)
        const flags = words[at + 3]
        const high = words[at + 1]
        this.#head = (this.#head + 1) | 0
        if ((flags & (SKIP | CQE32)) !== 0) {
          if ((flags & SKIP) !== 0) continue
          if (this.#shift === 2) this.#head = (this.#head + 1) | 0
        }
        if ((flags & MORE) === 0) this.ended = (this.ended + 1) | 0
        this.current = at
        seen++
        callback(high === 0 ? words[at] >>> 0 : (high >>> 0) * HIGH + (words[at] >>> 0), words[at + 2], flags)
      }
    } finally {
      storeRelease(words, this.#headIndex, this.#head)
    }
    return seen
  }
}
