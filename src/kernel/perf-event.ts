import { syscall } from './syscall.js'

/** Kinds of events. @see perf_event_open(2) */
export const PERF_TYPE = { SOFTWARE: 1, TRACEPOINT: 2 } as const

/** Events that the kernel counts by itself, without hardware. */
export const PERF_COUNT_SW = {
  CPU_CLOCK: 0,
  TASK_CLOCK: 1,
  PAGE_FAULTS: 2,
  CONTEXT_SWITCHES: 3,
  CPU_MIGRATIONS: 4,
  PAGE_FAULTS_MIN: 5,
  PAGE_FAULTS_MAJ: 6,
} as const

/** Of `struct perf_event_attr`, in bytes; the size is that of its first version, which every kernel takes. */
const ATTR = { TYPE: 0, SIZE_FIELD: 4, CONFIG: 8, FLAGS: 40, SIZE: 64 } as const

const FLAG = { INHERIT: 1 << 1, EXCLUDE_KERNEL: 1 << 5, EXCLUDE_HYPERVISOR: 1 << 6 } as const

const FLAG_FD_CLOEXEC = 8
const ANY_CPU = -1
const NO_GROUP = -1

/** What a counter counts. */
export interface PerfEvent {
  /** Of {@link PERF_TYPE}. */
  type: number
  /** Of {@link PERF_COUNT_SW}, or a tracepoint's number. */
  config: number
  /** The thread; 0 for the calling one. */
  thread: number
  /** Also what the thread's later children do, threads and processes. */
  inherit: boolean
  /** Only what happens in user mode, which is all that an ordinary user may ask for by default. */
  excludeKernel?: boolean
}

/**
 * Opens a counter, which runs at once. Reading its descriptor gives the count, 64 bits.
 *
 * @returns its descriptor, or -errno: `EACCES` where `kernel.perf_event_paranoid` forbids it, `ENOENT` where the kernel
 *   has no such event, `EMFILE`, `ESRCH` for a thread that has ended
 * @see perf_event_open(2)
 */
export function openPerfEvent(event: PerfEvent): number {
  const attributes = new DataView(new ArrayBuffer(ATTR.SIZE))
  attributes.setUint32(ATTR.TYPE, event.type, true)
  attributes.setUint32(ATTR.SIZE_FIELD, ATTR.SIZE, true)
  attributes.setUint32(ATTR.CONFIG, event.config, true)
  const inherit = event.inherit ? FLAG.INHERIT : 0
  const exclude = event.excludeKernel ? FLAG.EXCLUDE_KERNEL | FLAG.EXCLUDE_HYPERVISOR : 0
  attributes.setUint32(ATTR.FLAGS, inherit | exclude, true)
  return syscall('perf_event_open', attributes, event.thread, ANY_CPU, NO_GROUP, FLAG_FD_CLOEXEC)
}
