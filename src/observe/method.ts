/**
 * How a number was come by.
 *
 * - `tracepoint`: every event counted by the kernel, at the very place
 * - `perf`: a software counter of the kernel
 * - `getrusage`: the kernel's accounting; its split into user and system time is sampled at the timer's tick
 * - `procfs`: files of /proc
 * - `cachestat`, `mincore`: the page cache, asked by the system call of that name
 * - `clock`: the monotonic clock
 * - `derived`: worked out from how the mechanism works, or from other numbers; not measured
 */
export type Method =
  | 'tracepoint'
  | 'perf'
  | 'getrusage'
  | 'procfs'
  | 'cachestat'
  | 'mincore'
  | 'clock'
  | 'derived'

/** A number and where it comes from. */
export interface Measured {
  readonly value: number
  readonly method: Method
}
