import { systemError } from './errors.js'
import { syscall } from './syscall.js'

/** Whose usage getrusage(2) tells. */
export const RUSAGE = {
  /** All threads of the process, also those that have ended. */
  SELF: 0,
  /** Children that have been waited for. */
  CHILDREN: -1,
  /** The calling thread. */
  THREAD: 1,
} as const

/** `struct rusage` in 64-bit words. */
const WORD = {
  UTIME: 0,
  STIME: 2,
  MAXRSS: 4,
  MINFLT: 8,
  MAJFLT: 9,
  INBLOCK: 11,
  OUBLOCK: 12,
  NVCSW: 16,
  NIVCSW: 17,
} as const

const WORDS = 18

/** What a thread or process has used since its start. */
export interface ResourceUsage {
  /** CPU time in user space, in microseconds. */
  userUs: number
  /** CPU time in the kernel, in microseconds. */
  systemUs: number
  /** The most memory that was ever resident, in KiB. */
  maxResidentKiB: number
  /** Page faults that needed no device. */
  minorFaults: number
  /** Page faults that waited for a device. */
  majorFaults: number
  /** Blocks of 512 bytes that were read from a device. */
  blocksRead: number
  /** Blocks of 512 bytes that were given to be written. */
  blocksWritten: number
  /** Times that it gave up the CPU to wait. */
  voluntarySwitches: number
  /** Times that the CPU was taken from it. */
  involuntarySwitches: number
}

const words = new BigInt64Array(new ArrayBuffer(WORDS * 8))

function time(at: number): number {
  return Number(words[at]) * 1e6 + Number(words[at + 1])
}

/** What has been used so far. @param who of {@link RUSAGE} @see getrusage(2) */
export function resourceUsage(who: number = RUSAGE.SELF): ResourceUsage {
  const result = syscall('getrusage', who, words)
  if (result < 0) throw systemError(result, 'getrusage')
  return {
    userUs: time(WORD.UTIME),
    systemUs: time(WORD.STIME),
    maxResidentKiB: Number(words[WORD.MAXRSS]),
    minorFaults: Number(words[WORD.MINFLT]),
    majorFaults: Number(words[WORD.MAJFLT]),
    blocksRead: Number(words[WORD.INBLOCK]),
    blocksWritten: Number(words[WORD.OUBLOCK]),
    voluntarySwitches: Number(words[WORD.NVCSW]),
    involuntarySwitches: Number(words[WORD.NIVCSW]),
  }
}
