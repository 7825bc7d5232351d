import { type CompletionCallback, CompletionQueue } from '../../ring/index.js'

const HEAD = 0
const TAIL = 1
const OVERFLOW = 2
const ENTRIES = 4
const WORDS = 4
/** Rounds in one drain; more than one only where completions overflowed or the callback led to some. */
const ROUNDS = 64

/**
 * A completion queue in ordinary memory, and the side of it that the kernel would have. As there, what finds the
 * queue full is kept aside; the driver takes no entries while there is any, so that is bounded by what is under way.
 */
export class CompletionList {
  /** Times that completions had to be kept aside. */
  overflows = 0
  /** Completions so far, but for those of time-outs. */
  counted = 0
  readonly #queue: CompletionQueue
  readonly #words: Int32Array
  readonly #mask: number
  #overflow: number[] = []

  /** @param entries a power of two */
  constructor(entries: number) {
    this.#words = new Int32Array(ENTRIES + entries * WORDS)
    this.#mask = entries - 1
    const indices = { headIndex: HEAD, tailIndex: TAIL, overflowIndex: OVERFLOW, entriesIndex: ENTRIES }
    this.#queue = new CompletionQueue({ ...indices, shared: this.#words, capacity: entries, entryShift: 2 })
  }

  /** Whether some had to be kept aside: nothing new should be started before they are drained. */
  get full(): boolean {
    return this.#overflow.length > 0
  }

  /** Adds a completion. @param low,high the two words of the user data */
  post(low: number, high: number, result: number, flags: number): void {
    this.counted++
    const words = this.#words
    const tail = words[TAIL]
    if (this.#overflow.length > 0 || ((tail - words[HEAD]) | 0) > this.#mask) {
      if (this.#overflow.length === 0) this.overflows++
      this.#overflow.push(low, high, result, flags)
      return
    }
    const at = ENTRIES + (tail & this.#mask) * WORDS
    words[at] = low
    words[at + 1] = high
    words[at + 2] = result
    words[at + 3] = flags
    words[TAIL] = (tail + 1) | 0
  }

  /** Hands out every completion there is. @returns how many */
  drain(callback: CompletionCallback): number {
    let seen = 0
    for (let round = 0; round < ROUNDS; round++) {
      const count = this.#queue.drain(callback)
      seen += count
      if (this.#overflow.length > 0) this.#refill()
      else if (count === 0) break
    }
    return seen
  }

  #refill(): void {
    const kept = this.#overflow
    this.#overflow = []
    for (let index = 0; index < kept.length; index += WORDS) {
      this.counted--
      this.post(kept[index], kept[index + 1], kept[index + 2], kept[index + 3])
    }
  }
}
