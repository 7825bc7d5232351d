import {
  AbortError,
  checkInteger,
  checkSignal,
  invalidArgType,
  invalidArgValue,
  SluiceError,
  SOL,
  type SocketAddress,
  TCP,
} from '../kernel/index.js'
import { Chunks } from './chunks.js'
import { unpaceLocal } from './congestion.js'
import type { ConnectionSettings } from './connection-options.js'
import { ConnectionDuplex } from './duplex.js'
import { FixedBytes } from './fixed-bytes.js'
import { dropRest, gentleLimits } from './gentle-close.js'
import { type Loan, loanOf } from './loan.js'
import { bytesOf } from './pieces.js'
import type { Receiver, Tap } from './receiver.js'
import type { Sender } from './sender.js'
import { socketAddress } from './socket-address.js'
import { MAX_KEEP_ALIVE, setKeepAlive, setOption, unacknowledgedBytes } from './socket-options.js'
import { type ConnectionKeeper, StreamSocket } from './stream-socket.js'
import { unlessAborted } from './unless-aborted.js'

/** Of one read, or another wait. */
export interface ReadOptions {
  /** Ends the wait, with an `AbortError`; what comes later is for the next read. */
  signal?: AbortSignal
}

/**
 * A connected stream socket: TCP or Unix.
 *
 * Bytes are pulled: nothing is received before the first read, and no more than a bound ahead of the reads. What
 * `read()` and iteration give is yours for ever; small chunks share blocks of 64 KiB, so keep a copy rather than a few
 * bytes of a chunk. What is written in one turn of the event loop goes out together; a promise of `write()` settles
 * when its memory is the caller's again and there is room for more.
 *
 * ```ts
 * for await (const bytes of connection) await connection.write(bytes)
 * ```
 *
 * A failure ends the connection and is told to whoever reads or writes. It keeps the process alive until it has ended.
 */
export class Connection implements AsyncIterable<Uint8Array> {
  readonly #socket: StreamSocket
  readonly #receiver: Receiver
  readonly #sender: Sender
  #closing: Promise<void> | undefined
  #duplex: ConnectionDuplex | undefined
  #remote: SocketAddress | undefined
  #unpaced = false

  /**
   * Takes over a connected socket; for users there are `connect()` and `listen()`.
   *
   * @param keeper told when the descriptor has been closed
   */
  constructor(fd: number, settings: ConnectionSettings, keeper?: ConnectionKeeper) {
    const socket = new StreamSocket(fd, settings, this, keeper)
    this.#socket = socket
    this.#receiver = socket.receiver
    this.#sender = socket.sender
  }

  /** The descriptor; -1 once closed. Whoever uses it by himself borrows it: {@link Connection.lend}. */
  get fd(): number {
    return this.#socket.isClosed ? -1 : this.#socket.fd
  }

  /** Whether it has neither ended nor failed nor been closed. */
  get isOpen(): boolean {
    return this.#socket.isOpen
  }

  /** Whether it was handed on with `toDuplex()`: then its listener does not close it when the handler is through. */
  get handedOn(): boolean {
    return this.#duplex !== undefined
  }

  /** Settles when the descriptor has been closed, for whatever reason; it never rejects. */
  get closed(): Promise<void> {
    return this.#socket.whenClosed()
  }

  /** What it failed with, or sending on it; undefined where it did not, and where it was closed here. */
  get error(): Error | undefined {
    return this.#socket.error ?? this.#sender.failure
  }

  /** Bytes received so far. */
  get bytesRead(): number {
    return this.#receiver.bytes
  }

  /** Bytes that the kernel has taken so far. */
  get bytesWritten(): number {
    return this.#sender.bytes
  }

  /** Bytes that the kernel has taken, and the peer has not acknowledged yet (SIOCOUTQ); its end counts as one. */
  get bytesUnacknowledged(): number {
    return this.#socket.isClosed ? 0 : unacknowledgedBytes(this.#socket.fd)
  }

  /** Bytes received and not read yet. */
  get readableLength(): number {
    return this.#receiver.queued
  }

  /** Bytes written that the kernel has not taken yet. */
  get writableLength(): number {
    return this.#sender.queued
  }

  /** Who is shown what comes for a `read()` that waits, and may use it first; for a server that answers at once. */
  set tap(tap: Tap | undefined) {
    if (tap !== undefined && typeof tap?.take !== 'function') throw invalidArgType('tap', 'a Tap', tap)
    this.#receiver.tap = tap
  }

  /**
   * The descriptor, for who sends by it before this turn's next await and then says so with `moved()`; -1 while
   * something written is on its way, or the descriptor is lent. It does not block where it came from a listener.
   */
  get clearFd(): number {
    return this.#socket.isOpen && this.#sender.clear ? this.#socket.fd : -1
  }

