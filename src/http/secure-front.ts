import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import {
  constants,
  createServer as createHttp2Server,
  type Http2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from 'node:http2'
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import type { SluiceError } from '../kernel/index.js'
import type { Connection } from '../net/index.js'
import type { AccessLog } from './access-log.js'
import { type Answer, emptyAnswer, fileOf, plainAnswer } from './answer.js'
import { closeWhenCalledOff, isClientGone } from './called-off.js'
import type { Certificates } from './certificates.js'
import { DroppedBody } from './dropped-body.js'
import { HEADER } from './header-name.js'
import { type NodeRequest, type NodeResponse, sendAnswer } from './node-answer.js'
import { headOf, headOf2, type ReadHead } from './node-head.js'
import { asksForHead } from './request-head.js'
import { isFatal, requestOf } from './request-meaning.js'
import { isHost } from './request-path.js'
import { SecureConnection } from './secure-connection.js'
import type { ServerSettings } from './server-options.js'
import type { ServerStats } from './server-stats.js'
import type { Site } from './site.js'

const PROTOCOLS = ['h2', 'http/1.1']
/** Streams of one HTTP/2 connection at once, where nobody says how many. */
const STREAMS = 100
/** What Node's parser refuses, other than with 400. */
const REFUSALS: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
}

/** What Node's parser fails with, and what had come when it did. */
type RefusedByNode = NodeJS.ErrnoException & { rawPacket?: Buffer }

