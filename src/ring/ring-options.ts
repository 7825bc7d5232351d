import { checkBoolean, checkInteger, checkObject, IORING_SETUP, invalidArgValue } from '../kernel/index.js'
import { Registrar } from './registrar.js'
import type { SetupRequest } from './setup.js'

/**
 * How completions come to the thread.
 *
 * - `hosted`: the thread runs Node's event loop; the ring's descriptor is readable when completions wait
 * - `dedicated`: the ring is the thread's loop; it blocks in `submit(waitFor)`, and completions run only there
 * - `sqpoll`: a kernel thread takes submissions without a system call, at the price of a core while it is busy;
 *   it keeps the credentials of the ring's creation
 */
export type RingMode = 'hosted' | 'dedicated' | 'sqpoll'

/** How a ring is made. */
export interface RingOptions {
  /** Submission entries, rounded up to a power of two; 256 by default, 32768 at most. */
  entries?: number
  /** Completion entries, rounded up to a power of two; four times the submission entries by default. */
  completionEntries?: number
  mode?: RingMode
  /** With `sqpoll`: how long the kernel thread spins before it sleeps, in milliseconds; 1000 by default. */
  sqThreadIdle?: number
  /** With `sqpoll`: the CPU that the kernel thread is bound to. */
  sqThreadCpu?: number
  /** A ring whose kernel workers (and SQPOLL thread) this one shares. */
  share?: Registrar
  /** Further flags of `IORING_SETUP`: `IOPOLL`, `SQE128`, `CQE32`, `R_DISABLED`, … */
  flags?: number
  /** Kernel workers for what would block: on files (`bounded`) and on everything else (`unbounded`). */
  workers?: { bounded: number; unbounded: number }
  /** Other rings post messages here, so a wait may wait although nothing of this ring's own is in flight. */
  messages?: boolean
  /**
   * Limited waits tell the kernel their limits through a page that it has pinned, instead of having it fetch them each time.
   * Kernel 6.13.
   */
  registerWaits?: boolean
}

/** Submission entries at most. */
export const MAX_ENTRIES = 32768
/** Completion entries at most. */
export const MAX_COMPLETIONS = 2 * MAX_ENTRIES
/** Flags for rings that are laid out otherwise. */
const FOREIGN = IORING_SETUP.NO_MMAP | IORING_SETUP.REGISTERED_FD_ONLY | IORING_SETUP.SQ_REWIND

const MODES: Record<RingMode, { required: number; optional: readonly number[] }> = {
  hosted: {
    required: 0,
    // TASKRUN_FLAG is refused without COOP_TASKRUN, so both go together.
    optional: [
      IORING_SETUP.NO_SQARRAY,
      IORING_SETUP.SINGLE_ISSUER,
      IORING_SETUP.COOP_TASKRUN | IORING_SETUP.TASKRUN_FLAG,
      IORING_SETUP.SUBMIT_ALL,
    ],
  },
  dedicated: {
    required: 0,
    optional: [
      IORING_SETUP.NO_SQARRAY,
      IORING_SETUP.SINGLE_ISSUER | IORING_SETUP.DEFER_TASKRUN | IORING_SETUP.TASKRUN_FLAG,
      IORING_SETUP.SUBMIT_ALL,
    ],
  },
  sqpoll: {
    required: IORING_SETUP.SQPOLL,
    optional: [IORING_SETUP.NO_SQARRAY, IORING_SETUP.SINGLE_ISSUER, IORING_SETUP.SUBMIT_ALL],
  },
}

/**
 * Checks a ring's options and fills in what they leave out.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`
 */
export function setupRequest(options: RingOptions): SetupRequest {
  checkObject(options)
  const { entries = 256, mode = 'hosted', share, sqThreadIdle = 1000, sqThreadCpu = -1, flags = 0 } = options
  checkInteger(entries, 'options.entries', 1, MAX_ENTRIES)
  const { completionEntries = Math.min(entries * 4, MAX_COMPLETIONS) } = options
  checkInteger(completionEntries, 'options.completionEntries', 1, MAX_COMPLETIONS)
  checkInteger(sqThreadIdle, 'options.sqThreadIdle', 0, 2 ** 31 - 1)
  checkInteger(sqThreadCpu, 'options.sqThreadCpu', -1, 65535)
  checkInteger(flags, 'options.flags', 0, 2 ** 31 - 1)
  if (options.registerWaits !== undefined) checkBoolean(options.registerWaits, 'options.registerWaits')
  if ((flags & FOREIGN) !== 0) {
    throw invalidArgValue('options.flags', flags, 'has NO_MMAP, REGISTERED_FD_ONLY or SQ_REWIND')
  }
  if (!Object.hasOwn(MODES, mode))
    throw invalidArgValue('options.mode', mode, 'is not hosted, dedicated or sqpoll')
  const attach = share === undefined ? 0 : IORING_SETUP.ATTACH_WQ
  const bind = sqThreadCpu < 0 ? 0 : IORING_SETUP.SQ_AFF
  // Where waits are registered, the kernel must not have begun with any.
  const start = options.registerWaits ? IORING_SETUP.R_DISABLED : 0
  return {
    entries,
    completionEntries,
    required: MODES[mode].required | IORING_SETUP.CQSIZE | flags | attach | bind | start,
    optional: MODES[mode].optional,
    sqThreadIdleMs: sqThreadIdle,
    sqThreadCpu,
    wqFd: share === undefined ? 0 : Registrar.opened(share, 'options.share').fd,
  }
}
