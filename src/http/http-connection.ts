import type { Connection } from '../net/index.js'
import { transfer } from '../transfer/index.js'
import { type Answer, fileOf, plainAnswer } from './answer.js'
import { ChunkedBody } from './chunked-body.js'
import { HEADER } from './header-name.js'
import { RequestHead } from './request-head.js'
import { isHost } from './request-path.js'
import { currentDate, responseHead } from './response-head.js'
import type { ServerSettings } from './server-options.js'
import type { ServerStats } from './server-stats.js'
import type { Site, SiteRequest } from './site.js'

/** Files up to this size are kept in memory and go out with their head in one send. */
const READY_BYTES = 64 * 1024
/** Fields that make a request ask for something else than the whole of a resource. */
const PARTICULAR =
  (1 << HEADER.RANGE) |
  (1 << HEADER.IF_MATCH) |
  (1 << HEADER.IF_NONE_MATCH) |
  (1 << HEADER.IF_MODIFIED_SINCE) |
  (1 << HEADER.IF_UNMODIFIED_SINCE) |
  (1 << HEADER.CONTENT_LENGTH) |
  (1 << HEADER.TRANSFER_ENCODING)

const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')
const NOTHING = Buffer.alloc(0)

/** What a connection waits for, each with a time limit of its own. */
export type Phase = 'idle' | 'head' | 'body' | 'send'

/** What a finished request is noted with. */
export type Note = (head: RequestHead, status: number, bytes: number, started: number) => void

/**
 * One connection of the file server: reads requests, answers them in order, and says when it waits for the client and
 * since when, so that whoever watches the clock need look at nothing else.
 */
