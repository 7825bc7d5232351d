import { FixedBytes } from '../net/index.js'

const DATE = 'Date: '

/**
 * A response that stands ready, or its head. A date is as long as any other, so that of the next second is written over
 * it: with many files that are asked for now and then, making them anew would be most of the work.
 *
 * Who sends it reads it before the turn ends, or has copied what was left.
 */
export class DatedBytes extends FixedBytes {
  readonly #buffer: Buffer
  readonly #at: number
  #date = ''

  /** @param head with a `Date` @param body sent behind it */
  constructor(head: string, body?: Uint8Array) {
    const buffer = Buffer.allocUnsafeSlow(head.length + (body?.length ?? 0))
    buffer.write(head, 'latin1')
    if (body !== undefined) buffer.set(body, head.length)
    super(buffer)
    this.#buffer = buffer
    this.#at = head.indexOf(DATE) + DATE.length
  }

  /** Makes it one of a date. */
  of(date: string): this {
    if (this.#date !== date) {
      this.#date = date
      this.#buffer.write(date, this.#at, 'latin1')
    }
    return this
  }
}
