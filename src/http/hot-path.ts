import type { Connection, FixedBytes, Tap } from '../net/index.js'
import { HEADER } from './header-name.js'
import { ANSWER, type AnswerKind, KnownHead } from './known-head.js'
import type { RequestHead } from './request-head.js'
import { isCurrent } from './request-meaning.js'
import { isHost } from './request-path.js'
import type { Resource, StoredResource } from './resource.js'
import { currentDate } from './response-head.js'
import type { ServerStats } from './server-stats.js'
import type { Site } from './site.js'
import type { StaticFile } from './static-file.js'

/** Bytes that may wait for a client before its next request is looked at. */
export const WAITING_BYTES = 64 * 1024
/** Of a head that is compared as a whole; a longer one is parsed each time. A connection holds one, and so does a file. */
const KNOWN_BYTES = 2048
/** Fields that make a request ask for something else than the whole of a resource. */
const PARTICULAR =
  (1 << HEADER.RANGE) |
  (1 << HEADER.IF_MATCH) |
  (1 << HEADER.IF_NONE_MATCH) |
  (1 << HEADER.IF_MODIFIED_SINCE) |
  (1 << HEADER.IF_UNMODIFIED_SINCE) |
  (1 << HEADER.CONTENT_LENGTH) |
  (1 << HEADER.TRANSFER_ENCODING)

const ignore = () => {}
/** A promise of `write()` that is known to fail silently: the connection gives one and the same for whatever it copied. */
let settled: Promise<void> | undefined

/**
 * The short way of a connection: requests for resources that are open, whose answers stand ready or whose pages are in
 * memory, are answered in the turn in which they came, without a promise, a closure or a copy.
 *
 * As the connection's tap it sees what comes before the read that waits for it. Where that is, byte for byte, the head
 * that this connection was asked with before, it is answered without being parsed. Everything else takes the long way.
 */
export class HotPath implements Tap {
  /** Requests that are still taken. */
  left: number
  /** Grows with everything that is done here. */
  beat = 0
  /** Bytes of the body that was given last, where nothing is left of it. */
  body = 0
  /** Whether what comes next is a request's beginning: not the rest of a head, nor a body. */
  between = false
  /** What is left of a file whose beginning was sent: the next response must wait for it. Gives the bytes of the body sent. */
  rest: Promise<number> | undefined
  readonly #connection: Connection
  readonly #site: Site
  readonly #stats: ServerStats
  /** The last `Host`, which is seldom another one. */
  #host: string | undefined
  /** The head that was answered last, and with what. */
  #known: KnownHead | undefined
  #stored: StoredResource | undefined
  #resource: Resource | undefined
  /** When it was to be looked at again, as that head was answered: once it was, the head may lead to another one. */
  #freshUntil = 0

  constructor(connection: Connection, site: Site, stats: ServerStats, left: number) {
    this.#connection = connection
    this.#site = site
    this.#stats = stats
    this.left = left
  }

  take(bytes: Buffer, start: number, end: number): number {
    const known = this.#known
    if (known === undefined || !this.between) return 0
    this.#stats.arrive()
    const resource = this.#resource as Resource
    const stored = this.#stored as StoredResource
    if (resource.freshUntil !== this.#freshUntil) return 0
    resource.wasUsed = true
    // A look at a clock is a number on the heap: one for all of them.
    const now = performance.now()
    let at = start
    // The last one is told so.
    while (this.left > 1 && this.rest === undefined && known.lies(bytes, at, end)) {
      if (!this.#site.isFresh(resource, now) || this.#connection.writableLength > WAITING_BYTES) break
      if (this.#send(stored, known.answer, now) === 0) break
      this.left--
      at += known.length
    }
    return at - start
  }

  /** Whether `Host` can be one; only HTTP/1.0 may do without. */
  hasHost(head: RequestHead): boolean {
    const host = head.get(HEADER.HOST)
    if (host !== this.#host) {
      if (host !== undefined && !isHost(host)) return false
      this.#host = host
    }
    return true
  }

  /**
   * Answers a request that has been parsed, and counts as taken, if nothing has to be waited for.
   *
   * @param bytes which hold its head from `start` to `end`
   * @returns the status, 0 where it takes the long way
   */
  answer(head: RequestHead, bytes: Buffer, start: number, end: number): number {
    const stored = this.#find(head)
    if (stored === undefined) return 0
    const answer = answerTo(head, stored)
    if (answer === undefined) return 0
    const status = this.#send(stored, answer, performance.now())
    if (status !== 0) this.#remember(stored, answer, bytes, start, end)
    return status
  }

  /** What a request asks for, if that is open and asked for as a whole, over a connection that stays. */
  #find(head: RequestHead): StoredResource | undefined {
    if (!head.keepAlive || head.minor === 0 || this.left <= 0) return undefined
    const resource = this.#site.hot(head.target)
    if (resource === undefined || !this.hasHost(head)) return undefined
    return resource.selectReady(resource.varies ? head.get(HEADER.ACCEPT_ENCODING) : undefined)
  }

  #remember(stored: StoredResource, answer: AnswerKind, bytes: Buffer, start: number, end: number): void {
    const { known, resource } = stored
    if (end - start > KNOWN_BYTES) {
      this.#known = undefined
      this.#site.grown(resource)
      return
    }
    if (known?.length !== end - start || !known.lies(bytes, start, end)) {
      stored.known = new KnownHead(answer, bytes.subarray(start, end))
      this.#site.grown(resource)
    }
    this.#known = stored.known
    this.#stored = stored
    this.#resource = resource
    this.#freshUntil = resource.freshUntil
  }

  /** @returns the status, 0 where it cannot be done at once */
  #send(stored: StoredResource, answer: AnswerKind, now: number): number {
    const date = currentDate(now)
    if (answer === ANSWER.WHOLE) {
      const ready = stored.ready(date)
      return ready === undefined ? this.#lend(stored, date) : this.#write(ready, 200, stored.file.size)
    }
    if (answer === ANSWER.HEAD) return this.#write(stored.head(date), 200, 0)
    return this.#write(stored.notModified(date), 304, 0)
  }

