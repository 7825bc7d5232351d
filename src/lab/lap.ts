import { clockNs, type LatencyRecorder } from './latency.js'

/** How a {@link Lap} goes through the file. */
export interface LapOptions {
  /** Bytes from the file's start that are used; a multiple of `size`. */
  window: number
  /** Bytes of one operation. */
  size: number
  /** Blocks in the order they are visited; one after the other if left out. */
  order?: Uint32Array | undefined
  /** Whether to begin again at the end; else the lap is over there. */
  wraps: boolean
  /** When it is over at the latest. */
  durationMs: number
  /** Takes the times of operations. */
  latency: LatencyRecorder
}

const MAX_STRIDE = 1023
/** How much of the time the clock may take that times operations. */
const CLOCK_SHARE = 0.02

/**
 * One timed run of a mechanism: hands out positions until time or file are over, and keeps count.
 *
 * Looking at the clock costs about a tenth of a cached read, so where operations are short only every n-th is timed,
 * with n odd to be out of step with reading ahead. Times are kept and only sorted afterwards.
 */
export class Lap {
  /** Operations that have ended. */
  operations = 0
  /** Bytes that they moved. */
  bytes = 0
  /** Operations that were in flight at once, at most. */
  deepest = 0
  readonly #size: number
  readonly #blocks: number
  readonly #order: Uint32Array | undefined
  readonly #wraps: boolean
  readonly #startMs = performance.now()
  readonly #endMs: number
  readonly #latency: LatencyRecorder
  #inFlight = 0
  #block = 0
  #over = false
  #stride = 1
  #countdown = 1

  constructor(options: LapOptions) {
    this.#size = options.size
    this.#blocks = Math.floor(options.window / options.size)
    this.#order = options.order
    this.#wraps = options.wraps
    this.#latency = options.latency
    this.#endMs = this.#startMs + options.durationMs
  }

  /** Whether no operation shall be begun any more. */
  get over(): boolean {
    return this.#over
  }

  /** Whether the lap may go through the file again. */
  get wraps(): boolean {
    return this.#wraps && !this.#over
  }

  /** Where in the file the next operation goes, in bytes; -1 when the lap is over. */
  next(): number {
    if (this.#over) return -1
    if (this.#block === this.#blocks) {
      this.#block = 0
      if (!this.#wraps) {
        this.#over = true
        return -1
      }
    }
    const block = this.#block++
    return (this.#order === undefined ? block : (this.#order[block] as number)) * this.#size
  }

  /** An operation begins. @returns what `end()` wants to be given */
  begin(): number {
    if (++this.#inFlight > this.deepest) this.deepest = this.#inFlight
    if (--this.#countdown > 0) return 0
    const now = performance.now()
    if (now >= this.#endMs) this.#over = true
    if (this.operations > 0) {
      const operationNs = ((now - this.#startMs) * 1e6) / this.operations
      const stride = Math.ceil((2 * clockNs) / (CLOCK_SHARE * operationNs))
      this.#stride = Math.min(MAX_STRIDE, stride) | 1
    }
    this.#countdown = this.#stride
    return now
  }

  /** An operation has ended. @param stamp from `begin()` @param bytes that it moved */
  end(stamp: number, bytes: number): void {
    this.#inFlight--
    this.operations++
    this.bytes += bytes
    if (stamp !== 0) this.#latency.record(performance.now() - stamp)
  }

  /** An operation that began does not end: the file did. */
  abandon(): void {
    this.#inFlight--
  }
}

/** The blocks 0 to `count` - 1, shuffled, the same for the same seed. */
export function shuffled(count: number, seed: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index)
  let state = (seed * 2654435761) >>> 0 || 1
  for (let index = count - 1; index > 0; index--) {
    // Marsaglia's xorshift: even enough, and no two blocks are ever the same.
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const other = (state >>> 0) % (index + 1)
    const block = order[index] as number
    order[index] = order[other] as number
    order[other] = block
  }
  return order
}
