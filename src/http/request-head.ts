import { CLASS, TARGET, TOKEN, VALUE } from './character-class.js'
import { HEADER, HEADER_COUNT, type HeaderId, headerId } from './header-name.js'

/** How much of a request's head is accepted; beyond it the answer is 414 or 431. */
export interface HeadLimits {
  /** Bytes of the request line. */
  line: number
  /** Header fields. */
  fields: number
  /** Bytes of the whole head. */
  bytes: number
}

/** What a head may be unless told otherwise. */
export const DEFAULT_HEAD_LIMITS: HeadLimits = { line: 8192, fields: 100, bytes: 16384 }

const NOTHING = Buffer.alloc(0)
const CR = 13
const LF = 10
const SP = 32
const HT = 9
const COLON = 58

const FRAMING = (1 << HEADER.HOST) | (1 << HEADER.CONTENT_LENGTH) | (1 << HEADER.TRANSFER_ENCODING)

/** Fields that are lists, and may come in several lines. */
const LISTS =
  (1 << HEADER.IF_MATCH) | (1 << HEADER.IF_NONE_MATCH) | (1 << HEADER.ACCEPT) | (1 << HEADER.ACCEPT_ENCODING)

const VERSION_LENGTH = 8
const HEAD = new TextEncoder().encode('HEAD ')
const VERSION = new TextEncoder().encode('HTTP/1.')

const GET = 0x20544547 // 'GET ', little-endian

/**
 * The head of an HTTP/1 request, read where it lies: nothing is copied, a string is made only of what is asked for.
 *
 * Strict where leniency lets two readers of one stream disagree on where a request ends: a bare CR or LF, white space
 * before a colon, a folded line, a NUL, a field twice that must be there once.
 *
 * @see RFC 9112, sections 2 to 6
 */
export class RequestHead {
  /** The method as it was sent. */
  method = ''
  /** The request target as it was sent. */
  target = ''
  /** 0 for HTTP/1.0, 1 for HTTP/1.1 and later. */
  minor = 1
  /** Bytes of the body that follow; -1 where it is chunked. */
  contentLength = 0
  /** Whether the connection can serve another request afterwards. */
  keepAlive = true
  /** Which known fields there are: bit `id` of each. */
  seen = 0
  /** The client waits for `100 Continue` before it sends the body. */
  expectsContinue = false
  readonly #limits: HeadLimits
  /** Start and end of each known field's value, where `seen` says that it is there. */
  readonly #known = new Int32Array(HEADER_COUNT * 2)
  /** Values of lists that came in several lines. */
  #lists: Map<HeaderId, string> | undefined
  #bytes: Buffer = NOTHING
  /** Empty lines before the head, in bytes, and what of the head has been searched for its end. */
  #skipped = 0
  #scanned = 0
  #line = true
  #hasLength = false
  #chunked = false
  #close = false

  constructor(limits: HeadLimits = DEFAULT_HEAD_LIMITS) {
    this.#limits = limits
  }

  /**
   * Reads a head that begins at `start`.
   *
   * When it is not there whole, call again with the same beginning and more behind it: what was searched is not
   * searched again. The bytes must stay as they are as long as fields are asked for.
   *
   * @returns bytes that the head takes up, 0 when it is incomplete, or a negated status: -400, -414, -417, -431,
   *   -501, -505; after a refusal the connection cannot go on
   */
  parse(bytes: Uint8Array, start: number, end: number): number {
    const begin = this.#skipEmptyLines(bytes, start, end)
    if (begin < 0) return this.#unread(-400)
    if (begin - start !== this.#skipped) this.#scanned = 0
    this.#skipped = begin - start
    const found = this.#findEnd(bytes, begin, end)
    if (found <= 0) return found === 0 ? 0 : this.#unread(found)
    this.#bytes = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const status = this.#read(begin, found)
    return this.#again(status === 0 ? found - start : -status)
  }

  /** Knows nothing any more of the request before: what has come since is none. */
  forget(): void {
    this.method = ''
    this.target = ''
    this.seen = 0
    this.minor = 1
  }

  /** Keeps no bytes alive: no field can be asked for from now on. */
  letGo(): void {
    this.#bytes = NOTHING
  }

  #unread(result: number): number {
    this.forget()
    return this.#again(result)
  }

