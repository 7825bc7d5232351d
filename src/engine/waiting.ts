import { AbortError, SluiceError } from '../kernel/index.js'
import { pin, type Region, unpin } from '../memory/index.js'
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

/** One who waits: they hold one another by the hand, so that who gives up leaves from the middle at no cost. */
interface Place {
  readonly slots: number
  readonly begin: () => void
  before: Place | undefined
  behind: Place | undefined
}

/** Operations that wait for slots, first come, first served. */
export class WaitingLine {
  /** How many wait. */
  length = 0
  readonly #limit: number
  #first: Place | undefined
  #last: Place | undefined

  /** @param limit how many may wait */
  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * Waits until there is room. An abort meanwhile ends it at once: the kernel knows nothing of it yet.
   *
   * @returns what `start` does; rejects with `AbortError`, and `ERR_SLUICE_QUEUE_FULL` where too many wait
   */
  wait(waiter: Waiter): Promise<unknown> {
    if (this.length >= this.#limit) {
      return Promise.reject(
        new SluiceError('ERR_SLUICE_QUEUE_FULL', `${this.#limit} operations wait already`),
      )
    }
    const { signals, regions, usages, slots } = waiter
    return new Promise((resolve, reject) => {
      const deafen = () => {
        for (const signal of signals) signal?.removeEventListener('abort', abort)
      }
      const leave = () => {
        this.#remove(place)
        deafen()
      }
      const letGo = () => {
        for (const region of regions) unpin(region)
        for (const usage of usages) endUse(usage)
      }
      const abort = (event: Event) => {
        leave()
        reject(new AbortError(event.target as AbortSignal))
        letGo()
      }
      const begin = () => {
        leave()
        resolve(waiter.start())
        letGo()
      }
      try {
        for (const signal of signals) signal?.addEventListener('abort', abort, { once: true })
      } catch (error) {
        // The ones before the one that refuses listen already, for somebody who never took a place.
        deafen()
        reject(error as Error)
        return
      }
      const place = this.#add(slots, begin)
      for (const region of regions) pin(region)
      for (const usage of usages) if (usage !== undefined) usage.inFlight++
    })
  }

  #add(slots: number, begin: () => void): Place {
    const place: Place = { slots, begin, before: this.#last, behind: undefined }
    if (this.#last === undefined) this.#first = place
    else this.#last.behind = place
    this.#last = place
    this.length++
    return place
  }

  #remove({ before, behind }: Place): void {
    if (before === undefined) this.#first = behind
    else before.behind = behind
    if (behind === undefined) this.#last = before
    else behind.before = before
    this.length--
  }

  /** Begins what there is room for. Who comes first is not passed by. @param free how many slots are free */
  admit(free: () => number): void {
    for (let first = this.#first; first !== undefined; first = this.#first) {
      if (first.slots > free()) return
      first.begin()
    }
  }
}
