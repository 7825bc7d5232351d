import { availableParallelism } from 'node:os'
import {
  addressOf,
  FdWatcher,
  RUN_JOBS,
  SluiceError,
  SYSCALL,
  type SyscallName,
  SyscallPool,
  type SystemErrorDetails,
  systemError,
} from '../kernel/index.js'
import { Fifo } from './fifo.js'
import { endUse, type Usage } from './usage.js'

/** What is known of an offloaded call besides its arguments. */
export interface OffloadOptions {
  /** The call's name in errors; its own by default. */
  syscall?: string
  /** What an error is about. */
  details?: SystemErrorDetails
  /** What counts the call as under way. */
  usage?: Usage | undefined
}

type Done = (result: number) => void

/** Calls under way at most; further ones wait. */
const CAPACITY = 1024
/** Calls that may wait. */
const MAX_WAITING = 2 ** 20
const MAX_THREADS = 16

/** Threads for what io_uring does not have, shared by everything on this thread. */
class Offload {
  readonly #pool: SyscallPool
  readonly #watcher: FdWatcher
  readonly #done: (Done | undefined)[] = new Array(CAPACITY).fill(undefined)
  readonly #free = Array.from({ length: CAPACITY }, (_, index) => CAPACITY - 1 - index)
  readonly #waiting = new Fifo<() => void>(MAX_WAITING)
  readonly #settle = (mark: number, result: number) => {
    const done = this.#done[mark] as Done
    this.#done[mark] = undefined
    this.#free.push(mark)
    done(result)
  }
  readonly #hand = () => {
    this.#scheduled = false
    this.#pool.submit()
  }
  #scheduled = false

  constructor() {
    const threads = Math.min(Math.max(4, availableParallelism()), MAX_THREADS)
    this.#pool = new SyscallPool({ threads, capacity: CAPACITY })
    this.#watcher = new FdWatcher(this.#pool.eventFd, () => this.#reap())
    this.#watcher.start()
  }

  start(done: Done, number: number, args: readonly number[]): boolean {
    const mark = this.#free.pop()
    if (mark === undefined) return this.#waiting.push(() => this.start(done, number, args))
    this.#done[mark] = done
    this.#pool.push(number, mark, ...args)
    this.#watcher.ref()
    if (!this.#scheduled) {
      this.#scheduled = true
      queueMicrotask(this.#hand)
    }
    return true
  }

  #reap(): void {
    this.#pool.reap(this.#settle)
    while (this.#waiting.length > 0 && this.#free.length > 0) this.#waiting.shift()?.()
    if (this.#pool.underWay === 0) this.#watcher.unref()
  }
}

let own: Offload | undefined

function start(done: Done, number: number, args: readonly number[], usage: Usage | undefined): void {
  own ??= new Offload()
  if (usage !== undefined) usage.inFlight++
  const over = (result: number) => {
    done(result)
    endUse(usage)
  }
  if (!own.start(over, number, args)) {
    endUse(usage)
    throw new SluiceError('ERR_SLUICE_QUEUE_FULL', `${MAX_WAITING} system calls wait already`)
  }
}

/**
 * Carries out a system call on another thread: for those that could block this one and that io_uring does not have.
 * What is asked for in one go is handed over in one go; the calls of one thread run at the same time, in any order.
 *
 * @param args views are kept alive until the call is over
 * @returns what the kernel returned; rejects with the system error, or `ERR_SLUICE_QUEUE_FULL`
 */
export function offload(
  name: SyscallName,
  args: readonly (number | ArrayBufferView)[],
  options: OffloadOptions = {},
): Promise<number> {
  return new Promise((resolve, reject) => {
    const numbers = args.map(arg => (typeof arg === 'number' ? arg : addressOf(arg)))
    const done = (result: number) => {
      // Mentioning the arguments here is what keeps their memory alive.
      if (result < 0) reject(systemError(result, options.syscall ?? name, options.details))
      else if (args.length >= 0) resolve(result)
    }
    start(done, SYSCALL[name], numbers, options.usage)
  })
}

/**
 * Carries out jobs, written by `writeJob()`, one after the other on another thread. Each leaves its own result:
 * `jobResult()` reads it.
 *
 * @param jobs kept alive until all are over, as everything must be that they point to
 */
export function offloadJobs(jobs: Int32Array, count: number, usage?: Usage): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      if (jobs.length > 0) resolve()
    }
    start(done, RUN_JOBS, [addressOf(jobs), count], usage)
  })
}
