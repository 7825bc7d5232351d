import type { Receiver } from './receiver.js'

/** One iteration over a connection. */
export class Chunks implements AsyncIterator<Uint8Array, undefined> {
  readonly #receiver: Receiver

  constructor(receiver: Receiver) {
    this.#receiver = receiver
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    return this.#receiver.next()
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    return { done: true, value: undefined }
  }
}
