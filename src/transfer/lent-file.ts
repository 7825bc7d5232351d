import { engine } from '../engine/index.js'
import { errnoOf, type LentRun, lendFile, MSG, syscall } from '../kernel/index.js'
import type { Connection, FixedBytes } from '../net/index.js'
import { Endpoint } from './endpoint.js'
import type { Via } from './mechanism.js'
import { Residency } from './residency.js'
import { StepLoop } from './step-loop.js'
import { MUCH_BYTES, transfer } from './transfer.js'
import { allowance, LEAST_BYTES, spend } from './turns.js'

const EAGAIN = -errnoOf('EAGAIN')
const HEAD_FLAGS = MSG.MORE | MSG.DONTWAIT | MSG.NOSIGNAL
/** Up to here, what is not in memory is worth reading in whole before any of it is sent. */
const FETCH_BYTES = 256 * 1024
/** What one read brings. */
const READ_BYTES = 64 * 1024
/** Where those reads put what nobody looks at: it is the page cache that they are for. */
let nowhere: Uint8Array | undefined

/**
 * A file whose pages are lent to sockets again and again, by whoever has nothing to wait for: what of it is in memory
 * is looked at once for all of them, and a response takes two system calls.
 */
export class LentFile {
  /** What is known of it: what it had when it was first lent. */
  readonly source: Endpoint
  readonly residency: Residency

  /** @param fd of a regular file, which stays the caller's */
  constructor(fd: number) {
    this.source = new Endpoint(fd)
    this.residency = new Residency(this.source)
  }

  /**
   * Reads a small piece into the page cache, all of it at once, for `send()` to find it there: to be called where that has
   * sent nothing.
   *
   * @returns undefined where it was there already, or is too large to hold up its beginning
   */
  fetch(offset: number, length: number): Promise<void> | undefined {
    if (length > FETCH_BYTES || this.residency.knows(offset, length)) return undefined
    return this.#fetch(offset, length)
  }

  async #fetch(offset: number, length: number): Promise<void> {
    nowhere ??= new Uint8Array(new ArrayBuffer(READ_BYTES))
    let read = 0
    if (length <= READ_BYTES) {
      read = (await engine().read(this.source.fd, nowhere, 0, length, offset)) as number
    } else {
      const reads: Promise<unknown>[] = []
      for (let at = 0; at < length; at += READ_BYTES) {
        reads.push(engine().read(this.source.fd, nowhere, 0, Math.min(READ_BYTES, length - at), offset + at))
      }
      for (const count of await Promise.all(reads)) read += count as number
    }
    // A file that has become shorter is `send()`'s to find out.
    if (read === length) this.residency.learn(offset, offset + length)
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
    return said + this.#lend(socket, offset, warm).moved
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
    return (await transfer(this.source.fd, connection, rest)).via
  }

  async #sendWarm(connection: Connection, offset: number, length: number): Promise<number> {
    if (length >= MUCH_BYTES) connection.unpace()
    const loan = await connection.lend('write')
    let done = 0
    // Who calls has seen that it takes no more.
    let isFull = true
    const loop = new StepLoop({
      sink: { fd: loan.fd, held: true, blocks: false },
      check: () => loan.gone.throwIfAborted(),
    })
    try {
      await loop.run(most => {
        while (done < length && !isFull) {
          const warm = this.#warm(offset + done, Math.min(length - done, most))
          if (warm === 0) return 'leave'
          const { moved, result } = this.#lend(loan.fd, offset + done, warm)
          if (moved > 0) loan.moved(moved)
          done += moved
          if (result <= 0 && result !== EAGAIN) return 'leave'
          isFull = moved < warm || allowance() === 0
        }
        const next = isFull && done < length ? 'writable' : 'leave'
        isFull = false
        return next
      })
      return done
    } finally {
      loop.close()
      loan.release()
    }
  }

  /** How many bytes from an offset on are in memory. What comes behind is looked at with them: others ask for it next. */
  #warm(offset: number, length: number): number {
    this.residency.expire()
    return this.residency.warm(offset, length, Math.max(length, this.source.size - offset))
  }

  /** @returns as `lendFile()`; a result of 0 where nothing is in memory */
  #lend(socket: number, offset: number, warm: number): LentRun {
    const run = lendFile(
      this.source.fd,
      socket,
      offset,
      Math.min(warm, Math.max(LEAST_BYTES, allowance())),
      warm,
    )
    if (run.moved > 0) spend(run.moved)
    if (run.result <= 0 && run.result !== EAGAIN) this.residency.forget()
    return run
  }
}
