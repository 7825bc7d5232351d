import { addressOf, invalidArgType } from '../kernel/index.js'

/** Bytes in memory of their own that does not move, and its address, so that it is asked for once and not at every send. */
export class FixedBytes {
  readonly bytes: Uint8Array
  readonly address: number

  /** @throws `ERR_INVALID_ARG_TYPE` */
  constructor(bytes: Uint8Array) {
    if (!(bytes instanceof Uint8Array)) throw invalidArgType('bytes', 'an instance of Uint8Array', bytes)
    this.bytes = bytes
    this.address = addressOf(bytes)
  }
}
