import { F, O, syscall } from '../kernel/index.js'
import type { Connection } from '../net/index.js'
import { transfer } from '../transfer/index.js'
import { type Answer, fileOf, plainAnswer } from './answer.js'
import { ChunkedBody } from './chunked-body.js'
import { HEADER } from './header-name.js'
import { RequestHead } from './request-head.js'
import { isCurrent, isFatal, requestOf } from './request-meaning.js'
import { isHost } from './request-path.js'
import type { Resource } from './resource.js'
import { currentDate, responseHead } from './response-head.js'
import type { Phase, ServedConnection } from './served-connection.js'
import type { ServerSettings } from './server-options.js'
import type { ServerStats } from './server-stats.js'
import type { Site } from './site.js'
import type { StaticFile } from './static-file.js'

/** Files up to this size are kept in memory and go out with their head in one send; above, lending their pages is less work. */
const READY_BYTES = 16 * 1024
/** Bytes that may wait for a client before its next request is looked at. */
const WAITING_BYTES = 64 * 1024
/** Fields that make a request ask for something else than the whole of a resource. */
const PARTICULAR =
  (1 << HEADER.RANGE) |
  (1 << HEADER.IF_MATCH) |
  (1 << HEADER.IF_NONE_MATCH) |
  (1 << HEADER.IF_MODIFIED_SINCE) |
  (1 << HEADER.IF_UNMODIFIED_SINCE) |
  (1 << HEADER.CONTENT_LENGTH) |
  (1 << HEADER.TRANSFER_ENCODING)

const SECURE = /^https:/i
const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')
const NOTHING = Buffer.alloc(0)

/** What is to be done next on a connection: receive, answer the request at hand, wait for the client, or end. */
const STEP = { RECEIVE: 0, ANSWER: 1, WAIT: 2, REFUSE: 3 } as const

const ignore = () => {}
/** A promise of `write()` that is known to fail silently: the connection gives one and the same for whatever it copied. */
let settled: Promise<void> | undefined

/** What a finished request is noted with. */
export type Note = (head: RequestHead, status: number, bytes: number, started: number) => void

/**
 * One connection of the file server: reads requests, answers them in order, and says when it waits for the client and
 * since when, so that whoever watches the clock need look at nothing else.
 */
export class HttpConnection implements ServedConnection {
  readonly connection: Connection
  /** What it waits for. */
  phase: Phase = 'idle'
  /** Grows with every step of the connection, so that whoever watches the clock sees when one takes long. */
  beat = 0
  /** No further request is taken once the one under way is answered. */
  #closing = false
  readonly #site: Site
  readonly #settings: ServerSettings
  readonly #stats: ServerStats
  readonly #note: Note | undefined
  readonly #head: RequestHead
  /** Requests that are still taken. */
  #left: number
  /** Requests in a row that others had come behind already. */
  #pipelined = 0
  /** The negated status with which a head was refused. */
  #refusal = 0
  #nonBlocking = false
  /** The last `Host`, which is seldom another one. */
  #host: string | undefined
  /** What has been received and not parsed: `#at` to `#end`. */
  #bytes: Buffer = NOTHING
  #at = 0
  #end = 0

  constructor(connection: Connection, site: Site, settings: ServerSettings, stats: ServerStats, note?: Note) {
    this.connection = connection
    this.#site = site
    this.#settings = settings
    this.#stats = stats
    this.#note = note
    this.#head = new RequestHead(settings.headLimits)
    this.#left = settings.maxRequests || Infinity
  }

