import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  createServer as createHttp2Server,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import type { Connection } from '../net/index.js'
import type { AccessLog } from './access-log.js'
import { type Answer, fileOf, plainAnswer } from './answer.js'
import type { Certificates } from './certificates.js'
import { type NodeRequest, type NodeResponse, sendAnswer, siteRequest } from './node-answer.js'
import { isHost } from './request-path.js'
import { SecureConnection } from './secure-connection.js'
import type { ServerSettings } from './server-options.js'
import type { ServerStats } from './server-stats.js'
import type { Site, SiteRequest } from './site.js'

const PROTOCOLS = ['h2', 'http/1.1']
/** Streams of one HTTP/2 connection at once, where nobody says how many. */
const STREAMS = 100
/** What Node's parser refuses, other than with 400. */
const REFUSALS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
}

/** What a front needs of its server. */
export interface FrontContext {
  readonly site: Site
  readonly settings: ServerSettings
  readonly stats: ServerStats
  readonly log: AccessLog | undefined
  /** Told of failures that are neither a client's nor a file's. */
  readonly onError: (error: Error) => void
}

/**
 * TLS in front of a site. HTTP/2 and HTTP/1.1 are spoken by Node, over our own connections; what is answered comes from
 * the site as ever. Time limits and closing are the server's: see {@link SecureConnection}.
 */
export class SecureFront {
  readonly #tls: TlsServer
  readonly #context: FrontContext
  readonly #http1: Server
  readonly #http2: Http2Server
  readonly #bySocket = new WeakMap<object, SecureConnection>()
  /** The connection that is being handed to Node just now. */
  #current: SecureConnection | undefined

