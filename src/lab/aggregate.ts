import type { Measured, Method } from '../observe/index.js'
import type { Row } from './catalogue.js'
import type { CostName, CountedLap, Tally, TimedLap } from './lap-report.js'
import { readsFile } from './mechanism.js'
import type { RowCost, RowResult } from './report.js'
import { MIB } from './sizes.js'
import { median, spread, weightedMedian } from './statistics.js'

const NS_PER_SECOND = 1e9

/**
 * What an operation has of a quantity: the median of the laps and parts of laps, each with the weight of its operations,
 * so that one in which the device stalled says little. Null where it was not counted.
 */
function perOperation(tallies: readonly Tally[], name: CostName): Measured | null {
  const method = tallies[0]?.methods[name]
  if (method === undefined) return null
  return { value: medianOf(tallies, tally => tally.totals[name] ?? 0), method }
}

function medianOf(tallies: readonly Tally[], total: (tally: Tally) => number): number {
  return weightedMedian(
    tallies.map(tally => ({ value: total(tally) / tally.operations, weight: tally.operations })),
  )
}

interface Tallies {
  counted: readonly Tally[]
  timed: readonly Tally[]
}

function scaled(measured: Measured, factor: number): Measured {
  return { ...measured, value: measured.value * factor }
}

function need(measured: Measured | null): Measured {
  return measured ?? { value: 0, method: 'derived' }
}

/**
 * System calls of an operation. Where they cannot be counted, /proc has those like read and write, and a ring knows its
 * own.
 */
function systemCalls(counted: readonly Tally[]): Measured | null {
  const measured = perOperation(counted, 'systemCalls')
  if (measured === null || measured.method === 'tracepoint') return measured
  const enters = medianOf(counted, tally => tally.enters)
  return enters === 0 ? measured : { value: measured.value + enters, method: 'derived' }
}

/**
 * CPU time of an operation, user and system. Their sum is exact; how it is parted is sampled at the timer's tick, so
 * all laps together say it better than each alone.
 */
function cpuTime(timed: readonly Tally[]): { user: Measured; system: Measured } {
  const total = (name: CostName) => timed.reduce((sum, tally) => sum + (tally.totals[name] ?? 0), 0)
  const user = total('userUs')
  const both = user + total('systemUs')
  const each = need(perOperation(timed, 'cpuUs'))
  const share = both === 0 ? 0 : user / both
  return { user: scaled(each, share), system: scaled(each, 1 - share) }
}

function fetched(timed: readonly Tally[]): Measured | null {
  const method: Method | undefined = timed[0]?.methods.bytesFetched
  if (method === undefined) return null
  return { value: median(timed.map(tally => (tally.totals.bytesFetched ?? 0) / tally.bytes)), method }
}

function costOf({ mechanism, goal }: Row, { counted, timed }: Tallies, bytesEach: number): RowCost {
  const perMiB = MIB / bytesEach
  const calls = systemCalls(counted)
  const switches = need(perOperation(counted, 'contextSwitches'))
  const { user, system } = cpuTime(timed)
  const fetchedPerByte = readsFile(goal) ? fetched(timed) : null
  const hits = fetchedPerByte === null || mechanism.direct === true ? null : fetchedPerByte
  return {
    systemCallsPerOperation: calls,
    systemCallsPerMiB: calls && scaled(calls, perMiB),
    contextSwitchesPerOperation: switches,
    contextSwitchesPerMiB: scaled(switches, perMiB),
    userUsPerOperation: user,
    systemUsPerOperation: system,
    kernelThreadUsPerOperation: perOperation(timed, 'kernelThreadUs'),
    pageFaultsPerOperation: need(perOperation(counted, 'pageFaults')),
    kernelCopies: { value: mechanism.copies, method: 'derived', why: mechanism.copiesWhy },
    cacheHitRatio: hits && { ...hits, value: Math.min(1, Math.max(0, 1 - hits.value)) },
    fetchedPerByte,
  }
}

function percentile(laps: readonly TimedLap[], name: 'p50' | 'p99' | 'p999'): number | null {
  const values = laps.map(lap => lap.latency[name]).filter(value => value !== null)
  return values.length === 0 ? null : median(values)
}

/** What several laps of a row come to. @param counted at least one, as `timed`, each with an operation or more */
export function resultOf(
  row: Row,
  size: number,
  counted: readonly CountedLap[],
  laps: readonly TimedLap[],
): RowResult {
  const timed = laps.map(lap => lap.tally)
  const seconds = (tally: Tally) => (tally.totals.elapsedNs ?? 0) / NS_PER_SECOND
  const operations = timed.reduce((sum, tally) => sum + tally.operations, 0)
  const bytes = timed.reduce((sum, tally) => sum + tally.bytes, 0)
  const deepest = Math.max(...[...counted, ...laps].map(lap => lap.deepest))
  const resident = laps.map(lap => lap.residentBefore).filter(value => value !== null)
  return {
    bytesPerSecond: spread(timed.map(tally => tally.bytes / seconds(tally))),
    operationsPerSecond: spread(timed.map(tally => tally.operations / seconds(tally))),
    latencyNs: {
      p50: percentile(laps, 'p50'),
      p99: percentile(laps, 'p99'),
      p999: percentile(laps, 'p999'),
      samples: laps.reduce((sum, lap) => sum + lap.latency.samples, 0),
    },
    cost: costOf(row, { counted: counted.flatMap(lap => lap.tallies), timed }, bytes / operations),
    queue: {
      deepest,
      bytes: deepest * size,
      bound: row.mechanism.bound ?? (row.depth === 1 ? 'one at a time' : 'the depth that it is given'),
    },
    residentBefore: resident.length === 0 ? null : median(resident),
    laps: laps.length,
    operations,
  }
}
