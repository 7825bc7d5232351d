import { Duplex } from 'node:stream'
import { invalidArgType, outOfRange, type SocketAddress } from '../kernel/index.js'
import { unwatchProgress, type Watched, watchProgress } from './deadlines.js'

/** What setTimeout() takes. */
const MAX_TIMEOUT = 2 ** 31 - 1
/** Pieces of one write: a connection refuses to have too many wait, while a stream takes whatever is written to it. */
const MAX_PIECES = 1024

type Callback = (error?: Error | null) => void

/** What a stream needs of its connection. */
export interface StreamConnection {
  readonly isOpen: boolean
  readonly error: Error | undefined
  readonly closed: Promise<void>
  readonly bytesRead: number
  readonly bytesWritten: number
  readonly remoteAddress: SocketAddress | undefined
  readonly localAddress: SocketAddress | undefined
  read(): Promise<Uint8Array | null>
  write(data: Uint8Array): Promise<void>
  writev(pieces: readonly Uint8Array[]): Promise<void>
  end(): Promise<void>
  destroy(error?: Error): Promise<void>
  reset(): Promise<void>
  setNoDelay(noDelay: boolean): unknown
  setKeepAlive(after: number | true): unknown
  ref(): unknown
  unref(): unknown
}

/**
 * A connection as a stream of Node's, with what its protocols ask of a `net.Socket`: `http.Server`, `http2` and
 * `TLSSocket` work on it. It pulls from the connection as the stream's own buffer has room.
 */
export class ConnectionDuplex extends Duplex {
  /** As of a socket that is connected. */
  readonly connecting = false
  readonly pending = false
  /** Milliseconds of silence after which `timeout` is emitted; 0 for never. */
  timeout = 0
  readonly #connection: StreamConnection
  #watched: Watched | undefined

  /** @param peerEnded whether the peer has ended, so that what came before can be read when the connection is closed */
  constructor(connection: StreamConnection, peerEnded: () => boolean) {
    super({ allowHalfOpen: true, decodeStrings: true })
    this.#connection = connection
    connection.closed.then(() => {
      // Where both ends have ended the stream ends by itself, once what came before has been read.
      const isThrough = connection.error === undefined && this.writableEnded && peerEnded()
      if (!isThrough) this.destroy(connection.error)
    })
  }

  /** What it is a stream of. Whoever moves bytes by it himself corks the stream meanwhile. */
  get connection(): StreamConnection {
    return this.#connection
  }

  override _read(): void {
    this.#connection.read().then(
      chunk => {
        this.push(chunk === null ? null : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))
      },
      // Nobody's failure where somebody closed the connection himself.
      () => this.destroy(this.#connection.error),
    )
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#connection.write(chunk).then(() => callback(), callback)
  }

  override _writev(chunks: { chunk: Buffer }[], callback: Callback): void {
    const pieces = chunks.map(({ chunk }) => chunk)
    const written = pieces.length > MAX_PIECES ? this.#writeInParts(pieces) : this.#connection.writev(pieces)
    written.then(() => callback(), callback)
  }

  /** One after the other, so that a slow peer is seen to get on. */
  async #writeInParts(pieces: Buffer[]): Promise<void> {
    for (let at = 0; at < pieces.length; at += MAX_PIECES) {
      await this.#connection.writev(pieces.slice(at, at + MAX_PIECES))
    }
  }

  override _final(callback: Callback): void {
    this.#connection.end().then(() => callback(), callback)
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.setTimeout(0)
    this.#connection.destroy(error ?? undefined).then(() => callback(error))
  }

  /** Destroys it once everything written is sent, as `net.Socket` does. */
  destroySoon(): void {
    if (this.writable) this.end()
    if (this.writableFinished) this.destroy()
    else this.once('finish', this.destroy)
  }

  /** Drops the connection: the peer sees a reset. */
  resetAndDestroy(): this {
    this.#connection.reset()
    return this.destroy()
  }

  /**
   * Has `timeout` emitted after so many milliseconds of silence; 0 for never.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, as of a `net.Socket`
   */
  setTimeout(milliseconds: number, callback?: () => void): this {
    if (typeof milliseconds !== 'number') throw invalidArgType('milliseconds', 'of type number', milliseconds)
    if (!(milliseconds >= 0 && milliseconds < Infinity)) {
      throw outOfRange('milliseconds', 'a non-negative finite number', milliseconds)
    }
    const time = Math.min(milliseconds, MAX_TIMEOUT)
    if (this.#watched !== undefined) unwatchProgress(this.#watched, this.timeout)
    this.#watched = undefined
    this.timeout = time
    if (callback !== undefined) {
      if (time === 0) this.off('timeout', callback)
      else this.once('timeout', callback)
    }
    if (time > 0) this.#watch(time)
    return this
  }

  #watch(milliseconds: number, silentAt = -1): void {
    const bytes = () => this.#connection.bytesRead + this.#connection.bytesWritten
    this.#watched = {
      // After one time-out the next needs a byte to go before.
      beat: () => (bytes() === silentAt ? undefined : bytes()),
      expired: () => {
        this.#watch(milliseconds, bytes())
        this.emit('timeout')
      },
    }
    watchProgress(this.#watched, milliseconds)
  }

  setNoDelay(noDelay = true): this {
    if (this.#connection.isOpen && this.remotePort !== undefined) this.#connection.setNoDelay(noDelay)
    return this
  }

  setKeepAlive(enable = false, initialDelay = 0): this {
    if (enable && this.#connection.isOpen && this.remotePort !== undefined) {
      this.#connection.setKeepAlive(initialDelay > 0 ? initialDelay : true)
    }
    return this
  }

  ref(): this {
    this.#connection.ref()
    return this
  }

  unref(): this {
    this.#connection.unref()
    return this
  }

  /** This end's address. */
  address(): SocketAddress | Record<string, never> {
    return this.#connection.localAddress ?? {}
  }

  get bytesRead(): number {
    return this.#connection.bytesRead
  }

  get bytesWritten(): number {
    return this.#connection.bytesWritten
  }

  get remoteAddress(): string | undefined {
    return internet(this.#connection.remoteAddress)?.address
  }

  get remotePort(): number | undefined {
    return internet(this.#connection.remoteAddress)?.port
  }

  get remoteFamily(): string | undefined {
    return internet(this.#connection.remoteAddress)?.family
  }

  get localAddress(): string | undefined {
    return internet(this.#connection.localAddress)?.address
  }

  get localPort(): number | undefined {
    return internet(this.#connection.localAddress)?.port
  }

  get localFamily(): string | undefined {
    return internet(this.#connection.localAddress)?.family
  }
}

function internet(address: SocketAddress | undefined) {
  return address !== undefined && 'port' in address ? address : undefined
}
