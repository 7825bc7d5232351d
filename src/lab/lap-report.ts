import type { Cost, Method } from '../observe/index.js'
import type { Latency } from './latency.js'

/** A quantity of {@link Cost}. */
export type CostName = keyof Cost

/** Costs added up, and how each was come by. */
export interface Tally {
  operations: number
  bytes: number
  /** Totals, in the units of {@link Cost}. */
  totals: Partial<Record<CostName, number>>
  methods: Partial<Record<CostName, Method>>
  /** io_uring_enter(2) calls that the mechanism itself knows of. */
  enters: number
}

/** What the kernel counted in one lap. Counting slows the work down, so its speed is measured in laps of their own. */
export interface CountedLap {
  kind: 'counted'
  /** Parts of the lap: of several, the median leaves out what V8's compiler did in one of them. */
  tallies: Tally[]
  /** Operations in flight at once, at most, as seen. */
  deepest: number
  /** What the meter could not count, and why; and what the mechanism has to say. */
  notes: readonly string[]
}

/** How fast one lap was, with no counter in its way. */
export interface TimedLap {
  kind: 'timed'
  tally: Tally
  latency: Latency
  /** Operations in flight at once, at most, as seen. */
  deepest: number
  /** Of the file's pages, the part that was cached when it began; null past the cache. */
  residentBefore: number | null
}

/** What a row's process is asked for. */
export interface LapRequest {
  /** The row's id. */
  row: string
  kind: 'counted' | 'timed'
  /** How long it may take, more or less, in milliseconds; what must be prepared comes on top. */
  sliceMs: number
  /** Decides the order of random blocks. */
  seed: number
}

/** What a row's process answers: a lap, or why there is none. */
export type LapAnswer = { lap: CountedLap | TimedLap } | { unavailable: string } | { failed: string }