  #enter(phase: Phase): void {
    this.phase = phase
    this.beat++
  }

  /** Takes no further request: it ends once the one under way is answered. */
  finish(): void {
    this.#closing = true
    if (this.phase === 'idle') void this.connection.close()
  }

  /** Serves requests until the client ends, an error makes it impossible to go on, or the server closes. */
  async run(): Promise<void> {
    while (!this.#closing) {
      const step = this.#advance()
      if (step === STEP.RECEIVE) {
        if (!(await this.#fill())) break
      } else if (step === STEP.WAIT) {
        this.#enter('send')
        await this.connection.flush()
      } else if (step === STEP.ANSWER) {
        this.#enter('send')
        if (!(await this.#serve(this.#head.keepAlive && this.#left > 0))) break
        if (this.#at === this.#end) this.#enter('idle')
      } else {
        await this.#send(plainAnswer(-this.#refusal), false, true)
        break
      }
    }
    await this.#linger()
  }

  /** Answers what can be answered at once, without leaving this turn. @returns what has to be waited for */
  #advance(): number {
    const { connection } = this
    while (this.#at < this.#end && connection.isOpen) {
      if (connection.writableLength > WAITING_BYTES) return STEP.WAIT
      const result = this.#head.parse(this.#bytes, this.#at, this.#end)
      if (result === 0) {
        if (this.phase !== 'head') this.#enter('head')
        return STEP.RECEIVE
      }
      if (result < 0) {
        this.#stats.count(-result, 0)
        this.#refusal = result
        return STEP.REFUSE
      }
      this.#at += result
      this.#left--
      if (this.#at === this.#end) this.#pipelined = 0
      // One more than may wait behind the one that is answered: this is the last.
      else if (++this.#pipelined === this.#settings.maxPipelined) this.#left = 0
      if (!this.#answerNow()) return STEP.ANSWER
    }
    if (this.phase !== 'idle' || this.#end > 0) this.#enter('idle')
    return STEP.RECEIVE
  }

  /**
   * A connection that is closed with bytes unread is reset, and the reset can overtake the last response: this half is
   * ended first, and what the client still sends is dropped for a moment.
   *
   * @see RFC 9112, section 9.6
   */
  async #linger(): Promise<void> {
    if (!this.connection.isOpen) return
    await this.connection.end()
    this.#enter('head')
    let limit = this.#settings.maxBody
    while (limit > 0) {
      const bytes = await this.connection.read()
      if (bytes === null) return
      limit -= bytes.length
    }
  }

  /** Receives more behind what is there. @returns false at the end of the stream */
  async #fill(): Promise<boolean> {
    const chunk = await this.connection.read()
    if (chunk === null) return false
    this.#stats.arrive()
    const rest = this.#end - this.#at
    if (rest === 0) {
      this.#bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
      this.#at = 0
      this.#end = chunk.length
    } else {
      this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at, this.#end), chunk])
      this.#at = 0
      this.#end = this.#bytes.length
    }
    return true
  }

  /** Whether `Host` can be one; only HTTP/1.0 may do without. */
  #hasHost(head: RequestHead): boolean {
    const host = head.get(HEADER.HOST)
    if (host !== this.#host) {
      if (host !== undefined && !isHost(host)) return false
      this.#host = host
    }
    return true
  }

  /** What the request at hand asks for, if that is open and asked for as a whole, over a connection that stays. */
  #hot(): Resource | undefined {
    const head = this.#head
    if (!head.keepAlive || head.minor === 0 || this.#left <= 0 || this.#closing) return undefined
    const resource = this.#site.hot(head.target)
    if (resource === undefined || !this.#hasHost(head)) return undefined
    return resource.encodings.length > 0 && head.has(HEADER.ACCEPT_ENCODING) ? undefined : resource
  }

  /** Answers the request at hand if nothing has to be waited for. */
  #answerNow(): boolean {
    const head = this.#head
    const resource = this.#hot()
    if (resource === undefined) return false
    const particular = head.seen & PARTICULAR
    let response: Buffer | undefined
    let status = 200
    if (particular !== 0) {
      if (!isCurrent(head, particular, resource)) return false
      response = resource.notModified(currentDate())
      status = 304
    } else if (head.method === 'GET') {
      response = resource.ready(currentDate())
    } else if (head.method === 'HEAD') {
      response = resource.head(currentDate())
    }
    if (response === undefined) return false
    const written = this.connection.write(response)
    if (written !== settled) {
      settled = written
      // What a write fails with, the connection has failed with, and the next read says so.
      written.catch(ignore)
    }
    this.#stats.count(status, response.length)
    this.#note?.(head, status, response.length, performance.now())
    return true
  }

  /** Answers the request at hand. @returns whether another one may follow */
  async #serve(keepAlive: boolean): Promise<boolean> {
    const head = this.#head
    if (head.method === 'GET' && (head.seen & PARTICULAR) === 0) {
      const resource = this.#hot()
      if (resource !== undefined) return this.#sendWhole(resource, resource.head(currentDate()))
    }
    return this.#serveFully(keepAlive)
  }

  /** Sends a resource that is not kept in memory. */
  async #sendWhole({ plain }: Resource, start: Buffer): Promise<boolean> {
    const started = performance.now()
    const file = plain.retain()
    try {
      await this.#sendFile(file, start, 0, file.size)
    } finally {
      file.release()
    }
    const bytes = start.length + file.size
    this.#stats.count(200, bytes, started)
    this.#note?.(this.#head, 200, bytes, started)
    return this.connection.isOpen
  }

  async #serveFully(keepAlive: boolean): Promise<boolean> {
    const head = this.#head
    const started = performance.now()
    const found = await this.#find(head)
    let answer = found
    let keep = keepAlive && !this.#closing && !isFatal(answer.status, head)
    try {
      if (head.contentLength !== 0 && !this.#closing && !isFatal(answer.status, head)) {
        const refusal = await this.#dropBody()
        if (refusal !== 0) {
          answer = plainAnswer(refusal)
          keep = false
        }
      }
      if (!this.connection.isOpen) return false
      const bodyless = head.method === 'HEAD' || answer.body.kind === 'none'
      this.#enter('send')
      await this.#keepReady(answer, head)
      const before = this.#given
      await this.#send(answer, keep, !bodyless)
      const bytes = this.#given - before
      this.#stats.count(answer.status, bytes, started)
      this.#note?.(head, answer.status, bytes, started)
      return keep
    } finally {
      fileOf(found)?.release()
    }
  }

  /** Bytes that the connection was given so far: what it has copied may still wait to be sent. */
  get #given(): number {
    return this.connection.bytesWritten + this.connection.writableLength
  }

  /** The site's answer, where the request is one for this server at all. */
  #find(head: RequestHead): Answer | Promise<Answer> {
    if (!this.#hasHost(head)) return plainAnswer(400)
    // RFC 9110, 7.4: what is asked for over TLS is not served without.
    if (SECURE.test(head.target)) return plainAnswer(421)
    return this.#site.answer(requestOf(head, this.connection))
  }

  /** Keeps a resource at hand for the next time, and a small one's whole response. */
  async #keepReady(answer: Answer, head: RequestHead): Promise<void> {
    const { resource } = answer
    if (resource === undefined) return
    const { plain } = resource
    if (plain.size <= READY_BYTES && plain.content === undefined && !(await plain.load())) return
    this.#site.remember(head.target, resource)
  }

  async #send(answer: Answer, keep: boolean, withBody: boolean): Promise<void> {
    const { connection } = this
    const head = Buffer.from(responseHead(answer, keep, this.#head.minor), 'latin1')
    const { body } = answer
    if (!withBody || body.kind === 'none') {
      await connection.write(head)
    } else if (body.kind === 'bytes') {
      await connection.writev([head, body.bytes])
    } else if (body.kind === 'file') {
      const { content } = body.file
      if (content !== undefined)
        await connection.writev([head, content.subarray(body.start, body.start + body.length)])
      else await this.#sendFile(body.file, head, body.start, body.length)
    } else {
      connection.write(head).catch(ignore)
      for (const { head: partHead, range } of body.parts) {
        const length = range.end - range.start + 1
        await this.#sendFile(body.file, partHead, range.start, length)
      }
      await connection.write(body.closing)
    }
  }

  /**
   * Sends bytes and a piece of a file behind them: what is in memory and fits into the socket at once, the rest by a
   * transfer. A file that has become shorter cannot be made up for: the connection ends short, and the client can tell.
   */
  async #sendFile(file: StaticFile, head: Uint8Array, offset: number, length: number): Promise<void> {
    const sent = length === 0 ? 0 : await this.#sendNow(file, head, offset, length)
    if (sent < head.length) await this.connection.write(head.subarray(sent))
    const done = Math.max(0, sent - head.length)
    if (done === length) {
      if (length > 0) this.#stats.mechanism('sendfile')
      return
    }
    const { via } = await transfer(file.fd, this.connection, { offset: offset + done, length: length - done })
    this.#stats.mechanism(via)
  }

  /** @returns bytes sent, those of the head counted */
  async #sendNow(file: StaticFile, head: Uint8Array, offset: number, length: number): Promise<number> {
    const loan = await this.connection.lend('write')
    try {
      // The descriptor stays open until it is given back, but its connection may have ended meanwhile.
      if (!this.connection.isOpen) return 0
      if (!this.#nonBlocking) {
        syscall('fcntl', loan.fd, F.SETFL, syscall('fcntl', loan.fd, F.GETFL) | O.NONBLOCK)
        this.#nonBlocking = true
      }
      const sent = file.lent.send(loan.fd, head, offset, length)
      if (sent > 0) loan.moved(sent)
      return sent
    } finally {
      loan.release()
    }
  }

  /** Reads a request's body to nowhere. @returns 0, or the status of the refusal behind which the connection ends */
  async #dropBody(): Promise<number> {
    const head = this.#head
    const limit = this.#settings.maxBody
    if (head.contentLength > limit) return 413
    this.#enter('body')
    if (head.expectsContinue) await this.connection.write(CONTINUE)
    if (head.contentLength > 0) return this.#dropBytes(head.contentLength)
    const body = new ChunkedBody()
    while (true) {
      const at = body.read(this.#bytes, this.#at, this.#end)
      if (at < 0) return 400
      if (body.length > limit) return 413
      this.#at = at
      if (body.ended) return 0
      if (!(await this.#fill())) return 400
    }
  }

  async #dropBytes(length: number): Promise<number> {
    let left = length
    while (true) {
      const step = Math.min(left, this.#end - this.#at)
      this.#at += step
      left -= step
      if (left === 0) return 0
      if (!(await this.#fill())) return 400
    }
  }
}