/** What Node takes for a request: it would answer the last two itself, by other rules than ours, and nobody would count them. */
const REQUESTS = ['request', 'checkContinue', 'checkExpectation'] as const

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
    const { headLimits, maxPipelined } = context.settings
    this.#http1 = createServer({
      maxHeaderSize: headLimits.bytes,
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: 0,
      requireHostHeader: false,
    })
    // They are bounded in bytes, and counted here: Node drops what is too much, or the connection without a word.
    this.#http1.maxHeadersCount = 0
    for (const event of REQUESTS)
      this.#http1.on(event, (request, response) => this.#serve1(request, response))
    this.#http1.on('connect', (request, socket) => this.#refuseTunnel(request, socket))
    this.#http1.on('clientError', (error: RefusedByNode, socket) => {
      const served = this.#bySocket.get(socket)
      if (error.code?.startsWith('HPE_') !== true || served === undefined) {
        socket.destroy()
        return
      }
      const status = REFUSALS[error.code] ?? 400
      const { rawPacket: packet } = error
      const isHead = packet !== undefined && asksForHead(packet, 0, packet.length)
      served.refuse(isHead ? emptyAnswer(status) : plainAnswer(status))
    })
    this.#http2 = createHttp2Server({
      settings: { maxConcurrentStreams: maxPipelined || STREAMS, maxHeaderListSize: headLimits.bytes },
      // They are counted here, too. Each takes 32 bytes of the list's size and more.
      maxHeaderListPairs: Math.max(4, Math.ceil(headLimits.bytes / 32)),
    })
    for (const event of [...REQUESTS, 'connect'])
      this.#http2.on(event, (request, response) => this.#serve2(request, response))
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
    const { settings } = this.#context
    const served: SecureConnection = new SecureConnection(connection, settings, (status, bytes, request) =>
      this.#refused(served, status, bytes, request),
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
    if (served?.begin(response) !== true) {
      request.resume()
      return
    }
    const read = headOf(request, this.#context.settings.headLimits)
    // Behind an Upgrade Node reads nothing, whether it is taken or declined.
    if (!read.head.keepAlive || read.head.has(HEADER.UPGRADE)) served.last(response)
    void this.#answer(served, request, response, read, request.httpVersion)
  }

  #serve2(request: Http2ServerRequest, response: Http2ServerResponse): void {
    const { session } = request.stream
    const served = session === undefined ? undefined : this.#bySocket.get(session)
    if (served?.begin() !== true) {
      request.stream.close(constants.NGHTTP2_REFUSED_STREAM)
      return
    }
    const read = headOf2(request, this.#context.settings.headLimits)
    void this.#answer(served, request, response, read, '2.0')
  }

  /** What comes behind it is for the tunnel. */
  async #refuseTunnel(request: IncomingMessage, socket: object): Promise<void> {
    const served = this.#bySocket.get(socket)
    if (served === undefined) return
    const answer = await this.#find(served, headOf(request, this.#context.settings.headLimits))
    served.refuse(answer, request)
  }

  /** What is no request, or has not come whole, and was answered for that. */
  #refused({ address }: SecureConnection, status: number, bytes: number, request?: IncomingMessage): void {
    this.#context.stats.count(status, bytes, performance.now())
    const { method = '-', url: target = '-' } = request ?? {}
    const unknown = { version: '1.1', referer: undefined, userAgent: undefined, milliseconds: 0 }
    this.#context.log?.write({ ...unknown, method, target, address, time: Date.now(), status, bytes })
  }

  #find({ connection }: SecureConnection, { head, refusal }: ReadHead): Answer | Promise<Answer> {
    const host = head.get(HEADER.HOST)
    if (refusal !== 0) return plainAnswer(refusal)
    return host !== undefined && !isHost(host)
      ? plainAnswer(400)
      : this.#context.site.answer(requestOf(head, connection))
  }

  async #answer(
    served: SecureConnection,
    request: NodeRequest,
    response: NodeResponse,
    read: ReadHead,
    version: string,
  ): Promise<void> {
    const started = performance.now()
    response.once('close', () => served.end())
    response.on('error', () => {})
    closeWhenCalledOff(response)
    let found: Answer | undefined
    let bytes = 0
    try {
      const finding = this.#find(served, read)
      // What is refused at once is the last before Node hands over what came behind it.
      found = finding instanceof Promise ? await finding : finding
      const answer = await this.#withoutBody(served, request, response, read, found)
      bytes = await sendAnswer(request, response, answer)
      if (bytes > 0 && fileOf(answer) !== undefined) this.#context.stats.mechanism('stream')
    } catch (error) {
      // Nothing but what it was has gone out: the client can tell. One that has gone before its turn is told nothing.
      const isGone = isClientGone(response, error) || (error as SluiceError).code === 'ERR_SLUICE_CLOSED'
      if (!response.headersSent && !isGone) this.#fail(response, error as Error)
      else response.destroy()
      bytes = (error as { bytes?: number }).bytes ?? 0
    } finally {
      if (found !== undefined) fileOf(found)?.release()
    }
    this.#context.stats.count(response.statusCode, bytes, started)
    this.#context.log?.write({
      address: served.address,
      time: Date.now(),
      method: request.method ?? '-',
      target: request.url ?? ('authority' in request ? request.authority : '-'),
      version,
      status: response.statusCode,
      bytes,
      milliseconds: performance.now() - started,
      referer: request.headers.referer,
      userAgent: request.headers['user-agent'],
    })
  }

  /** Reads a request's body to nowhere, unless it is not wanted. @returns the answer, or in its place what is wrong with the body */
  async #withoutBody(
    served: SecureConnection,
    request: NodeRequest,
    response: NodeResponse,
    { head, refusal }: ReadHead,
    answer: Answer,
  ): Promise<Answer> {
    const { maxBody } = this.#context.settings
    const body = head.contentLength === 0 ? undefined : new DroppedBody(request, maxBody)
    if (body === undefined) request.resume()
    if (refusal !== 0 || isFatal(answer.status, head)) {
      endBehind(served, response)
      return answer
    }
    if (body === undefined) return answer
    let status = 413
    if (head.contentLength <= maxBody) {
      if (head.expectsContinue) await writeContinue(response)
      status = await served.take(body)
    }
    if (status === 0) return answer
    endBehind(served, response)
    return plainAnswer(status)
  }

  #fail(response: NodeResponse, error: Error): void {
    response.statusCode = 500
    response.end()
    this.#context.onError(error)
  }
}

/** Node would write it behind the head of a response that waits for others. */
async function writeContinue(response: NodeResponse): Promise<void> {
  if (!('stream' in response) && response.socket === null) await once(response, 'socket')
  response.writeContinue()
}

/** What the client still sends is not waited for: of HTTP/1.1 the connection ends behind the answer, else the stream. */
function endBehind(served: SecureConnection, response: NodeResponse): void {
  if (!('stream' in response)) {
    served.last(response)
    return
  }
  const { stream } = response
  // RFC 9113, 8.1: a whole response before the whole request.
  stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR))
}
