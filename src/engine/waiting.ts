import { AbortError, SluiceError } from '../kernel/index.js'
import { pin, type Region, unpin } from '../memory/index.js'
import { Fifo } from './fifo.js'
import { endUse, type Usage } from './usage.js'

/** What is known of operations that wait together. */
export interface Waiter {
  /** Slots that they need. */
  slots: number
  /** Begins them, now that there is room. Does not throw. */
  start(): Promise<unknown>
  signals: readonly (AbortSignal | undefined)[]
  /** Memory that they will be carried out in; it stays mapped meanwhile. */
  regions: readonly Region[]
  /** They count as in flight meanwhile. */
  usages: readonly (Usage | undefined)[]
}

interface Place {
  readonly slots: number
  /** Undefined once it has been given up. */
  begin: (() => void) | undefined
}

/** Operations that wait for slots, first come, first served. */
export class WaitingLine {
  readonly #line: Fifo<Place>
  #givenUp = 0

  /** @param limit how many may wait */
  constructor(limit: number) {
    this.#line = new Fifo(limit)
  }

  /** How many wait. */
  get length(): number {
    return this.#line.length - this.#givenUp
  }

  /**
   * Waits until there is room. An abort meanwhile ends it at once: the kernel knows nothing of it yet.
   *
   * @returns what `start` does; rejects with `AbortError`, and `ERR_SLUICE_QUEUE_FULL` where too many wait
   */
  wait(waiter: Waiter): Promise<unknown> {
    const { signals, regions, usages, slots } = waiter
    return new Promise((resolve, reject) => {
      const leave = () => {
        place.begin = undefined
        for (const signal of signals) signal?.removeEventListener('abort', abort)
      }
      const letGo = () => {
        for (const region of regions) unpin(region)
        for (const usage of usages) endUse(usage)
      }
      const abort = (event: Event) => {
        leave()
        this.#givenUp++
        reject(new AbortError(event.target as AbortSignal))
        letGo()
      }
      const begin = () => {
        leave()
        resolve(waiter.start())
        letGo()
      }
      const place: Place = { slots, begin }
      if (!this.#line.push(place)) {
        reject(new SluiceError('ERR_SLUICE_QUEUE_FULL', `${this.#line.limit} operations wait already`))
        return
      }
      for (const region of regions) pin(region)
      for (const usage of usages) if (usage !== undefined) usage.inFlight++
      for (const signal of signals) signal?.addEventListener('abort', abort, { once: true })
    })
  }

  /** Begins what there is room for. Who comes first is not passed by. @param free how many slots are free */
  admit(free: () => number): void {
    for (let head = this.#line.peek(); head !== undefined; head = this.#line.peek()) {
      if (head.begin !== undefined && head.slots > free()) return
      this.#line.shift()
      if (head.begin === undefined) this.#givenUp--
      else head.begin()
    }
  }
}
