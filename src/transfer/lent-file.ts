import { engine } from '../engine/index.js'
import { addressOf, errnoOf, MSG, POLL, syscall } from '../kernel/index.js'
import type { Connection, FixedBytes } from '../net/index.js'
import { preparePollAdd } from '../ring/index.js'
import { Endpoint, setOffset } from './endpoint.js'
import type { Via } from './mechanism.js'
import { Residency } from './residency.js'
import { transfer } from './transfer.js'
import { allowance, LEAST_BYTES, nextTurn, spend } from './turns.js'

const EAGAIN = -errnoOf('EAGAIN')
const HEAD_FLAGS = MSG.MORE | MSG.DONTWAIT | MSG.NOSIGNAL
const offsetWords = new Int32Array(new ArrayBuffer(64))
let offsetAddress = 0

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
   * `sendRest()`, and so is whatever goes wrong: it says what.
   *
   * @param socket that does not block, and has been lent where it is a connection's
   * @returns bytes taken, those of `head` counted; 0 where nothing could be sent without waiting
   */
  send(socket: number, head: FixedBytes, offset: number, length: number): number {
    // Even where this turn's allowance is used up: to come back for so little would cost more than it.
    const warm = this.#warm(offset, Math.min(length, Math.max(LEAST_BYTES, allowance())))
    if (warm === 0) return 0
    const headLength = head.bytes.length
    const said = syscall('sendto', socket, head.address, headLength, HEAD_FLAGS)
    if (said < headLength) return Math.max(0, said)
    // What the head announced may never come, and it must not wait for it.
    return said + Math.max(0, this.#lend(socket, offset, warm))
  }

  /**
   * Sends a piece of the file: as long as it is in memory, by this thread whenever the socket has room, and by
   * `transfer()` from where it is not.
   *
   * @returns by what the last of it went
   * @throws as `transfer()` does, and what the connection has ended with
   */
  async sendRest(connection: Connection, offset: number, length: number): Promise<Via> {
    const done = await this.#sendWarm(connection, offset, length)
    if (done === length) return 'sendfile'
    const rest = { offset: offset + done, length: length - done }
    return (await transfer(this.#source.fd, connection, rest)).via
  }

  async #sendWarm(connection: Connection, offset: number, length: number): Promise<number> {
    const loan = await connection.lend('write')
    let done = 0
    try {
      while (done < length) {
        await writable(loan.fd)
        loan.gone.throwIfAborted()
        while (allowance() === 0) await nextTurn()
        const warm = this.#warm(offset + done, Math.min(length - done, allowance()))
        const sent = warm === 0 ? 0 : this.#lend(loan.fd, offset + done, warm)
        if (sent === EAGAIN) continue
        if (sent <= 0) break
        loan.moved(sent)
        done += sent
      }
      return done
    } finally {
      loan.release()
    }
  }

  /** How many bytes from an offset on are in memory. What comes behind is looked at with them: others ask for it next. */
  #warm(offset: number, length: number): number {
    this.#residency.expire()
    return this.#residency.warm(offset, length, Math.max(length, this.#source.size - offset))
  }

  /** @returns bytes that the socket took, or -errno */
  #lend(socket: number, offset: number, length: number): number {
    if (offsetAddress === 0) offsetAddress = addressOf(offsetWords)
    setOffset(offsetWords, offset)
    const sent = syscall('sendfile', socket, this.#source.fd, offsetAddress, length)
    if (sent > 0) spend(sent)
    else if (sent !== EAGAIN) this.#residency.forget()
    return sent
  }
}

/** Waits until a socket takes bytes, or has failed. */
function writable(fd: number): Promise<unknown> {
  return engine().run((queue, userData) => preparePollAdd(queue, fd, POLL.OUT, userData), { syscall: 'poll' })
}
