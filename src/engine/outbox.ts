import { SluiceError } from '../kernel/index.js'
import type { Driver } from './driver.js'
import { Fifo } from './fifo.js'

/** Submissions that follow one another before the event loop turns. */
const ROUNDS = 4
const SETTLED = Promise.resolve()

/**
 * What has been prepared and not yet handed over: one submission a turn of the event loop, in the order of asking.
 *
 * What completions lead to goes out as soon as their promises have run, which saves the way round the event loop; but
 * only a few times in a row, so that everything else on the thread has its turn as well. Where a watcher has brought the
 * completions, it calls back for that; elsewhere a tick does.
 *
 * Entries that find the queue full are written later, once completions have made room; how many may wait so is
 * bounded by the operations that can be in flight.
 */
export class Outbox {
  /** Entries handed over so far. */
  submissions = 0
  /** Turns in which something was handed over. */
  batches = 0
  /** Attempts that found the queue full. */
  waits = 0
  /** Runs before each turn's submission, to add to it. */
  beforeSubmit: (() => void) | undefined
  readonly #driver: Driver
  readonly #backlog: Fifo<() => boolean>
  readonly #reap: (look: boolean) => void
  #scheduled = false
  /** Whether the event loop comes to `#turn`: once is enough, however often somebody asks. */
  #turning = false
  /** Whether somebody comes once promises have run. */
  #following = false
  /** Whether a watcher's callback is running, which says itself how it goes on. */
  #watched = false
  #rounds = 0
  #closed = false
  readonly #turn = () => {
    this.#turning = false
    this.#rounds = 0
    if (this.#scheduled) this.#handOver()
  }
  /**
   * Promises settled: a microtask behind theirs, which has Node call back once no microtask is left. (`nextTick()` by
   * itself would come before all of them.)
   */
  readonly #settled = () => process.nextTick(this.#round)
  readonly #round = () => {
    this.#following = false
    this.#next()
  }

  /** @param reap hands out what has completed; `look` where it may have done so other than at once */
  constructor(driver: Driver, limit: number, reap: (look: boolean) => void) {
    this.#driver = driver
    this.#backlog = new Fifo(limit)
    this.#reap = reap
  }

  /**
   * Runs in a watcher's callback.
   *
   * @param ready something has completed; else promises that the last call settled have run
   * @returns whether to be called again once those have that were settled now
   */
  watched(ready: boolean): boolean {
    this.#watched = true
    // Until the end: what throws leaves nobody to come back.
    this.#following = false
    let follows = false
    try {
      if (ready) {
        this.#rounds = 0
        this.#reap(true)
      } else this.#next()
      follows = this.#following
    } finally {
      this.#watched = false
      this.#following = follows
      if (this.#scheduled && !follows) this.#ask()
    }
    return follows
  }

  #next(): void {
    this.#rounds++
    if (this.#scheduled) this.#handOver()
  }

  #handOver(): void {
    if (this.#closed) return
    this.#scheduled = false
    this.batches++
    try {
      this.beforeSubmit?.()
    } finally {
      this.submit()
      this.#reap(false)
      // What waits for what was just handed over need not wait for the event loop; what the kernel had no memory for must.
      if (this.#scheduled && this.#driver.submissions.unconsumed === 0) this.follow()
    }
  }

  /** Whether entries wait for room; then nothing may be prepared past them. */
  get blocked(): boolean {
    return this.#backlog.length > 0
  }

  /** Writes entries now, or as soon as there is room. @param attempt writes them all, or none and returns false */
  place(attempt: () => boolean): void {
    if (this.blocked || !this.#attempt(attempt)) {
      this.waits++
      if (!this.#backlog.push(attempt)) {
        throw new SluiceError('ERR_SLUICE_QUEUE_FULL', `${this.#backlog.limit} entries wait already`)
      }
    }
    this.schedule()
  }

  #attempt(attempt: () => boolean): boolean {
    if (attempt()) return true
    this.submit()
    return attempt()
  }

  /** Sees to it that this turn ends with a submission. */
  schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    if (!this.#watched && !this.#following) this.#ask()
  }

  #ask(): void {
    if (this.#turning) return
    this.#turning = true
    setImmediate(this.#turn)
  }

  /** Completions have been handed out. */
  follow(): void {
    if (this.#following || this.#rounds >= ROUNDS) return
    this.#following = true
    if (!this.#watched) SETTLED.then(this.#settled)
  }

  /** Nothing is handed over any more, also in a turn that was asked for before. */
  close(): void {
    this.#closed = true
  }

  /** Hands over what is prepared. What the driver does not take now goes with the next turn. */
  submit(): void {
    this.submissions += this.#driver.submit()
    if (this.#driver.submissions.unconsumed > 0) this.schedule()
  }

  /** Writes what waited for room, as far as there is some now. */
  retry(): void {
    if (!this.blocked) return
    while (this.blocked && this.#attempt(this.#backlog.peek() as () => boolean)) this.#backlog.shift()
    this.schedule()
  }
}