  constructor({ context: identity }: Certificates, context: FrontContext) {
    this.#context = context
    this.#tls = createTlsServer({ ...identity, ALPNProtocols: PROTOCOLS })
    const { headLimits, maxRequests, maxPipelined } = context.settings
    this.#http1 = createServer({
      maxHeaderSize: headLimits.bytes,
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: 0,
      requireHostHeader: false,
    })
    this.#http1.maxRequestsPerSocket = maxRequests
    // They are bounded in bytes, and counted here: Node drops what is too much, or the connection without a word.
    this.#http1.maxHeadersCount = 0
    this.#http1.on('request', (request, response) => this.#serve1(request, response))
    this.#http1.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const served = this.#bySocket.get(socket)
      if (error.code?.startsWith('HPE_') && served !== undefined) served.refuse(REFUSALS[error.code] ?? 400)
      else socket.destroy()
    })
    this.#http2 = createHttp2Server({
      settings: { maxConcurrentStreams: maxPipelined || STREAMS, maxHeaderListSize: headLimits.bytes },
    })
    this.#http2.on('request', (request, response) => this.#serve2(request, response))
    this.#http2.on('session', session => this.#opened(session))
    // A session's failure is its client's doing, and ends it.
    this.#http2.on('sessionError', () => {})
  }

  /** Shows another certificate to connections from now on. */
  renew({ context }: Certificates): void {
    this.#tls.setSecureContext(context)
  }

  /** Begins the handshake. */
  accept(connection: Connection): SecureConnection {
    const served: SecureConnection = new SecureConnection(connection, (status, bytes) =>
      this.#refused(served, status, bytes),
    )
    const duplex = connection.toDuplex()
    // A failure of TLS or of its client ends the connection, and its end is seen.
    duplex.on('error', () => {})
    // Node tells the server that a handshake is done, not whose it was: each connection has an heir that knows.
    const heir: TlsServer = Object.create(this.#tls)
    heir.emit = (event: string | symbol, ...details: unknown[]) => {
      if (event === 'secureConnection') this.#secured(served, details[0] as TLSSocket)
      return true
    }
    for (const listener of this.#tls.listeners('connection')) listener.call(heir, duplex)
    return served
  }

  #secured(served: SecureConnection, socket: TLSSocket): void {
    this.#bySocket.set(socket, served)
    socket.on('error', () => {})
    served.secured(socket)
    if (served.closing) return
    if (socket.alpnProtocol !== 'h2') {
      this.#http1.emit('connection', socket)
      return
    }
    // Our streams stay half open, which HTTP/2 has no use for: who has ended is gone.
    socket.once('end', () => socket.destroySoon())
    this.#current = served
    this.#http2.emit('connection', socket)
    this.#current = undefined
  }

  #opened(session: ServerHttp2Session): void {
    const served = this.#current
    if (served === undefined) return
    served.session = session
    this.#bySocket.set(session, served)
  }

  #serve1(request: IncomingMessage, response: ServerResponse): void {
    const served = this.#bySocket.get(request.socket)
    if (served === undefined) return
    if (served.closing) response.shouldKeepAlive = false
    const { headers, rawHeaders } = request
    const { headLimits } = this.#context.settings
    const tooMany = rawHeaders.length / 2 > headLimits.fields
    const refused = tooMany ? 431 : (request.url?.length ?? 0) > headLimits.line ? 414 : 0
    const named = headers.host === undefined ? request.httpVersion === '1.0' : isHost(headers.host)
    const status = refused || (named ? 0 : 400)
    this.#boundBody(request)
    void this.#answer(served, request, response, status, request.httpVersion)
  }

  #serve2(request: Http2ServerRequest, response: Http2ServerResponse): void {
    const { session } = request.stream
    const served = session === undefined ? undefined : this.#bySocket.get(session)
    if (served === undefined) return
    const { headLimits } = this.#context.settings
    const status = request.url.length > headLimits.line ? 414 : isHost(request.authority) ? 0 : 400
    this.#boundBody(request)
    void this.#answer(served, request, response, status, '2.0')
  }

  /** A body is read and dropped; beyond the bound its sender is. */
  #boundBody(request: NodeRequest): void {
    let left = this.#context.settings.maxBody
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length
      if (left < 0) request.destroy()
    })
    request.on('error', () => {})
  }

  /** What is no request, or has not come whole, and was answered for that. */
  #refused({ address }: SecureConnection, status: number, bytes: number): void {
    this.#context.stats.count(status, bytes, performance.now())
    const unknown = { method: '-', target: '-', version: '1.1', referer: undefined, userAgent: undefined }
    this.#context.log?.write({ ...unknown, address, time: Date.now(), status, bytes, milliseconds: 0 })
  }

  async #answer(
    served: SecureConnection,
    request: NodeRequest,
    response: NodeResponse,
    refusal: number,
    version: string,
  ): Promise<void> {
    const started = performance.now()
    served.begin()
    response.once('close', () => served.end())
    response.on('error', () => {})
    let answer: Answer = plainAnswer(refusal || 500)
    let bytes = 0
    try {
      if (refusal === 0) answer = await this.#context.site.answer(requestOf(request, served))
      bytes = await sendAnswer(request, response, answer)
      if (bytes > 0 && fileOf(answer) !== undefined) this.#context.stats.mechanism('stream')
    } catch (error) {
      // Nothing but what it was has gone out: the client can tell.
      if (!response.headersSent && !response.destroyed) this.#fail(response, error as Error)
      else response.destroy()
      bytes = (error as { bytes?: number }).bytes ?? 0
    } finally {
      fileOf(answer)?.release()
    }
    this.#context.stats.count(response.statusCode, bytes, started)
    this.#context.log?.write({
      address: served.address,
      time: Date.now(),
      method: request.method ?? '-',
      target: request.url ?? '-',
      version,
      status: response.statusCode,
      bytes,
      milliseconds: performance.now() - started,
      referer: request.headers.referer,
      userAgent: request.headers['user-agent'],
    })
  }

  #fail(response: NodeResponse, error: Error): void {
    response.statusCode = 500
    response.end()
    this.#context.onError(error)
  }
}

function requestOf(request: NodeRequest, { connection }: SecureConnection): SiteRequest {
  const { method = 'GET', url = '/' } = request
  return { ...siteRequest(request, url, 200), method, peer: connection }
}
