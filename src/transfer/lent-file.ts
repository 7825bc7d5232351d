import { errnoOf, MSG, syscall } from '../kernel/index.js'
import { Endpoint, setOffset } from './endpoint.js'
import { Residency } from './residency.js'
import { allowance, spend } from './turns.js'

const EAGAIN = -errnoOf('EAGAIN')
const HEAD_FLAGS = MSG.MORE | MSG.DONTWAIT | MSG.NOSIGNAL
const offsetWords = new Int32Array(new ArrayBuffer(64))

/**
 * A file whose pages are lent to sockets again and again, by whoever has nothing to wait for: what of it is in memory
 * is looked at once for all of them, and a response takes two system calls.
 */
export class LentFile {
  readonly #source: Endpoint
  readonly #residency: Residency

  /** @param fd of a regular file, which stays the caller's */
  constructor(fd: number) {
    this.#source = new Endpoint(fd)
    this.#residency = new Residency(this.#source)
  }

  /**
   * Sends bytes, and behind them as much of the file as is in memory and the socket takes at once. The rest is for
   * `transfer()`, and so is whatever goes wrong: it says what.
   *
   * @param socket that does not block, and has been lent where it is a connection's
   * @returns bytes taken, those of `head` counted; 0 where nothing could be sent without waiting
   */
  send(socket: number, head: Uint8Array, offset: number, length: number): number {
    this.#residency.expire()
    const warm = this.#residency.warm(offset, Math.min(length, allowance()))
    if (warm === 0) return 0
    const said = syscall('sendto', socket, head, head.length, HEAD_FLAGS)
    if (said < head.length) return Math.max(0, said)
    setOffset(offsetWords, offset)
    const lent = syscall('sendfile', socket, this.#source.fd, offsetWords, warm)
    if (lent <= 0) {
      // What the head announced may never come, and it must not wait for it.
      if (lent !== EAGAIN) this.#residency.forget()
      return said
    }
    spend(lent)
    return said + lent
  }
}
