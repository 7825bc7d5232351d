import { Fifo } from '../engine/index.js'
import { SluiceError } from '../kernel/index.js'

/** Operations that may wait at a gate at once. */
const MAX_WAITING = 2 ** 20

interface Waiting {
  alone: boolean
  enter: () => void
}

/** Lets many through side by side, or one alone, in the order of coming. */
export class Gate {
  #inside = 0
  #alone = false
  readonly #waiting = new Fifo<Waiting>(MAX_WAITING)

  /** Runs beside others. */
  shared<T>(body: () => Promise<T>): Promise<T> {
    return this.#pass(false, body)
  }

  /** Runs while nobody else does. */
  alone<T>(body: () => Promise<T>): Promise<T> {
    return this.#pass(true, body)
  }

  async #pass<T>(alone: boolean, body: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || !this.#admit(alone)) await this.#wait(alone)
    try {
      return await body()
    } finally {
      this.#inside--
      this.#alone = false
      this.#next()
    }
  }

  #admit(alone: boolean): boolean {
    if (this.#alone || (alone && this.#inside > 0)) return false
    this.#inside++
    this.#alone = alone
    return true
  }

  #wait(alone: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.#waiting.push({ alone, enter: resolve })) {
        reject(new SluiceError('ERR_SLUICE_QUEUE_FULL', `${MAX_WAITING} writes wait for an unaligned one`))
      }
    })
  }

  #next(): void {
    for (let first = this.#waiting.peek(); first !== undefined; first = this.#waiting.peek()) {
      if (!this.#admit(first.alone)) return
      this.#waiting.shift()
      first.enter()
    }
  }
}
