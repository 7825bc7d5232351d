import type { Connection } from '../net/index.js'
import { type Answer, failure, fileOf, plainAnswer } from './answer.js'
import { ChunkedBody } from './chunked-body.js'
import { bodyLength, closingAnswer } from './closing-answer.js'
import { HotPath, WAITING_BYTES } from './hot-path.js'
import { type Note, notedOf } from './note.js'
import { asksForHead, beginOf, RequestHead } from './request-head.js'
import { isFatal, requestOf } from './request-meaning.js'
import { responseHead } from './response-head.js'
import { sendPiece } from './send-piece.js'
import { isSilent, type Phase, type ServedConnection } from './served-connection.js'
import type { ServerSettings } from './server-options.js'
import type { ServerStats } from './server-stats.js'
import type { Site } from './site.js'

/** Dropped at least of what a client sends that was told to go. */
const LINGER_BYTES = 64 * 1024

const SECURE = /^https:/i
const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')
const NOTHING = Buffer.alloc(0)

/** What is to be done next on a connection: receive, answer the request at hand, wait for the client, or end. */
const STEP = { RECEIVE: 0, ANSWER: 1, WAIT: 2, REFUSE: 3 } as const

const ignore = () => {}

/**
 * One connection of the file server: reads requests, answers them in order, and says when it waits for the client and
 * since when, so that whoever watches the clock need look at nothing else.
 */
export class HttpConnection implements ServedConnection {
  readonly connection: Connection
  readonly hasWindows = false
  /** No further request is taken once the one under way is answered. */
  #closing = false
  /** Its time was up, and its client has been told. */
  #expired = false
  readonly #site: Site
  readonly #settings: ServerSettings
  readonly #stats: ServerStats
  readonly #note: Note | undefined
  readonly #head: RequestHead
  /** Requests in a row that others had come behind already. */
  #pipelined = 0
  readonly #hot: HotPath
  #phase: Phase = 'fresh'
  #beat = 0
  /** The negated status with which a head was refused. */
  #refusal = 0
  /** What has been received and not parsed: `#at` to `#end`. */
  #bytes: Buffer = NOTHING
  #at = 0
  #end = 0
  /** It lies in a block that other connections receive into as well. */
  #isShared = false
  /** When that came, in milliseconds of `performance.now()`, where requests are noted. */
  #arrivedMs = 0

  constructor(connection: Connection, site: Site, settings: ServerSettings, stats: ServerStats, note?: Note) {
    this.connection = connection
    this.#site = site
    this.#settings = settings
    this.#stats = stats
    this.#note = note
    this.#head = new RequestHead(settings.headLimits)
    this.#hot = new HotPath(connection, site, stats, settings.maxRequests || Number.MAX_SAFE_INTEGER)
    // What is noted has to be parsed, and what is limited to be counted.
    if (note === undefined && settings.maxPipelined === 0) connection.tap = this.#hot
  }

  /** What it waits for. */
  get phase(): Phase {
    const sends =
      this.#hot.rest !== undefined || (this.#phase === 'idle' && this.connection.writableLength > 0)
    return sends ? 'send' : this.#phase
  }

  /** Grows with every step of the connection, so that whoever watches the clock sees when one takes long. */
  get beat(): number {
    return this.#beat + this.#hot.beat
  }

