import type { NodeRequest } from './node-answer.js'

/** Dropped at least, so that a client hears of its refusal before it is not listened to any longer. */
const LEAST_BYTES = 64 * 1024

/** The body of a request of one of Node's servers, read to nowhere. */
export class DroppedBody {
  /** 0 once it has come whole, else the status of the refusal. */
  readonly outcome: Promise<number>
  readonly #request: NodeRequest
  #settle: ((status: number) => void) | undefined

  /** @param limit in bytes; whoever sends twice as many, and 64 KiB more than it, is not listened to any longer */
  constructor(request: NodeRequest, limit: number) {
    this.outcome = new Promise(resolve => {
      this.#settle = resolve
    })
    this.#request = request
    let left = limit
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left < 0) this.settle(413)
      if (left < -Math.max(limit, LEAST_BYTES)) request.destroy()
    })
    request.once('end', () => this.settle(0))
    request.once('close', () => this.settle(400))
    request.on('error', () => {})
  }

  /** Gives the outcome, unless there is one. */
  settle(status: number): void {
    this.#settle?.(status)
    this.#settle = undefined
  }

  /** What comes is none of it. @returns false where it is there whole, if not told of yet */
  fail(status: number): boolean {
    if (this.#request.complete) return false
    this.settle(status)
    return true
  }
}