  #again(result: number): number {
    this.#skipped = 0
    this.#scanned = 0
    this.#line = true
    return result
  }

  /** A client may send an empty line or two after a body (RFC 9112, 2.2). @returns -1 for a bare CR */
  #skipEmptyLines(bytes: Uint8Array, start: number, end: number): number {
    let at = start
    while (at + 1 < end && bytes[at] === CR && at - start < 4) {
      if (bytes[at + 1] !== LF) return -1
      at += 2
    }
    return at
  }

  /** @returns where the head ends, 0 for not yet, or a negated status */
  #findEnd(bytes: Uint8Array, begin: number, end: number): number {
    const limit = Math.min(end, begin + this.#limits.bytes)
    let at = begin + this.#scanned
    for (; at < limit; at++) {
      if (bytes[at] !== LF) continue
      if (at === begin || bytes[at - 1] !== CR) return -400
      if (this.#line && at - begin - 1 > this.#limits.line) return -414
      this.#line = false
      if (at - begin >= 3 && bytes[at - 2] === LF) return at + 1
    }
    this.#scanned = at - begin
    if (this.#line && this.#scanned > this.#limits.line) return -414
    return this.#scanned >= this.#limits.bytes ? -431 : 0
  }

  /** @returns 0, or the status of the refusal */
  #read(begin: number, end: number): number {
    this.forget()
    this.#hasLength = false
    this.#chunked = false
    this.#close = false
    this.contentLength = 0
    this.expectsContinue = false
    this.#lists = undefined
    const lineEnd = this.#bytes.indexOf(CR, begin)
    const status = this.#readLine(begin, lineEnd)
    if (status !== 0) return status
    this.keepAlive = this.minor > 0
    let fields = 0
    for (let at = lineEnd + 2; at < end - 2; ) {
      if (++fields > this.#limits.fields) return 431
      const next = this.#readField(at)
      if (next < 0) return -next
      at = next
    }
    return this.#frame()
  }

  #readLine(begin: number, end: number): number {
    const bytes = this.#bytes
    if (bytes[end + 1] !== LF) return 400
    let at = begin
    while (at < end && (CLASS[bytes[at]] & TOKEN) !== 0) at++
    if (at === begin || bytes[at] !== SP) return 400
    const method = bytes.readUInt32LE(begin) === GET ? 'GET' : bytes.toString('latin1', begin, at)
    const target = ++at
    while (at < end && (CLASS[bytes[at]] & TARGET) !== 0) at++
    if (at === target || bytes[at] !== SP || end - at - 1 !== VERSION_LENGTH) return 400
    const version = this.#readVersion(at + 1)
    if (version !== 0) return version
    this.method = method
    this.target = bytes.toString('latin1', target, at)
    return 0
  }

  #readVersion(at: number): number {
    const bytes = this.#bytes
    for (let index = 0; index < 5; index++) if (bytes[at + index] !== VERSION[index]) return 400
    const major = bytes[at + 5] - 48
    const minor = bytes[at + 7] - 48
    if (major < 0 || major > 9 || bytes[at + 6] !== VERSION[6] || minor < 0 || minor > 9) return 400
    if (major !== 1) return 505
    this.minor = minor === 0 ? 0 : 1
    return 0
  }

  /** @returns where the next line begins, or a negated status */
  #readField(begin: number): number {
    const bytes = this.#bytes
    let at = begin
    // A folded line begins with white space, which is no token character; so is a name followed by white space.
    while ((CLASS[bytes[at]] & TOKEN) !== 0) at++
    if (at === begin || bytes[at] !== COLON) return -400
    const id = headerId(bytes, begin, at)
    at++
    while (bytes[at] === SP || bytes[at] === HT) at++
    const start = at
    while ((CLASS[bytes[at]] & VALUE) !== 0) at++
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return -400
    let end = at
    while (end > start && (bytes[end - 1] === SP || bytes[end - 1] === HT)) end--
    if (id !== HEADER.OTHER) {
      // Others refuse tabs around what frames a request, or take them for part of it.
      if ((FRAMING & (1 << id)) !== 0 && (hasTab(bytes, begin, start) || hasTab(bytes, end, at))) return -400
      const status = this.#keep(id, start, end)
      if (status !== 0) return -status
    }
    return at + 2
  }

  #keep(id: HeaderId, start: number, end: number): number {
    const repeated = this.has(id)
    switch (id) {
      case HEADER.HOST:
        if (repeated) return 400
        break
      case HEADER.CONTENT_LENGTH:
        if (repeated) return 400
        return this.#keepLength(start, end)
      case HEADER.TRANSFER_ENCODING:
        if (repeated) return 400
        this.#chunked = true
        this.#place(id, start, end)
        return codingStatus(lower(this.#bytes, start, end))
      case HEADER.CONNECTION:
        this.#keepConnection(start, end)
        break
      case HEADER.EXPECT:
        return this.#keepExpectation(lower(this.#bytes, start, end))
      default:
        // Else only the first of what a client sends twice counts, but for dates and ranges that would be a guess.
        if (repeated) return this.#repeat(id, start, end)
    }
    if (!repeated) this.#place(id, start, end)
    return 0
  }

  /** RFC 9110, 5.3: several lines of a field that is a list are one list. */
  #repeat(id: HeaderId, start: number, end: number): number {
    if ((LISTS & (1 << id)) !== 0) {
      this.#lists ??= new Map()
      this.#lists.set(id, `${this.get(id)}, ${this.#bytes.toString('latin1', start, end)}`)
      return 0
    }
    return id >= HEADER.RANGE && id <= HEADER.IF_UNMODIFIED_SINCE ? 400 : 0
  }

  #keepExpectation(expectations: string): number {
    for (const expectation of expectations.split(',')) {
      const name = expectation.trim()
      if (name === '100-continue') this.expectsContinue = true
      else if (name !== '') return 417
    }
    return 0
  }

  #place(id: HeaderId, start: number, end: number): void {
    this.seen |= 1 << id
    this.#known[id * 2] = start
    this.#known[id * 2 + 1] = end
  }

  #keepLength(start: number, end: number): number {
    let length = 0
    for (let at = start; at < end; at++) {
      const digit = this.#bytes[at] - 48
      if (digit < 0 || digit > 9) return 400
      length = length * 10 + digit
      if (length > Number.MAX_SAFE_INTEGER) return 400
    }
    if (start === end) return 400
    this.#hasLength = true
    this.contentLength = length
    this.#place(HEADER.CONTENT_LENGTH, start, end)
    return 0
  }

  #keepConnection(start: number, end: number): void {
    for (const token of lower(this.#bytes, start, end).split(',')) {
      if (token.trim() === 'close') this.#close = true
      else if (token.trim() === 'keep-alive') this.keepAlive = true
    }
  }

  /** What only the whole head can tell. */
  #frame(): number {
    if (this.#close) this.keepAlive = false
    if (this.#chunked) {
      // RFC 9112, 6.1: both lengths, or chunks from a client that cannot know them, are an attack or a fault.
      if (this.#hasLength || this.minor === 0) return 400
      this.contentLength = -1
    }
    if (this.minor === 0) {
      this.expectsContinue = false
      return 0
    }
    return this.has(HEADER.HOST) ? 0 : 400
  }

  /** Whether a field is there. */
  has(id: HeaderId): boolean {
    return (this.seen & (1 << id)) !== 0
  }

  /** A field's value, without the white space around it; undefined where it is absent. Bytes above 127 are Latin-1. */
  get(id: HeaderId): string | undefined {
    if (!this.has(id)) return undefined
    const list = this.#lists?.get(id)
    if (list !== undefined) return list
    return this.#bytes.toString('latin1', this.#known[id * 2], this.#known[id * 2 + 1])
  }
}

/** Where a request begins, behind empty lines and parts of them; `end` where none has begun. */
export function beginOf(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && (bytes[at] === CR || bytes[at] === LF)) at++
  return at
}

/** Whether what begins here asks for no more than a head, whatever else is wrong with it or missing. */
export function asksForHead(bytes: Uint8Array, start: number, end: number): boolean {
  const at = beginOf(bytes, start, end)
  return end - at >= HEAD.length && HEAD.every((byte, index) => bytes[at + index] === byte)
}

/** RFC 9112, 6.1 and 6.3: what does not end in chunks, or has chunks in chunks, has no end that can be relied on. */
function codingStatus(codings: string): number {
  if (codings === 'chunked') return 0
  const names = codings.split(',').map(name => name.trim())
  const known = names.at(-1) === 'chunked' && names.indexOf('chunked') === names.length - 1
  return known && names.every(name => name !== '') ? 501 : 400
}

function hasTab(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (bytes[at] === HT) return true
  return false
}

function lower(bytes: Buffer, start: number, end: number): string {
  return bytes.toString('latin1', start, end).toLowerCase()
}
