import type { Goal, LabReport, RowReport, RowResult } from '../lab/index.js'
import { GOALS, plainText, shortText } from '../lab/index.js'
import { formatBytes, wrap } from './layout.js'
import type { Terminal } from './terminal.js'

/** A column of numbers, five digits wide. */
interface Column {
  /** Two lines of heading. */
  heading: readonly [string, string]
  /** How it was come by. */
  method(result: RowResult): string | undefined
  value(result: RowResult): number | null | undefined
}

const NAME = 18
const SIZE = 5
const DEPTH = 4
const NUMBER = 6
const MIB = 2 ** 20
const US = 1000
const CLOCK = () => 'clock'

/** Letters under the headings, and what they stand for. */
const METHODS: Record<string, [letter: string, meaning: string]> = {
  clock: ['C', 'the clock'],
  tracepoint: ['T', 'a tracepoint: every event counted'],
  perf: ['P', 'a perf counter of the kernel'],
  getrusage: ['R', 'getrusage(2)'],
  procfs: ['F', 'files of /proc'],
  derived: ['D', 'derived from how it works, not measured'],
}

const COLUMNS: readonly Column[] = [
  { heading: ['', 'MiB/s'], method: CLOCK, value: ({ bytesPerSecond }) => bytesPerSecond.median / MIB },
  { heading: ['', 'op/s'], method: CLOCK, value: ({ operationsPerSecond }) => operationsPerSecond.median },
  { heading: ['laten', 'p50'], method: CLOCK, value: ({ latencyNs }) => microseconds(latencyNs.p50) },
  { heading: ['cy, µs', 'p99'], method: CLOCK, value: ({ latencyNs }) => microseconds(latencyNs.p99) },
  { heading: ['', 'p99.9'], method: CLOCK, value: ({ latencyNs }) => microseconds(latencyNs.p999) },
  {
    heading: ['system', '/op'],
    method: ({ cost }) => cost.systemCallsPerOperation?.method,
    value: ({ cost }) => cost.systemCallsPerOperation?.value,
  },
  {
    heading: [' calls', '/MiB'],
    method: ({ cost }) => cost.systemCallsPerMiB?.method,
    value: ({ cost }) => cost.systemCallsPerMiB?.value,
  },
  {
    heading: ['switch', '/op'],
    method: ({ cost }) => cost.contextSwitchesPerOperation.method,
    value: ({ cost }) => cost.contextSwitchesPerOperation.value,
  },
  {
    heading: ['es', '/MiB'],
    method: ({ cost }) => cost.contextSwitchesPerMiB.method,
    value: ({ cost }) => cost.contextSwitchesPerMiB.value,
  },
]