export class HttpConnection {
  readonly connection: Connection
  /** What it waits for, since when (milliseconds of `performance.now()`), and bytes that had been sent by then. */
  phase: Phase = 'idle'
  since = performance.now()
  sent = 0
  /** No further request is taken once the one under way is answered. */
  closing = false
  readonly #site: Site
  readonly #settings: ServerSettings
  readonly #stats: ServerStats
  readonly #note: Note | undefined
  readonly #head: RequestHead
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
  }

  #enter(phase: Phase): void {
    this.phase = phase
    this.since = performance.now()
    this.sent = this.connection.bytesWritten
  }

  /** Serves requests until the client ends, an error makes it impossible to go on, or the server closes. */
  async run(): Promise<void> {
    let left = this.#settings.maxRequests || Infinity
    while (!this.closing && (await this.#nextHead())) {
      left--
      const head = this.#head
      const keep = await this.#serve(head.keepAlive && left > 0)
      if (!keep) break
      if (this.#at === this.#end) this.#enter('idle')
    }
    await this.#linger()
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

  /** Reads until a head is there whole. @returns false when there is none to come, or it has been refused */
  async #nextHead(): Promise<boolean> {
    while (true) {
      const result = this.#at === this.#end ? 0 : this.#head.parse(this.#bytes, this.#at, this.#end)
      if (result > 0) {
        this.#at += result
        return true
      }
      if (result < 0) {
        this.#stats.count(-result, 0)
        await this.#send(plainAnswer(-result), false, true)
        return false
      }
      if (!(await this.#fill())) return false
      if (this.phase === 'idle') this.#enter('head')
    }
  }

  /** Receives more behind what is there. @returns false at the end of the stream */
  async #fill(): Promise<boolean> {
    const chunk = await this.connection.read()
    if (chunk === null) return false
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

  /** Answers the request whose head has been read. @returns whether another one may follow */
  async #serve(keepAlive: boolean): Promise<boolean> {
    const head = this.#head
    if (keepAlive && !this.closing && (head.seen & PARTICULAR) === 0 && head.method === 'GET') {
      const ready = this.#ready(head)
      if (ready !== undefined) {
        // The bound on what may wait for the client is the connection's; only then is there anything to wait for.
        if (this.connection.writableLength === 0 && this.#note === undefined)
          void this.connection.write(ready).catch(() => {})
        else await this.connection.write(ready)
        this.#stats.count(200, ready.length)
        this.#note?.(head, 200, ready.length, this.since)
        return this.connection.isOpen
      }
    }
    return this.#serveFully(keepAlive)
  }

  /** A response that stands ready, head and body in one. */
  #ready(head: RequestHead): Buffer | undefined {
    const resource = this.#site.hot(head.target)
    if (resource === undefined || head.minor === 0) return undefined
    if (resource.encodings.length > 0 && head.has(HEADER.ACCEPT_ENCODING)) return undefined
    return resource.readyFor(currentDate())
  }

  async #serveFully(keepAlive: boolean): Promise<boolean> {
    const head = this.#head
    const started = performance.now()
    const host = head.get(HEADER.HOST)
    const answer =
      host !== undefined && !isHost(host) ? plainAnswer(400) : await this.#site.answer(requestOf(head))
    const bodyless = head.method === 'HEAD' || answer.body.kind === 'none'
    let keep = keepAlive && !this.closing && !isFatal(answer.status, head.contentLength)
    try {
      if (keep && head.contentLength !== 0) keep = await this.#dropBody()
      if (!this.connection.isOpen) return false
      this.#enter('send')
      await this.#keepReady(answer, head)
      const before = this.connection.bytesWritten
      await this.#send(answer, keep, !bodyless)
      const bytes = this.connection.bytesWritten - before
      this.#stats.count(answer.status, bytes)
      this.#note?.(head, answer.status, bytes, started)
      return keep
    } finally {
      fileOf(answer)?.release()
    }
  }

  /** Keeps a small resource's whole response for the next time. */
  async #keepReady(answer: Answer, head: RequestHead): Promise<void> {
    const { resource } = answer
    if (resource === undefined || head.method !== 'GET' || resource.plain.size > READY_BYTES) return
    if (resource.plain.content === undefined && !(await resource.plain.load())) return
    resource.fields = answer.fields
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
      else {
        void connection.write(head).catch(() => {})
        await this.#sendFile(body.file.fd, body.start, body.length)
      }
    } else {
      void connection.write(head).catch(() => {})
      for (const { head: partHead, range } of body.parts) {
        await connection.write(partHead)
        await this.#sendFile(body.file.fd, range.start, range.end - range.start + 1)
      }
      await connection.write(body.closing)
    }
  }

  /** A file that has become shorter cannot be made up for: the connection ends short, and the client can tell. */
  async #sendFile(fd: number, offset: number, length: number): Promise<void> {
    if (length === 0) return
    const { via } = await transfer(fd, this.connection, { offset, length })
    this.#stats.mechanism(via)
  }

  /** Reads a request's body to nowhere. @returns whether the connection can go on behind it */
  async #dropBody(): Promise<boolean> {
    const head = this.#head
    const limit = this.#settings.maxBody
    if (head.contentLength > limit) return false
    this.#enter('body')
    if (head.expectsContinue) await this.connection.write(CONTINUE)
    if (head.contentLength > 0) return this.#dropBytes(head.contentLength)
    const body = new ChunkedBody()
    while (true) {
      const at = body.read(this.#bytes, this.#at, this.#end)
      if (at < 0 || body.length > limit) return false
      this.#at = at
      if (body.ended) return true
      if (!(await this.#fill())) return false
    }
  }

  async #dropBytes(length: number): Promise<boolean> {
    let left = length
    while (true) {
      const step = Math.min(left, this.#end - this.#at)
      this.#at += step
      left -= step
      if (left === 0) return true
      if (!(await this.#fill())) return false
    }
  }
}

/** After a request that makes no sense, or whose body is not wanted, what follows is not to be trusted or not to be read. */
function isFatal(status: number, contentLength: number): boolean {
  return status === 400 || (status > 400 && contentLength !== 0)
}

function requestOf(head: RequestHead): SiteRequest {
  return {
    method: head.method,
    target: head.target,
    acceptEncoding: head.get(HEADER.ACCEPT_ENCODING),
    accept: head.get(HEADER.ACCEPT),
    range: head.get(HEADER.RANGE),
    ifRange: head.get(HEADER.IF_RANGE),
    ifMatch: head.get(HEADER.IF_MATCH),
    ifNoneMatch: head.get(HEADER.IF_NONE_MATCH),
    ifModifiedSince: head.get(HEADER.IF_MODIFIED_SINCE),
    ifUnmodifiedSince: head.get(HEADER.IF_UNMODIFIED_SINCE),
  }
}
