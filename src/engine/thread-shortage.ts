import { errnoOf, systemError } from '../kernel/index.js'
import type { Slot } from './slot.js'

/** How often an operation is asked for anew: a millisecond later at first, then after twice as long each time. */
const TIMES = 10

const EAGAIN = -errnoOf('EAGAIN')
const ECANCELED = -errnoOf('ECANCELED')

const HINT =
  'the kernel can start no thread for it; raise ulimit -u, LimitNPROC= (systemd), --ulimit nproc= (Docker), ' +
  'or the cgroup’s pids.max: TasksMax= (systemd), --pids-limit (Docker)'

/**
 * Operations that the kernel has given up because it could not start the first of the threads that it carries out on what
 * would block: signals kept coming in between, or no further thread is allowed. None of them has begun, so they are
 * asked for anew. In between they are in flight as before.
 */
export class ThreadShortage {
  readonly #ask: (slot: Slot) => void

  /** @param ask has the entry of an operation written once more */
  constructor(ask: (slot: Slot) => void) {
    this.#ask = ask
  }

  /** Asks for an operation anew, after a pause. @returns false where that has been done often enough */
  postpone(slot: Slot): boolean {
    if (slot.asked === TIMES) return false
    const ask = () => {
      slot.pause = undefined
      this.#ask(slot)
    }
    slot.pause = setTimeout(ask, 2 ** slot.asked)
    slot.asked++
    return true
  }

  /** Ends the pause of an operation, which is not asked for again. @returns false where it is not in one */
  interrupt(slot: Slot): boolean {
    if (slot.pause === undefined) return false
    clearTimeout(slot.pause)
    slot.pause = undefined
    return true
  }
}

/** What an operation fails with when it has been asked for often enough. */
export function outOfThreads({ syscall, details }: Slot): NodeJS.ErrnoException {
  const error = systemError(EAGAIN, syscall, details, HINT)
  error.cause = systemError(ECANCELED, syscall, details)
  return error
}

/** Whether that is why an operation failed: there is nothing to wait for, unlike with any other `EAGAIN`. */
export function isOutOfThreads(error: unknown): boolean {
  const { errno, cause } = error as NodeJS.ErrnoException
  return errno === EAGAIN && (cause as NodeJS.ErrnoException | undefined)?.errno === ECANCELED
}
