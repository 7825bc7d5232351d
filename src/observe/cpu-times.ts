import { readFileSync } from 'node:fs'

/** What all CPUs together have done since the machine started, in milliseconds. @see proc_stat(5) */
export interface CpuTimes {
  /** Work of any process, and of the kernel. */
  busyMs: number
  /** Nothing, or waiting for a device. */
  idleMs: number
  /** A virtual machine wanted to work, and its host did something else. */
  stolenMs: number
}

/** The kernel counts in hundredths of a second here, whatever its timer does. */
const MS_PER_TICK = 10

/** The first line of /proc/stat as times. */
export function parseCpuTimes(text: string): CpuTimes {
  const line = text.split('\n', 1)[0] ?? ''
  const [, user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = line
    .split(/ +/)
    .map(Number)
  return {
    busyMs: (user + nice + system + irq + softirq) * MS_PER_TICK,
    idleMs: (idle + iowait) * MS_PER_TICK,
    stolenMs: steal * MS_PER_TICK,
  }
}

/** What all CPUs have done so far. @throws where /proc cannot be read */
export function cpuTimes(): CpuTimes {
  return parseCpuTimes(readFileSync('/proc/stat', 'latin1'))
}
