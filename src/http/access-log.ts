import { accessSync, closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { appendStream, STDOUT } from './append-stream.js'

/** How a line is written: Apache's two formats, or a JSON object a line. */
export type AccessLogFormat = 'common' | 'combined' | 'json'

/** One request, answered. */
export interface AccessRecord {
  address: string
  /** Milliseconds since 1970. */
  time: number
  method: string
  target: string
  /** Of HTTP: `1.1`. */
  version: string
  status: number
  /** Bytes of the body that were sent. */
  bytes: number
  /** How long it took, in milliseconds. */
  milliseconds: number
  referer: string | undefined
  userAgent: string | undefined
}

/** Bytes that may wait to be written; lines beyond are counted and left out, and the log says how many. */
const LIMIT = 1 << 20
/** How long an end waits for what is still to be written. */
const CLOSE_MS = 2000
/** After which a file that could not be written is tried again. */
const RETRY_MS = 1000
const NEWLINE = 10
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')

const two = (value: number) => String(value).padStart(2, '0')

/** `10/Oct/2000:13:55:36 +0000` */
function commonTime(time: number): string {
  const at = new Date(time)
  const clock = [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(':')
  return `${two(at.getUTCDate())}/${MONTHS[at.getUTCMonth()]}/${at.getUTCFullYear()}:${clock} +0000`
}

/** A client's bytes must not be able to forge a line or move a terminal's cursor. */
function quoted(text: string | undefined): string {
  if (text === undefined) return '"-"'
  const safe = text.replace(/["\\]|[^ -~]/g, character => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  })
  return `"${safe}"`
}

/** What JSON lets stand as it is, a terminal need not: the other control characters (C1 and DEL). */
function jsonOf(record: AccessRecord): string {
  const text = JSON.stringify({ ...record, time: new Date(record.time).toISOString() })
  return text.replace(/[\x7f-\x9f]/g, character => `\\u00${character.charCodeAt(0).toString(16)}`)
}

/** A line of an access log, with its newline. */
export function accessLine(record: AccessRecord, format: AccessLogFormat): string {
  if (format === 'json') return `${jsonOf(record)}\n`
  const request = quoted(`${record.method} ${record.target} HTTP/${record.version}`)
  const line = `${record.address} - - [${commonTime(record.time)}] ${request} ${record.status} ${record.bytes}`
  return format === 'common' ? `${line}\n` : `${line} ${quoted(record.referer)} ${quoted(record.userAgent)}\n`
}

/** Says how many lines are missing at this place. */
function gapLine(count: number, format: AccessLogFormat): string {
  return format === 'json' ? `{"notLogged":${count}}\n` : `# ${count} requests were not logged\n`
}

/** Sees that a file can be appended to. A FIFO that nobody reads yet is waited for later. @throws the system error */
export function checkAppendable(path: string): void {
  if (path === STDOUT) return
  // Opened and closed, a FIFO would tell whoever waits to read it that this was all.
  if (statSync(path, { throwIfNoEntry: false })?.isFIFO()) {
    accessSync(path, constants.W_OK)
    return
  }
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK
  closeSync(openSync(path, flags, 0o666))
}

/** Whether a file ends within a line: the disk was full in the middle of it. */
function endsTorn(path: string): boolean {
  // What stands there others write as well.
  if (path === STDOUT) return false
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const byte = Buffer.alloc(1)
      const { size } = fstatSync(fd)
      return size > 0 && readSync(fd, byte, 0, 1, size - 1) === 1 && byte[0] !== NEWLINE
    } finally {
      closeSync(fd)
    }
  } catch {
    return false // no file, or none that can be read: its next line says nothing of the last one
  }
}

/**
 * An access log that never holds up a response. What the disk does not take in time is bounded; lines beyond the bound
 * are left out, and the first one that fits again says how many, or else the end of the log does; where not even that
 * can be written, a warning. One that cannot be written is tried again each second.
 */
export class AccessLog {
  /** Lines left out so far; some of those that were under way when writing failed may be there nevertheless. */
  dropped = 0
  readonly #path: string
  readonly #format: AccessLogFormat
  #stream: Writable | undefined
  #unreported = 0
  #failed: Error | undefined
  #failedMs = 0
  /** Whether it is known, and was told, that writing fails. */
  #told = false

  /** @param path of the file, to which it appends: see {@link checkAppendable} */
  constructor(path: string, format: AccessLogFormat) {
    this.#path = path
    this.#format = format
    this.#stream = this.#open()
  }

  #open(): Writable | undefined {
    let stream: Writable
    try {
      stream = appendStream(this.#path)
    } catch (error) {
      this.#fail(error as Error)
      return undefined
    }
    stream.on('error', error => {
      if (stream === this.#stream) this.#fail(error)
    })
    return stream
  }

  #fail(error: Error): void {
    this.#failed = error
    this.#failedMs = performance.now()
    if (this.#told) return
    this.#told = true
    process.emitWarning(`The access log cannot be written, and is tried again: ${error.message}`)
  }

  /** Goes on in a file of this name that is made anew where the old one was moved away; what waits goes to the old one. */
  reopen(): void {
    const old = this.#stream
    if (old !== process.stdout) old?.end()
    // What nobody reads from a FIFO is not worth a process that never ends.
    if (old instanceof Socket) old.unref()
    this.#failed = undefined
    this.#stream = this.#open()
  }

  /** Why nothing is written just now, if so: a full disk, say. */
  get error(): Error | undefined {
    return this.#failed
  }

  #written = (error: Error | null | undefined): void => {
    if (error) this.#drop()
    else this.#told = false
  }

  #drop(): void {
    this.dropped++
    this.#unreported++
  }

  #report(stream: Writable, count: number): void {
    this.#unreported = 0
    stream.write(gapLine(count, this.#format), error => {
      if (error) this.#unreported += count
    })
  }

  /** Notes a request. */
  write(record: AccessRecord): void {
    if (this.#failed !== undefined && performance.now() - this.#failedMs >= RETRY_MS) {
      this.reopen()
      if (endsTorn(this.#path)) this.#stream?.write('\n')
    }
    const stream = this.#stream
    if (this.#failed !== undefined || stream === undefined || stream.writableLength > LIMIT) {
      this.#drop()
      return
    }
    if (this.#unreported > 0) this.#report(stream, this.#unreported)
    stream.write(accessLine(record, this.#format), this.#written)
  }

  /** Writes what waits, for as long as that may take, and closes the file. */
  async close(): Promise<void> {
    const stream = this.#stream
    if (this.#failed === undefined && stream !== undefined) await this.#finish(stream)
    if (this.#unreported === 0) return
    process.emitWarning(`Of the access log ${this.#unreported} lines are missing at the end`)
    this.#unreported = 0
  }

  #finish(stream: Writable): Promise<void> {
    if (this.#unreported > 0) this.#report(stream, this.#unreported)
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        const left = stream.writableLength
        process.emitWarning(`${left} bytes of the access log were not taken in time, and are lost`)
        stream.destroy()
        resolve()
      }, CLOSE_MS)
      const done = () => {
        clearTimeout(timer)
        resolve()
      }
      stream.once('error', done)
      if (stream === process.stdout) stream.write('', done)
      else stream.end(done)
    })
  }
}
