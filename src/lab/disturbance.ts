import { RUSAGE, resourceUsage } from '../kernel/index.js'
import { cpuTimes } from '../observe/index.js'

/** How much of the CPUs' time went to others while the lab ran: above a tenth or so, its numbers are theirs too. */
export interface Disturbance {
  /** Of all CPU time, what other processes had. */
  others: number
  /** Of all CPU time, what a virtual machine's host had. */
  stolen: number
}

const US_PER_MS = 1000

function ownMs(): number {
  const both = [resourceUsage(RUSAGE.SELF), resourceUsage(RUSAGE.CHILDREN)]
  return both.reduce((sum, { userUs, systemUs }) => sum + (userUs + systemUs) / US_PER_MS, 0)
}

/** Begins to watch. @returns what ends it and tells; children must have been waited for by then */
export function watchDisturbance(): () => Disturbance {
  const before = cpuTimes()
  const ownBefore = ownMs()
  return () => {
    const after = cpuTimes()
    const busy = after.busyMs - before.busyMs
    const stolen = after.stolenMs - before.stolenMs
    const total = busy + stolen + after.idleMs - before.idleMs
    if (total <= 0) return { others: 0, stolen: 0 }
    return { others: Math.max(0, busy - (ownMs() - ownBefore)) / total, stolen: stolen / total }
  }
}
