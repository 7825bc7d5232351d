import { readFileSync } from 'node:fs'
import { threadIds } from './perf-counter.js'

/** Threads of the kernel that work for this process's rings, and the CPU time they have had. */
export interface KernelThreads {
  /** `iou-wrk-*`: they carry out what would block. */
  workers: number
  /** `iou-sqp-*`: they take submissions without a system call. */
  pollers: number
  /** CPU time of those there are now, in nanoseconds. It is part of the process's system time too. */
  cpuNs: number
}

/** The kernel shows these threads among the process's own, known by their names. */
const WORKER = 'iou-wrk-'
const POLLER = 'iou-sqp-'

/** The kernel's threads of this process's rings; all 0 where there are none, or /proc cannot be read. */
export function kernelThreads(): KernelThreads {
  const found: KernelThreads = { workers: 0, pollers: 0, cpuNs: 0 }
  for (const thread of threadIds()) {
    try {
      const name = readFileSync(`/proc/self/task/${thread}/comm`, 'latin1')
      if (name.startsWith(WORKER)) found.workers++
      else if (name.startsWith(POLLER)) found.pollers++
      else continue
      found.cpuNs += Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'latin1').split(' ')[0])
    } catch {
      // It has ended since it was listed.
    }
  }
  return found
}
