import type { Via } from '../transfer/index.js'
import { BUCKETS, bucketOf } from './status/latency-histogram.js'

/** Those that grow with every response come first: they are counted by their index. */
const COUNTERS = [
  'requests',
  'bytes',
  'latencySum',
  'connections',
  'accepted',
  'timeouts',
  'refused',
  'reloads',
  'lookups',
  'opened',
  'enters',
  'submissions',
  'completions',
  'overflows',
  'waits',
  'loops',
  'inFlight',
  'capacity',
  'waiting',
  'handles',
  'evictions',
  'cacheFiles',
  'cacheBytes',
  'cacheWatched',
  'compressedFiles',
  'compressedBytes',
  'started',
] as const
/** A quantity that each thread counts. */
export type Counter = (typeof COUNTERS)[number]

const MECHANISMS: readonly Via[] = [
  'copy_file_range',
  'sendfile',
  'splice',
  'tee',
  'vmsplice',
  'preadv2',
  'send_zc',
  'read+write',
  'stream',
]
const STATUSES = 600
const FIRST_MECHANISM = COUNTERS.length
const FIRST_STATUS = FIRST_MECHANISM + MECHANISMS.length
const FIRST_LATENCY = FIRST_STATUS + STATUSES
const ROW = FIRST_LATENCY + BUCKETS

/** Memory for the statistics of so many threads. */
export function statsMemory(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * ROW * Float64Array.BYTES_PER_ELEMENT)
}

/**
 * What a server has done so far. Each thread of it counts in a row of its own, and whoever reads sees the sum of all.
 */
export class ServerStats {
  readonly #rows: readonly Float64Array[]
  readonly #own: Float64Array
  #timed = false
  #arrivedMs = 0

  /** @param thread whose row is written */
  constructor(memory: SharedArrayBuffer | ArrayBuffer = statsMemory(1), thread = 0) {
    const bytes = ROW * Float64Array.BYTES_PER_ELEMENT
    this.#rows = Array.from(
      { length: memory.byteLength / bytes },
      (_, index) => new Float64Array(memory, index * bytes, ROW),
    )
    this.#own = this.#rows[thread]
  }

  #sum(index: number): number {
    let sum = 0
    for (const row of this.#rows) sum += row[index]
    return sum
  }

  /** A quantity of all threads together. */
  total(counter: Counter): number {
    return this.#sum(COUNTERS.indexOf(counter))
  }

  get requests(): number {
    return this.total('requests')
  }

  /** Bytes of responses, heads included. */
  get bytes(): number {
    return this.total('bytes')
  }

  /** Connections that are open. */
  get connections(): number {
    return this.total('connections')
  }

  /** Connections that were dropped because their client kept them waiting. */
  get timeouts(): number {
    return this.total('timeouts')
  }

  /** Connections that were reset at once because their address had too many. */
  get refused(): number {
    return this.total('refused')
  }

  /** Times that the certificate was renewed, in any thread. */
  get reloads(): number {
    return this.total('reloads')
  }

  /** Responses by status. */
  get statuses(): ReadonlyMap<number, number> {
    const seen = new Map<number, number>()
    for (let status = 100; status < STATUSES; status++) {
      const count = this.#sum(FIRST_STATUS + status)
      if (count > 0) seen.set(status, count)
    }
    return seen
  }

  /** Transfers of files by mechanism; files that stand ready in memory need none. */
  get mechanisms(): ReadonlyMap<Via, number> {
    const seen = new Map<Via, number>()
    for (const [index, via] of MECHANISMS.entries()) {
      const count = this.#sum(FIRST_MECHANISM + index)
      if (count > 0) seen.set(via, count)
    }
    return seen
  }

  /** How many responses took how long, by buckets of `bucketOf()`; none where nobody has asked to have them timed. */
  get latencies(): number[] {
    return Array.from({ length: BUCKETS }, (_, index) => this.#sum(FIRST_LATENCY + index))
  }

  /** When the first of the threads began, in milliseconds since 1970; 0 where it was not noted. */
  get startedMs(): number {
    const index = COUNTERS.indexOf('started')
    return Math.min(...this.#rows.map(row => row[index] || Infinity))
  }

  /** Has responses timed from now on, which costs a look at the clock for each. */
  time(): void {
    this.#timed = true
  }

  /** Something has been received: what is answered before this turn ends is timed from here. */
  arrive(): void {
    if (this.#timed) this.#arrivedMs = performance.now()
  }

  /** Notes a response. @param startedMs of `performance.now()`, where it was not answered in the turn it came in */
  count(status: number, bytes: number, startedMs = this.#arrivedMs): void {
    const own = this.#own
    own[0]++
    own[1] += bytes
    own[FIRST_STATUS + status]++
    if (this.#timed) this.#took(performance.now() - startedMs)
  }

  #took(milliseconds: number): void {
    this.#own[2] += milliseconds
    this.#own[FIRST_LATENCY + bucketOf(milliseconds)]++
  }

  /** What this thread has of a counter. */
  own(counter: Counter): number {
    return this.#own[COUNTERS.indexOf(counter)]
  }

  /** How many threads there are. */
  get threads(): number {
    return this.#rows.length
  }

  /** Adds to a counter. */
  add(counter: Counter, amount = 1): void {
    this.#own[COUNTERS.indexOf(counter)] += amount
  }

  /** Sets this thread's share of a counter: of what there is now, rather than of what has been. */
  set(counter: Counter, value: number): void {
    this.#own[COUNTERS.indexOf(counter)] = value
  }

  /** Notes how a file went out. */
  mechanism(via: Via): void {
    this.#own[FIRST_MECHANISM + MECHANISMS.indexOf(via)]++
  }
}
