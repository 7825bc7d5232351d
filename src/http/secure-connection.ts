import type { ServerHttp2Session } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { Connection } from '../net/index.js'
import { closingAnswer } from './closing-answer.js'
import { addressOf, type Phase, type ServedConnection } from './served-connection.js'

/** A connection that one of Node's servers speaks over, through TLS: what it does is counted here. */
export class SecureConnection implements ServedConnection {
  readonly connection: Connection
  /** The client's, for the log. */
  readonly address: string
  beat = 0
  /** The session of HTTP/2, if that is what it speaks. */
  session: ServerHttp2Session | undefined
  /** Once the handshake is done. */
  #socket: TLSSocket | undefined
  #closing = false
  #expired = false
  readonly #onRefused: (status: number, bytes: number) => void
  /** Requests that are not answered yet. */
  #active = 0
  /** Bytes that had come, decrypted, when the last request was answered. */
  #readBefore = 0

  /** @param onRefused told of what was refused before it was a request, and the bytes of the answer */
  constructor(connection: Connection, onRefused: (status: number, bytes: number) => void) {
    this.connection = connection
    this.address = addressOf(connection)
    this.#onRefused = onRefused
  }

  /** What it waits for: of a session, other than of HTTP/1.1, bytes between requests are no beginning of one. */
  get phase(): Phase {
    if (this.#socket === undefined) return 'head'
    if (this.#expired) return 'linger'
    if (this.#active > 0) return 'send'
    return this.session === undefined && this.#socket.bytesRead > this.#readBefore ? 'head' : 'idle'
  }

  /** No further request is taken. */
  get closing(): boolean {
    return this.#closing
  }

  /** @returns when the connection has ended, for whatever reason */
  run(): Promise<void> {
    return this.connection.closed
  }

  /** The handshake is done. */
  secured(socket: TLSSocket): void {
    this.#socket = socket
    this.beat++
    if (this.#closing) socket.destroy()
  }

  /** A request has come. */
  begin(): void {
    this.#active++
    this.beat++
  }

  /** A response is through, or its client has gone. */
  end(): void {
    this.#active--
    this.#readBefore = this.#socket?.bytesRead ?? 0
    this.beat++
    if (this.#closing && this.#active === 0 && this.session === undefined) this.#socket?.destroySoon()
  }

  /** Of a handshake or a response nothing can be told; a session is, or one request of HTTP/1.1 that is not there whole. */
  expire(): boolean {
    const { phase } = this
    const socket = this.#socket
    if (socket === undefined || phase === 'send' || phase === 'linger') return false
    this.#closing = true
    this.#expired = true
    this.beat++
    if (this.session !== undefined) this.session.close()
    else if (phase === 'idle') socket.destroySoon()
    else this.refuse(408)
    return true
  }

  /** Answers what is no request of HTTP/1.1, or not a whole one, and ends. */
  refuse(status: number): void {
    const socket = this.#socket
    this.#closing = true
    // Behind a response that has begun nothing else can be said.
    if (socket?.writable !== true || this.#active > 0) {
      socket?.destroy()
      return
    }
    const answer = closingAnswer(status)
    socket.end(answer)
    this.#onRefused(status, answer.length)
  }

  finish(): void {
    this.#closing = true
    if (this.#socket === undefined) void this.connection.destroy()
    else if (this.session !== undefined) this.session.close()
    else if (this.#active === 0) this.#socket.destroySoon()
  }
}
