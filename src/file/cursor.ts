import { Fifo, type Usage } from '../engine/index.js'
import { SluiceError } from '../kernel/index.js'

/** Operations that may wait for a file's position at once. */
const MAX_WAITING = 2 ** 20

/**
 * The turn of those who use a file's own position: one at a time, in the order of asking.
 *
 * io_uring takes no lock on the position as read(2) does, so two such reads in flight would get the same bytes.
 */
export class Cursor implements Usage {
  /** Whoever has the turn; the engine counts it. */
  inFlight = 0
  readonly #waiting = new Fifo<() => void>(MAX_WAITING)
  readonly #drained: () => void

  /** @param drained is called when nobody has the turn or waits for it any more */
  constructor(drained: () => void) {
    this.#drained = drained
  }

  /** Whether somebody has the turn, or waits for it. */
  get busy(): boolean {
    return this.inFlight > 0 || this.#waiting.length > 0
  }

  /** The engine's word that the turn is free. */
  readonly idle = (): void => {
    while (this.inFlight === 0 && this.#waiting.length > 0) this.#waiting.shift()?.()
    if (!this.busy) this.#drained()
  }

  /** Starts an operation when it is its turn. @param start gives the engine this cursor as the operation's usage */
  run<T>(start: () => Promise<T>): Promise<T> {
    if (!this.busy) return start()
    return new Promise((resolve, reject) => {
      const begin = () => {
        try {
          resolve(start())
        } catch (error) {
          reject(error as Error)
        }
      }
      if (!this.#waiting.push(begin)) {
        reject(
          new SluiceError('ERR_SLUICE_QUEUE_FULL', `${MAX_WAITING} operations wait for the file's position`),
        )
      }
    })
  }

  /** Holds the turn for several operations. */
  hold<T>(body: () => Promise<T>): Promise<T> {
    return this.run(async () => {
      this.inFlight++
      try {
        return await body()
      } finally {
        this.inFlight--
        this.idle()
      }
    })
  }
}
