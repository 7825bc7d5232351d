import type { ServerHttp2Session } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { Connection } from '../net/index.js'
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
  /** Requests that are not answered yet. */
  #active = 0
  /** Encrypted bytes that had come when the last request was answered. */
  #readBefore = 0

  constructor(connection: Connection) {
    this.connection = connection
    this.address = addressOf(connection)
  }

  /** What it waits for: of a session, other than of HTTP/1.1, bytes between requests are no beginning of one. */
  get phase(): Phase {
    if (this.#socket === undefined) return 'head'
    if (this.#active > 0) return 'send'
    return this.session === undefined && this.connection.bytesRead > this.#readBefore ? 'head' : 'idle'
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
    this.#readBefore = this.connection.bytesRead
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
    this.#readBefore = this.connection.bytesRead
    this.beat++
    if (this.#closing && this.#active === 0 && this.session === undefined) this.#socket?.destroySoon()
  }

  finish(): void {
    this.#closing = true
    if (this.#socket === undefined) void this.connection.destroy()
    else if (this.session !== undefined) this.session.close()
    else if (this.#active === 0) this.#socket.destroySoon()
  }
}
