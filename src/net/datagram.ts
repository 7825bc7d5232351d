import { decodeSocketAddress, type SocketAddress } from '../kernel/index.js'

/** A datagram that came. */
export class Datagram {
  /** What it carries; yours for ever. */
  readonly bytes: Uint8Array
  /** The sender's address as the kernel has it, to answer with: `socket.send(bytes, datagram)`. */
  readonly name: Uint8Array
  /** It was longer than `maxSize`: the rest is lost. */
  readonly truncated: boolean

  constructor(bytes: Uint8Array, name: Uint8Array, truncated: boolean) {
    this.bytes = bytes
    this.name = name
    this.truncated = truncated
  }

  /** The sender's address; undefined for a Unix socket without a name. */
  get from(): SocketAddress | undefined {
    return decodeSocketAddress(this.name)
  }
}

/** Bytes of the blocks that datagrams are kept in. */
const BLOCK_BYTES = 65536

/** Memory that is handed out piece by piece and never taken back. */
export class Heap {
  #block = new Uint8Array(0)
  #used = 0

  /** A copy of bytes. */
  keep(bytes: Uint8Array): Uint8Array {
    const { length } = bytes
    if (length > this.#block.length - this.#used) {
      if (length > BLOCK_BYTES / 4) return bytes.slice()
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES)
      this.#used = 0
    }
    const copy = new Uint8Array(this.#block.buffer, this.#used, length)
    copy.set(bytes)
    this.#used += length
    return copy
  }
}
