import { SubmissionQueue } from '../../ring/index.js'

const ENTRY_WORDS = 16
const HEAD = 0
const TAIL = 1
const FLAGS = 2

/** A submission queue in ordinary memory, and the side of it that the kernel would have. */
export class EntryQueue {
  /** The side that `prepare*` functions see. */
  readonly submissions: SubmissionQueue
  /** The entries. */
  readonly words: Int32Array
  /** What a position is masked with. */
  readonly mask: number
  readonly #shared = new Int32Array(4)

  /** @param entries rounded up to a power of two */
  constructor(entries: number) {
    const capacity = 2 ** Math.ceil(Math.log2(entries))
    this.words = new Int32Array(capacity * ENTRY_WORDS)
    this.mask = capacity - 1
    const layout = { headIndex: HEAD, tailIndex: TAIL, flagsIndex: FLAGS, capacity, entryShift: 4 }
    this.submissions = new SubmissionQueue({ ...layout, shared: this.#shared, words: this.words })
  }

  /** Position of the first entry that has not been taken; wraps at 32 bits. */
  get head(): number {
    return this.#shared[HEAD]
  }

  /** Position behind the last entry published. */
  get tail(): number {
    return this.#shared[TAIL]
  }

  /** Gives back the entries before a position. */
  consume(head: number): void {
    this.#shared[HEAD] = head
  }
}