  #write(response: FixedBytes, status: number, body: number): number {
    const written = this.#connection.writeFixed(response)
    if (written !== settled) {
      settled = written
      // What a write fails with, the connection has failed with, and the next read says so.
      written.catch(ignore)
    }
    this.#count(status, response.bytes.length, body)
    return status
  }

  #count(status: number, length: number, body: number): void {
    this.body = body
    this.beat++
    this.#stats.count(status, length)
  }

  /** Sends a file's pages from where they are, as many as the socket takes; the others follow. */
  #lend(stored: StoredResource, date: string): number {
    const socket = this.#connection.clearFd
    if (socket < 0) return 0
    const { file } = stored
    const head = stored.head(date)
    const sent = file.lent.send(socket, head, 0, file.size)
    const fetched = sent === 0 ? file.lent.fetch(0, file.size) : undefined
    if (sent === 0 && fetched === undefined) return 0
    this.#connection.moved(sent)
    if (sent < head.bytes.length + file.size) {
      this.beat++
      this.rest = this.#sendRest(file, head, sent, fetched)
    } else {
      this.#count(200, sent, file.size)
      this.#stats.mechanism('sendfile')
    }
    return 200
  }

  /** @param fetched brings all of the file into memory, where none of it was */
  async #sendRest(
    plain: StaticFile,
    head: FixedBytes,
    begun: number,
    fetched?: Promise<void>,
  ): Promise<number> {
    const connection = this.#connection
    const before = connection.bytesWritten - begun
    let given = 0
    const file = plain.retain()
    const started = performance.now()
    const { length } = head.bytes
    // The date of one that is sent later is written over that of this one.
    const own = fetched === undefined && begun < length ? Buffer.from(head.bytes) : undefined
    try {
      const sent = fetched === undefined ? begun : await this.#sendFetched(file, head, fetched)
      if (sent < length) await connection.write((own ?? head.bytes).subarray(sent))
      const done = Math.max(0, sent - length)
      const via =
        done === file.size ? 'sendfile' : await file.lent.sendRest(connection, done, file.size - done)
      this.#stats.mechanism(via)
    } catch (error) {
      // Whoever reads is told.
      void connection.destroy(error as Error)
    } finally {
      file.release()
      this.rest = undefined
      this.beat++
      given = connection.bytesWritten + connection.writableLength - before
      this.#stats.count(200, given, started)
      if (this.left <= 0 && this.between) void connection.close()
    }
    return Math.max(0, given - length)
  }

  async #sendFetched(file: StaticFile, head: FixedBytes, fetched: Promise<void>): Promise<number> {
    await fetched
    const socket = this.#connection.clearFd
    const sent = socket < 0 ? 0 : file.lent.send(socket, head, 0, file.size)
    this.#connection.moved(sent)
    return sent
  }
}

/** What a request asks a representation for; undefined where that takes more than a look. */
function answerTo(head: RequestHead, stored: StoredResource): AnswerKind | undefined {
  const { method } = head
  if (method !== 'GET' && method !== 'HEAD') return undefined
  const particular = head.seen & PARTICULAR
  if (particular === 0) return method === 'GET' ? ANSWER.WHOLE : ANSWER.HEAD
  return isCurrent(head, particular, stored) ? ANSWER.NOT_MODIFIED : undefined
}
