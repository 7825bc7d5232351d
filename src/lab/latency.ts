import { createHistogram } from 'node:perf_hooks'

/** How long operations took, in nanoseconds; null where there were too few to tell. */
export interface Latency {
  p50: number | null
  p99: number | null
  p999: number | null
  /** Operations that were timed. */
  samples: number
}

const MAX_SAMPLES = 2 ** 18
const NS_PER_MS = 1e6
/** Samples without which a percentile would be no more than the slowest operation. */
const LEAST = { p50: 5, p99: 100, p999: 1000 } as const
/** Below the resolution that Node's clock has. */
const LEAST_CLOCK_NS = 20

/** What looking at the clock twice costs, in nanoseconds: the least of many tries, since the rest is disturbance. */
function clockCost(): number {
  let least = Infinity
  for (let index = 0; index < 1000; index++) {
    const before = performance.now()
    least = Math.min(least, performance.now() - before)
  }
  return Math.max(LEAST_CLOCK_NS, least * NS_PER_MS)
}

/** What timing one operation costs, in nanoseconds. */
export const clockNs = clockCost()

/** Keeps the times of operations and sorts them only when it is asked, so that recording costs next to nothing. */
export class LatencyRecorder {
  readonly #samples = new Float64Array(MAX_SAMPLES)
  #count = 0

  /** Takes one operation's time; beyond 262,144 of them, no more. */
  record(milliseconds: number): void {
    if (this.#count < MAX_SAMPLES) this.#samples[this.#count++] = milliseconds
  }

  /** The percentiles, the clock's own cost taken off. */
  summary(): Latency {
    const histogram = createHistogram()
    const samples = this.#count
    for (let index = 0; index < samples; index++) {
      histogram.record(Math.max(1, Math.round((this.#samples[index] as number) * NS_PER_MS - clockNs)))
    }
    const at = (percentile: number, least: number) =>
      samples < least ? null : histogram.percentile(percentile)
    return { p50: at(50, LEAST.p50), p99: at(99, LEAST.p99), p999: at(99.9, LEAST.p999), samples }
  }
}
