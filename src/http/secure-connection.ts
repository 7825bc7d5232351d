import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { Connection } from '../net/index.js'
import { type Answer, emptyAnswer } from './answer.js'
import { closingAnswer } from './closing-answer.js'
import type { DroppedBody } from './dropped-body.js'
import { addressOf, type Phase, type ServedConnection } from './served-connection.js'
import type { ServerSettings } from './server-options.js'

/** Told of what was refused before it was a request to be answered, and of the bytes of the answer. */
type OnRefused = (status: number, bytes: number, request?: IncomingMessage) => void

/** A connection that one of Node's servers speaks over, through TLS: what it does is counted here. */
export class SecureConnection implements ServedConnection {
  readonly connection: Connection
  /** The client's, for the log. */
  readonly address: string
  #beat = 0
  /** The session of HTTP/2, if that is what it speaks. */
  session: ServerHttp2Session | undefined
  /** Once the handshake is done. */
  #socket: TLSSocket | undefined
  #closing = false
  #expired = false
  /** Closes one of HTTP/1.1 over which nothing is under way. */
  #destroySoon: (() => void) | undefined
  /** Its end was sent, and the client's is waited for. */
  #ended = false
  readonly #settings: ServerSettings
  readonly #onRefused: OnRefused
  /** Requests that are still taken. */
  #left: number
  /** Requests that are not answered yet, and of these the bodies that have not come whole. */
  #active = 0
  readonly #bodies = new Set<DroppedBody>()
  /** Of the request of HTTP/1.1 that came last. */
  #response: ServerResponse | undefined
  /** What follows the answers that are under way. */
  #refusal: (() => void) | undefined
  /** The status with which what came last was refused, if it was. */
  #malformed = 0
  /** Bytes that had come, decrypted, when the last request was answered. */
  #readBefore = 0

  constructor(connection: Connection, settings: ServerSettings, onRefused: OnRefused) {
    this.connection = connection
    this.address = addressOf(connection)
    this.#settings = settings
    this.#left = settings.maxRequests || Number.MAX_SAFE_INTEGER
    this.#onRefused = onRefused
  }

  /** What it waits for: of a session, other than of HTTP/1.1, bytes between requests are no beginning of one. */
  get phase(): Phase {
    if (this.#socket === undefined) return 'head'
    if (this.#expired || this.#ended) return 'linger'
    if (this.#active > 0) return this.#active > this.#bodies.size ? 'send' : 'body'
    // Two bytes may be an empty line, which is no beginning (RFC 9112, 2.2).
    return this.session === undefined && this.#socket.bytesRead > this.#readBefore + 2 ? 'head' : 'idle'
  }

  /** The first byte of a head is a step, too: from then on its time counts. */
  get beat(): number {
    return 2 * this.#beat + (this.phase === 'head' ? 1 : 0)
  }

  get hasWindows(): boolean {
    return this.session !== undefined
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
    this.#beat++
    if (this.#closing) socket.destroy()
    // So Node ends a connection of HTTP/1.1 behind its last answer. With bytes unread that would be a reset, which can
    // overtake the answer.
    else if (socket.alpnProtocol !== 'h2') {
      this.#destroySoon = socket.destroySoon.bind(socket)
      socket.destroySoon = () => this.#end()
    }
  }

  /**
   * A request has come.
   *
   * @param response if it is one of HTTP/1.1
   * @returns whether it is to be answered: behind the last one nothing is
   */
  begin(response?: ServerResponse): boolean {
    const { maxPipelined } = this.#settings
    // Of HTTP/2 that is a setting of the session.
    const ahead = response !== undefined && maxPipelined > 0 && this.#active >= maxPipelined
    if (ahead) this.last(this.#response)
    if (this.#left === 0) return false
    this.#response = response
    this.#active++
    this.#beat++
    if (--this.#left === 0 || (this.#closing && response !== undefined)) this.last(response)
    return true
  }

  /** No request is taken behind the one of HTTP/1.1 that this response is to; of a session none at all. */
  last(response: ServerResponse | undefined): void {
    this.#left = 0
    if (response === undefined) {
      this.session?.close()
      return
    }
    response.shouldKeepAlive = false
    // Behind the last answer nothing is told.
    this.#refusal = undefined
  }

  /** Waits for a body. @returns 0, or the status with which its request is refused */
  async take(body: DroppedBody): Promise<number> {
    this.#bodies.add(body)
    this.#beat++
    // It may have been found malformed before it was waited for.
    if (this.#malformed !== 0 && body.fail(this.#malformed)) this.#refusal = undefined
    try {
      return await body.outcome
    } finally {
      this.#bodies.delete(body)
      this.#beat++
    }
  }

  /** A response is through, or its client has gone. */
  end(): void {
    this.#active--
    this.#readBefore = this.#socket?.bytesRead ?? 0
    this.#beat++
    if (this.#active > 0) return
    if (this.#refusal !== undefined) this.#refusal()
    else if (this.session === undefined && (this.#closing || this.#left === 0)) this.#end()
  }

  /** Ends this half: the client goes when it has seen that. */
  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#beat++
    this.#socket?.end()
    this.#socket?.resume()
  }

  /** Of a handshake or a response nothing can be told; a session is, or one request of HTTP/1.1 that is not there whole. */
  expire(): boolean {
    const { phase } = this
    const socket = this.#socket
    if (socket === undefined || phase === 'send' || phase === 'linger') return false
    this.#closing = true
    this.#expired = true
    this.#beat++
    for (const body of this.#bodies) body.settle(408)
    if (this.session !== undefined) this.session.close()
    else if (phase === 'idle') this.#destroySoon?.()
    // Node has not told what it asks for: should that be a head, no body may follow.
    else if (phase === 'head') this.refuse(emptyAnswer(408))
    return true
  }

  /**
   * Answers what is no request of HTTP/1.1, or not a whole one, or none to go on behind; whatever is answered before it
   * comes first.
   */
  refuse(answer: Answer, request?: IncomingMessage): void {
    if (this.session !== undefined) return
    for (const body of this.#bodies) if (body.fail(answer.status)) return
    this.#malformed = answer.status
    if (this.#left === 0) return
    this.#left = 0
    this.#closing = true
    this.#refusal = () => {
      this.#refusal = undefined
      const bytes = closingAnswer(answer)
      if (this.#socket?.writable === true) this.#socket.write(bytes)
      this.#end()
      this.#onRefused(answer.status, bytes.length, request)
    }
    if (this.#active === 0) this.#refusal()
  }

  finish(): void {
    this.#closing = true
    if (this.#socket === undefined) void this.connection.destroy()
    else if (this.session !== undefined) this.session.close()
    else if (this.phase === 'idle') this.#destroySoon?.()
    // Of a head that has begun it is told when it is there.
    else if (this.#response?.headersSent === false) this.last(this.#response)
  }
}
