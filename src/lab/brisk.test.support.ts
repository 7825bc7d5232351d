import type { Pace } from './schedule.js'

/** Laps that are long enough to count in, and no longer: what a test asks is not how fast something is. */
export const BRISK: Pace = { totalMs: 30_000, passes: 1, longestMs: 20, shortestMs: 20, share: true }