  /** Before much is moved at once: to a peer on this machine it is not paced, unless a congestion control was chosen. */
  unpace(): void {
    if (this.#unpaced || this.#socket.isClosed) return
    this.#unpaced = true
    if (this.#socket.settings.anyCongestion) unpaceLocal(this.#socket.fd)
  }

  /** Counts bytes that were sent by `clearFd`. */
  moved(bytes: number): void {
    this.#sender.bytes += bytes
  }

  /** The peer's address; of a Unix socket that nobody named, an empty path. */
  get remoteAddress(): SocketAddress | undefined {
    if (this.#remote === undefined && !this.#socket.isClosed) {
      this.#remote = socketAddress(this.#socket.fd, 'getpeername')
    }
    return this.#remote
  }

  /** This end's address; undefined once closed. */
  get localAddress(): SocketAddress | undefined {
    return this.#socket.isClosed ? undefined : socketAddress(this.#socket.fd, 'getsockname')
  }

  /**
   * The next bytes, as many as came together; null when the peer has ended.
   *
   * @throws the system error of recv(2): `ECONNRESET`, `ETIMEDOUT`; `AbortError`; `ERR_SLUICE_BUSY` while another read
   *   waits; `ERR_SLUICE_CLOSED`
   */
  read(options?: ReadOptions): Promise<Uint8Array | null> {
    if (options?.signal === undefined) return this.#receiver.read()
    return this.#abortable(options.signal, () => this.#receiver.read())
  }

  /**
   * The next bytes, into the caller's memory. Large ones come there without a copy.
   *
   * @returns how many; 0 when the peer has ended
   * @throws as `read()`; `ERR_INVALID_ARG_TYPE` unless `buffer` has room for at least a byte
   */
  readInto(buffer: Uint8Array, options?: ReadOptions): Promise<number> {
    if (!(buffer instanceof Uint8Array) || buffer.length === 0) {
      return Promise.reject(invalidArgType('buffer', 'a Uint8Array that is not empty', buffer))
    }
    if (options?.signal === undefined) return this.#receiver.readInto(buffer)
    return this.#abortable(options.signal, () => this.#receiver.readInto(buffer))
  }

  async #abortable<T>(signal: AbortSignal, start: () => Promise<T>): Promise<T> {
    checkSignal(signal)
    const receiver = this.#receiver
    const wasWaiting = receiver.waiting
    const reading = start()
    // Refused, or settled already: the wait that there is, if any, is another's.
    if (wasWaiting || !receiver.waiting) return reading
    const abort = () => receiver.abortWait(new AbortError(signal))
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await reading
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  /** The bytes, chunk by chunk, until the peer ends. Leaving the loop early leaves the connection as it is. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return new Chunks(this.#receiver)
  }

  /**
   * Sends bytes, behind all that were written before. Small ones are copied; larger ones must stay as they are until
   * the promise settles.
   *
   * @param data bytes, or text to be sent as UTF-8
   * @returns when the memory is the caller's again and no more than `sendBound` bytes wait
   * @throws `EPIPE` after `end()`; the system error of send(2) that ended the connection, of this or an earlier write;
   *   `ERR_SLUICE_QUEUE_FULL` at the bound, where it does not wait, or where 16384 writes wait; `ERR_SLUICE_CLOSED`
   */
  write(data: Uint8Array | string): Promise<void> {
    if (data instanceof Uint8Array) return this.#sender.write(data)
    if (typeof data === 'string') return this.#sender.write(Buffer.from(data))
    return Promise.reject(invalidArgType('data', 'of type string or an instance of Uint8Array', data))
  }

  /** As `write()`, bytes that do not change before the turn ends, whatever their size: they are sent from where they are. */
  writeFixed(fixed: FixedBytes): Promise<void> {
    if (!(fixed instanceof FixedBytes)) {
      return Promise.reject(invalidArgType('fixed', 'an instance of FixedBytes', fixed))
    }
    return this.#sender.writeFixed(fixed)
  }

  /** As `write()`, several pieces one behind the other: all of them are sent, or none where they are refused. */
  async writev(pieces: readonly (Uint8Array | string)[]): Promise<void> {
    await this.#sender.writev(bytesOf(pieces))
  }

  /**
   * @param options `signal` ends the wait, with an `AbortError`, and nothing else: bytes amid a stream cannot be taken back
   * @returns when the kernel has taken everything written so far; rejects if it does not
   */
  flush(options?: ReadOptions): Promise<void> {
    const drained = this.#sender.drain()
    return options?.signal === undefined ? drained : unlessAborted(options.signal, drained)
  }

  /** Ends this half when everything is sent; the peer can go on. @returns when the peer has been told */
  end(): Promise<void> {
    return this.#sender.end()
  }

  /**
   * Sends what was written, then closes. What came and was not received yet is lost, and makes the kernel tell the peer
   * of a reset. Idempotent; a peer that takes nothing is waited for: see `destroy()` and `idleTimeout`.
   *
   * @returns when the descriptor is closed; it never rejects
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /**
   * As `close()` for whoever has answered and does not want the rest: tells the peer that nothing more comes, drops what
   * it still sends until it ends too, then closes. Bytes that were not received would make the kernel reset the
   * connection, and the reset can overtake the answer (RFC 9112, 9.6). A read that waits comes first; what
   * comes after it is dropped, and further reads may be refused with `ERR_SLUICE_BUSY`.
   *
   * @param options `most` bytes that are dropped, 1 MiB by default; `timeout` in milliseconds, 2000 by default
   * @returns when the descriptor is closed; it rejects for wrong options alone
   */
  async closeGently(options: { most?: number; timeout?: number } = {}): Promise<void> {
    const limits = gentleLimits(options)
    await dropRest(this, limits)
    await this.close()
  }

  async #close(): Promise<void> {
    // Who wrote has been told of what went wrong.
    await this.#sender.drain().catch(() => {})
    await this.destroy()
  }

  /** As `close()`, without waiting for what was written. @param error what waiting reads and writes reject with */
  destroy(error?: Error): Promise<void> {
    this.#socket.destroy(error ?? closed(), error !== undefined)
    return this.#socket.whenClosed()
  }

  /** Drops the connection: the peer sees a reset, `ECONNRESET`. @returns when the descriptor is closed */
  reset(): Promise<void> {
    this.#socket.reset(closed())
    return this.#socket.whenClosed()
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * The connection as a stream of Node's: `server.emit('connection', connection.toDuplex())` serves it by `http`,
   * `https`, `http2`; `new TLSSocket(connection.toDuplex())` encrypts it. From then on it is the stream's alone, and its
   * listener does not close it when the handler is through.
   */
  toDuplex(): ConnectionDuplex {
    this.#duplex ??= new ConnectionDuplex(this, () => this.#receiver.end === 'ended')
    return this.#duplex
  }

  /** Has it keep the process alive again. */
  ref(): this {
    this.#socket.setBackground(false)
    return this
  }

  /** Lets the process end although it is open. */
  unref(): this {
    this.#socket.setBackground(true)
    return this
  }

  /** Sends small segments at once (TCP_NODELAY), or not. @throws the system error of setsockopt(2); `ERR_SLUICE_CLOSED` */
  setNoDelay(noDelay = true): this {
    setOption(this.#openFd, SOL.TCP, TCP.NODELAY, noDelay ? 1 : 0)
    return this
  }

  /**
   * Asks a silent peer whether it is still there.
   *
   * @param after milliseconds of silence before the first time
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; the system error of setsockopt(2); `ERR_SLUICE_CLOSED`
   */
  setKeepAlive(after: number | true = true): this {
    if (after !== true) checkInteger(after, 'after', 1, MAX_KEEP_ALIVE)
    setKeepAlive(this.#openFd, after)
    return this
  }

  /** The descriptor's number may be somebody else's by now, once it is closed. */
  get #openFd(): number {
    if (this.#socket.isClosed) throw closed()
    return this.#socket.fd
  }

  /**
   * Lends the descriptor to somebody who moves bytes by it himself: everything written is sent first, receiving stops,
   * and the descriptor stays open until `release()`. Meanwhile reads and writes reject with `ERR_SLUICE_BUSY`.
   *
   * @param direction which half is lent; the other one can be used as before
   * @param options `signal` ends the wait for a peer that takes nothing, with an `AbortError`: then nothing was lent
   */
  async lend(direction: 'read' | 'write', options: ReadOptions = {}): Promise<Loan> {
    if (direction !== 'read' && direction !== 'write') {
      throw invalidArgValue('direction', direction, 'is not read or write')
    }
    checkSignal(options.signal)
    const socket = this.#socket
    if (!socket.isOpen) {
      // As with `read()`, what came is there when the descriptor has been closed already.
      if (direction === 'read' && this.#receiver.end === 'ended') return this.#lendRest()
      throw this.error ?? closed()
    }
    const gone = socket.lend()
    const half = direction === 'write' ? this.#sender : this.#receiver
    try {
      await half.lend(options.signal)
    } catch (error) {
      socket.giveBack()
      throw error
    }
    const early = direction === 'read' ? this.#receiver.takeAll() : []
    return loanOf(half, { fd: socket.fd, gone, early }, unread => {
      half.resume(unread)
      socket.giveBack()
    })
  }

  async #lendRest(): Promise<Loan> {
    const receiver = this.#receiver
    await receiver.lend()
    const { signal } = new AbortController()
    const rest = { fd: -1, gone: signal, early: receiver.takeAll() }
    return loanOf(receiver, rest, unread => receiver.resume(unread))
  }
}

function closed(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'The connection is closed')
}
