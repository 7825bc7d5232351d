import { addressOf } from '../kernel/index.js'

/** Bytes in memory of their own that does not move, and its address, so that it is asked for once and not at every send. */
export class FixedBytes {
  readonly bytes: Uint8Array
  readonly address: number

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.address = addressOf(bytes)
  }
}
