import { closeSync, readdirSync, readSync } from 'node:fs'
import { openPerfEvent, systemError } from '../kernel/index.js'

/** An event of perf_event_open(2), without the question whose. */
export interface CountedEvent {
  /** Of `PERF_TYPE`. */
  type: number
  /** Of `PERF_COUNT_SW`, or a tracepoint's number. */
  config: number
}

const ESRCH = -3

/** The threads of this process, those of the kernel that work for it included. */
export function threadIds(): number[] {
  return readdirSync('/proc/self/task').map(Number)
}

/**
 * A counter of one event over the whole process: the threads there are, and those that they will start. It counts
 * from its opening until `close()`.
 */
export class PerfCounter {
  readonly #descriptors: number[] = []
  readonly #count = new BigUint64Array(new ArrayBuffer(8))

  /** @throws the system error of perf_event_open(2): `EACCES` and `EPERM` without the right, `EMFILE`, `ENOENT` */
  constructor(event: CountedEvent) {
    for (const thread of threadIds()) {
      const descriptor = openPerfEvent({ ...event, thread, inherit: true })
      // A thread may have ended since it was listed.
      if (descriptor === ESRCH) continue
      if (descriptor < 0) {
        this.close()
        throw systemError(descriptor, 'perf_event_open')
      }
      this.#descriptors.push(descriptor)
    }
  }

  /** Events so far. Costs one system call a thread that there was at the opening. */
  read(): number {
    let total = 0
    for (const descriptor of this.#descriptors) {
      readSync(descriptor, this.#count)
      total += Number(this.#count[0])
    }
    return total
  }

  /** Stops counting. Idempotent. */
  close(): void {
    for (const descriptor of this.#descriptors.splice(0)) closeSync(descriptor)
  }
}
