import { SOL, syscall, TCP } from '../kernel/index.js'
import type { Endpoint } from './endpoint.js'

const value = new Int32Array(new ArrayBuffer(64))
const length = new Uint32Array(new ArrayBuffer(64))

/**
 * Has a TCP socket send whole segments alone while more is certain to follow, whatever the size of the calls.
 *
 * Each call would otherwise end with a segment that is not full, which costs sender and receiver a fifth more in all.
 * The kernel holds back less than a segment, and for no more than 200 ms. A socket that somebody else has corked stays
 * so, and anything but TCP is left alone.
 *
 * @see tcp(7), TCP_CORK
 */
export class Cork {
  readonly #fd: number
  #tried = false
  #isIn = false

  constructor(sink: Pick<Endpoint, 'fd' | 'kind'>) {
    this.#fd = sink.fd
    this.#tried = sink.kind !== 'socket'
  }

  /** Holds back what is not a whole segment. */
  put(): void {
    if (this.#tried) return
    this.#tried = true
    length[0] = 4
    const known = syscall('getsockopt', this.#fd, SOL.TCP, TCP.CORK, value, length)
    if (known < 0 || value[0] !== 0) return
    value[0] = 1
    this.#isIn = syscall('setsockopt', this.#fd, SOL.TCP, TCP.CORK, value, 4) === 0
  }

  /** Sends what was held back. It can be put in again. */
  pull(): void {
    if (!this.#isIn) return
    this.#isIn = false
    this.#tried = false
    value[0] = 0
    syscall('setsockopt', this.#fd, SOL.TCP, TCP.CORK, value, 4)
  }
}
