import type { Fingerprint, Measured } from '../observe/index.js'
import type { Disturbance } from './disturbance.js'
import type { Goal } from './mechanism.js'
import type { Spread } from './statistics.js'

/** What a row cost, each number with how it was come by. */
export interface RowCost {
  systemCallsPerOperation: Measured | null
  systemCallsPerMiB: Measured | null
  contextSwitchesPerOperation: Measured
  contextSwitchesPerMiB: Measured
  /** CPU time in user space, in microseconds. */
  userUsPerOperation: Measured
  /** CPU time in the kernel, in microseconds; that of the kernel's threads for this process included. */
  systemUsPerOperation: Measured
  /** Of the CPU time, what the kernel's threads for the rings had, in microseconds. */
  kernelThreadUsPerOperation: Measured | null
  pageFaultsPerOperation: Measured
  /** How often the kernel copies each byte from memory to memory. */
  kernelCopies: Measured & { why: string }
  /** Of the bytes asked for, the part that needed no device; null past the cache and for writes. */
  cacheHitRatio: Measured | null
  /** Bytes that the device delivered for each byte asked for: above 1 where the kernel read ahead in vain. */
  fetchedPerByte: Measured | null
}

/** What was measured of a row. */
export interface RowResult {
  /** Bytes moved in a second. */
  bytesPerSecond: Spread
  operationsPerSecond: Spread
  /** In nanoseconds, from beginning an operation to knowing of its end; null where there were too few operations. */
  latencyNs: { p50: number | null; p99: number | null; p999: number | null; samples: number }
  cost: RowCost
  /** Operations in flight at once, at most, as seen; and the memory they take. */
  queue: { deepest: number; bytes: number; bound: string }
  /** Of the file's pages, the part that was cached at the beginning; null past the cache. */
  residentBefore: number | null
  /** Laps that the medians are of. */
  laps: number
  /** Operations in all of them. */
  operations: number
}

/** A row of the report. Either `result` or `reason` is there. */
export interface RowReport {
  id: string
  /** Such as `Ring 4 KiB ×64`. */
  name: string
  mechanism: string
  about: string
  /** Whether Node has it without Sluice. */
  node: boolean
  goal: Goal
  /** Bytes of one operation, as measured: a small file makes it smaller than the name says. */
  size: number
  /** Operations that are kept in flight. */
  depth: number
  result?: RowResult
  /** Why there is no result. */
  reason?: string
}

/** One question of the checklist, answered from the rows of a run. */
export interface Answer {
  question: string
  /** In a word or a few: `yes`, `no`, `yes, in 3 rows`. */
  verdict: string
  /** Whether that is how it should be; undefined where the question asks for a choice rather than a state. */
  good: boolean | undefined
  /** What it rests on: sentences with this run's numbers. */
  points: string[]
}

/** Everything that a run of the lab has found. */
export interface LabReport {
  /** Of this shape; it changes when a field changes its meaning. */
  format: 1
  sluice: string
  fingerprint: Fingerprint
  options: { file: string | null; size: number; quick: boolean; only: string | null }
  /** The files: what was read, and what was written to. Bytes that were used of each. */
  files: { read: { path: string | null; bytes: number }; write: { folder: string | null; bytes: number } }
  rows: RowReport[]
  checklist: Answer[]
  /** What else the machine was doing meanwhile. */
  disturbance: Disturbance
  /** What could not be counted as well as it could be, and why; how mechanisms ran that had a choice. */
  notes: string[]
  /** Wall-clock time of the run, in milliseconds. */
  durationMs: number
}