  #enter(phase: Phase): void {
    this.#phase = phase
    this.#beat++
  }

  /** Takes no further request: it ends once the one under way is answered, of which so far no more than a byte may have come. */
  finish(): void {
    this.#closing = true
    this.#hot.left = 0
    if (isSilent(this.#phase) && this.#hot.rest === undefined) void this.#leave()
  }

  /** Ends it, unless a request comes while the last answers wait for the client: that one is owed one, too. */
  async #leave(): Promise<void> {
    if (this.connection.writableLength > 0) await this.connection.flush().catch(ignore)
    if (isSilent(this.#phase)) await this.connection.close()
  }

  /** A client that has sent part of a request is told that it took too long; one that has sent none is owed nothing. */
  expire(): boolean {
    const { connection, phase } = this
    if (this.#expired || phase === 'send' || phase === 'linger') return false
    this.#expired = true
    this.#closing = true
    this.#hot.left = 0
    if (isSilent(phase)) {
      void connection.close()
      return true
    }
    if (phase === 'head') this.#head.forget()
    this.#refuse(408).catch(ignore)
    connection.end().catch(ignore)
    // Whoever waits for the client goes on with its end, or drops what it sends.
    this.#enter('linger')
    return true
  }

  /** Answers what is no request, or not a whole one: the connection ends with it. */
  #refuse(status: number): Promise<void> {
    const isHead =
      this.#phase === 'body' ? this.#head.method === 'HEAD' : asksForHead(this.#bytes, this.#at, this.#end)
    const answer = closingAnswer(status, isHead)
    this.#stats.count(status, answer.length)
    this.#note?.(notedOf(this.#head), status, bodyLength(answer), this.#arrivedMs)
    return this.connection.write(answer)
  }

  /** Serves requests until the client ends, an error makes it impossible to go on, or the server closes. */
  async run(): Promise<void> {
    while (!this.#expired) {
      // What has come of a request by then is owed an answer, the last one.
      if (this.#closing && !this.#hasBegun) break
      const step = this.#advance()
      if (step === STEP.RECEIVE) {
        this.#hot.between = this.#at === this.#end
        const filled = await this.#fill()
        this.#hot.between = false
        if (!filled) break
      } else if (step === STEP.WAIT) {
        this.#enter('send')
        await this.#hot.rest
        await this.connection.flush()
      } else if (step === STEP.ANSWER) {
        this.#enter('send')
        if (!(await this.#serve(this.#head.keepAlive && this.#hot.left > 0))) break
        if (this.#at === this.#end) this.#enter('idle')
      } else {
        await this.#refuse(-this.#refusal)
        break
      }
    }
    await this.#hot.rest
    await this.#linger()
  }

  /** Answers what can be answered at once, without leaving this turn. @returns what has to be waited for */
  #advance(): number {
    const { connection } = this
    const hot = this.#hot
    while (this.#at < this.#end && connection.isOpen) {
      if (hot.rest !== undefined || connection.writableLength > WAITING_BYTES) return STEP.WAIT
      const start = this.#at
      const result = this.#head.parse(this.#bytes, start, this.#end)
      if (result === 0) {
        // An empty line is no head yet: who sends nothing behind it is idle.
        if (!this.#hasBegun) this.#rest()
        else if (this.#phase !== 'head') this.#enter('head')
        if (this.#isShared) this.#ownRest()
        return STEP.RECEIVE
      }
      if (result < 0) {
        this.#refusal = result
        return STEP.REFUSE
      }
      this.#at += result
      hot.left--
      if (this.#at === this.#end) this.#pipelined = 0
      // One more than may wait behind the one that is answered: this is the last.
      else if (++this.#pipelined === this.#settings.maxPipelined) hot.left = 0
      const status = hot.answer(this.#head, this.#bytes, start, this.#at)
      if (status === 0) return STEP.ANSWER
      if (this.#note !== undefined) this.#noteHot(this.#note, status)
    }
    if (this.#end > 0) this.#enter('idle')
    else this.#rest()
    // Who is silent for long would keep the whole block alive.
    this.#bytes = NOTHING
    this.#at = 0
    this.#end = 0
    this.#head.letGo()
    return STEP.RECEIVE
  }

  /** Whether something of a request has come that is not answered yet. */
  get #hasBegun(): boolean {
    return this.#at < this.#end && beginOf(this.#bytes, this.#at, this.#end) < this.#end
  }

  #rest(): void {
    if (!isSilent(this.#phase)) this.#enter('idle')
  }

  /** Copies what has come of a head out of the shared block. */
  #ownRest(): void {
    const rest = Buffer.allocUnsafeSlow(this.#end - this.#at)
    this.#bytes.copy(rest, 0, this.#at, this.#end)
    this.#bytes = rest
    this.#end = rest.length
    this.#at = 0
    this.#isShared = false
    this.#head.letGo()
  }

  /** Notes what was answered at once: where a file is still on its way, when that is through. */
  #noteHot(note: Note, status: number): void {
    const { rest, body } = this.#hot
    const request = notedOf(this.#head)
    const arrived = this.#arrivedMs
    if (rest === undefined) note(request, status, body, arrived)
    else void rest.then(sent => note(request, status, sent, arrived))
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
    if (!this.#expired) this.#enter('linger')
    let limit = Math.max(this.#settings.maxBody, LINGER_BYTES)
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
    if (this.#note !== undefined) this.#arrivedMs = performance.now()
    const rest = this.#end - this.#at
    if (rest === 0) {
      this.#bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
      this.#isShared = true
      this.#at = 0
      this.#end = chunk.length
    } else {
      this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at, this.#end), chunk])
      this.#isShared = false
      this.#at = 0
      this.#end = this.#bytes.length
    }
    return true
  }

  /** Answers the request at hand. @returns whether another one may follow */
  async #serve(keepAlive: boolean): Promise<boolean> {
    const head = this.#head
    const started = performance.now()
    const found = await this.#find(head)
    let answer = found
    let goesOn = keepAlive && !isFatal(answer.status, head)
    try {
      if (head.contentLength !== 0 && !this.#closing && !isFatal(answer.status, head)) {
        const refusal = await this.#dropBody()
        if (refusal !== 0) {
          answer = plainAnswer(refusal)
          goesOn = false
        }
      }
      if (this.#expired) return false
      this.#enter('send')
      if (this.connection.isOpen) answer = await this.#keepReady(answer, head)
      // The server may have begun to close meanwhile.
      const keep = goesOn && !this.#closing
      await this.#send(answer, keep, started)
      return keep && this.connection.isOpen
    } finally {
      fileOf(found)?.release()
    }
  }

  /** Sends an answer, and counts and notes what of it has gone out, whatever became of it. */
  async #send(answer: Answer, keep: boolean, started: number): Promise<void> {
    const { connection } = this
    const head = Buffer.from(responseHead(answer, keep, this.#head.minor), 'latin1')
    const before = this.#given
    try {
      // A client that has gone meanwhile is sent nothing.
      if (connection.isOpen) await this.#sendBody(answer, head)
    } finally {
      const bytes = this.#given - before
      this.#stats.count(answer.status, bytes, started)
      this.#note?.(notedOf(this.#head), answer.status, Math.max(0, bytes - head.length), this.#arrivedMs)
    }
  }

  /** Bytes that the connection was given so far: what it has copied may still wait to be sent. */
  get #given(): number {
    return this.connection.bytesWritten + this.connection.writableLength
  }

  /** The site's answer, where the request is one for this server at all. */
  #find(head: RequestHead): Answer | Promise<Answer> {
    if (!this.#hot.hasHost(head)) return plainAnswer(400)
    // RFC 9110, 7.4: what is asked for over TLS is not served without.
    if (SECURE.test(head.target)) return plainAnswer(421)
    try {
      const answer = this.#site.answer(requestOf(head, this.connection))
      return answer instanceof Promise ? answer.catch(failure) : answer
    } catch (error) {
      return failure(error as Error)
    }
  }

  /** Keeps a resource at hand for the next time, and a small one's whole response. @returns what is answered then */
  async #keepReady(answer: Answer, head: RequestHead): Promise<Answer> {
    const { stored } = answer
    if (stored === undefined) return answer
    if (stored.isToBeLoaded) {
      const loaded = await stored.file.load().catch(failure)
      if (loaded !== true) return loaded || answer
      this.#site.grown(stored.resource)
    }
    this.#site.remember(head.target, stored.resource)
    return answer
  }

  async #sendBody(answer: Answer, head: Buffer): Promise<void> {
    const { connection } = this
    const { body } = answer
    if (this.#head.method === 'HEAD' || body.kind === 'none') {
      await connection.write(head)
    } else if (body.kind === 'bytes') {
      await connection.writev([head, body.bytes])
    } else if (body.kind === 'file') {
      const { content } = body.file
      if (content !== undefined)
        await connection.writev([head, content.subarray(body.start, body.start + body.length)])
      else await sendPiece(connection, this.#stats, body.file, head, body.start, body.length)
    } else {
      connection.write(head).catch(ignore)
      for (const { head: partHead, range } of body.parts) {
        const length = range.end - range.start + 1
        await sendPiece(connection, this.#stats, body.file, partHead, range.start, length)
      }
      await connection.write(body.closing)
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
