import type { RowReport, RowResult } from '../../lab/index.js'

/** A row that was measured. */
export type MeasuredRow = RowReport & { result: RowResult }

/** A quantity that rows are compared by. */
export interface Measure {
  /** In addresses and attributes. */
  id: string
  /** Of the button that shows it. */
  title: string
  unit: string
  /** One sentence for the caption. */
  about: string
  /** Whether more of it is better. */
  more: boolean
  /** Whether it can be said of two rows which is the better one by it. */
  comparable: boolean
  /** Least, middle, greatest; undefined where it was not measured. */
  of(result: RowResult, size: number): readonly [least: number, middle: number, greatest: number] | undefined
}

const MIB = 2 ** 20
const NS_PER_US = 1000

const exactly = (value: number) => [value, value, value] as const

/** What the page's charts can show, the first one to begin with. */
export const MEASURES: readonly Measure[] = [
  {
    id: 'throughput',
    title: 'Throughput',
    unit: 'MiB/s',
    about: 'More is better. A thin line spans the slowest and the fastest lap.',
    more: true,
    comparable: true,
    of: ({ bytesPerSecond: { min, median, max } }) => [min / MIB, median / MIB, max / MIB],
  },
  {
    id: 'cpu',
    title: 'CPU time',
    unit: 'µs/MiB',
    about: 'Less is better. User and system time of all threads, those of the kernel for our rings included.',
    more: false,
    comparable: true,
    of({ cost }, size) {
      return exactly(((cost.userUsPerOperation.value + cost.systemUsPerOperation.value) * MIB) / size)
    },
  },
  {
    id: 'calls',
    title: 'System calls',
    unit: 'per MiB',
    about: 'Less is better. Of the whole process, all of its threads.',
    more: false,
    comparable: true,
    of: ({ cost }) => (cost.systemCallsPerMiB === null ? undefined : exactly(cost.systemCallsPerMiB.value)),
  },
  {
    id: 'latency',
    title: 'Latency',
    unit: 'µs, p50',
    about:
      'Less is better, but larger blocks take longer, and at depth 64 an operation waits for the other 63. A thin line goes on to the 99th percentile.',
    more: false,
    comparable: false,
    of({ latencyNs: { p50, p99 } }) {
      if (p50 === null) return undefined
      return [p50 / NS_PER_US, p50 / NS_PER_US, (p99 ?? p50) / NS_PER_US]
    },
  },
]

/** Rows that were measured. */
export function measuredRows(rows: readonly RowReport[]): MeasuredRow[] {
  return rows.filter((row): row is MeasuredRow => row.result !== undefined)
}

const middleOf = (row: MeasuredRow, measure: Measure) => measure.of(row.result, row.size)?.[1]

/** The best row by a measure; undefined where none was measured. */
export function bestRow(rows: readonly MeasuredRow[], measure: Measure): MeasuredRow | undefined {
  const better = (a: number, b: number) => (measure.more ? a > b : a < b)
  let best: MeasuredRow | undefined
  for (const row of rows) {
    const value = middleOf(row, measure)
    if (value === undefined) continue
    const least = best === undefined ? undefined : middleOf(best, measure)
    if (least === undefined || better(value, least)) best = row
  }
  return best
}

/** How a row stands beside another: as many times as good, and whether that can be told from its spread. */
export interface Standing {
  /** Above 1 where it is the better one. */
  times: number
  verdict: 'win' | 'loss' | 'even'
}

/** `0.05`, `1.4`, `28`: how many times. */
export function timesText(times: number): string {
  return times >= 10 ? String(Math.round(times)) : String(Number(times.toPrecision(2)))
}

/** Of the distance, what is as good as none. */
const NEARLY = 0.03

/** Compares two rows; undefined where one was not measured, or there is nothing to divide by. */
export function standing(row: MeasuredRow, beside: MeasuredRow, measure: Measure): Standing | undefined {
  const [low, value, high] = measure.of(row.result, row.size) ?? exactly(0)
  const [otherLow, other, otherHigh] = measure.of(beside.result, beside.size) ?? exactly(0)
  if (!(value > 0) || !(other > 0)) return undefined
  const times = measure.more ? value / other : other / value
  const overlap = low <= otherHigh && otherLow <= high
  const even = Math.abs(times - 1) <= NEARLY || overlap
  return { times, verdict: even ? 'even' : times > 1 ? 'win' : 'loss' }
}
