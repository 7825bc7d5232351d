import { createWriteStream, type WriteStream } from 'node:fs'

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

/** A line of an access log, with its newline. */
export function accessLine(record: AccessRecord, format: AccessLogFormat): string {
  if (format === 'json')
    return `${JSON.stringify({ ...record, time: new Date(record.time).toISOString() })}\n`
  const request = quoted(`${record.method} ${record.target} HTTP/${record.version}`)
  const line = `${record.address} - - [${commonTime(record.time)}] ${request} ${record.status} ${record.bytes}`
  return format === 'common' ? `${line}\n` : `${line} ${quoted(record.referer)} ${quoted(record.userAgent)}\n`
}

/**
 * An access log that never holds up a response. What the disk does not take in time is bounded; lines beyond the bound
 * are left out, and the first one that fits again says how many.
 */
export class AccessLog {
  /** Lines left out so far. */
  dropped = 0
  readonly #path: string
  readonly #format: AccessLogFormat
  #stream: WriteStream
  #unreported = 0
  #failed: Error | undefined

  /** @param path of the file, to which it appends */
  constructor(path: string, format: AccessLogFormat) {
    this.#path = path
    this.#format = format
    this.#stream = this.#open()
  }

  #open(): WriteStream {
    const stream = createWriteStream(this.#path, { flags: 'a' })
    stream.on('error', error => {
      if (stream === this.#stream) this.#failed = error
    })
    return stream
  }

  /** Goes on in a file of this name that is made anew where the old one was moved away; what waits goes to the old one. */
  reopen(): void {
    this.#stream.end()
    this.#failed = undefined
    this.#stream = this.#open()
  }

  /** Why nothing is written any more, if so: a full disk, say. */
  get error(): Error | undefined {
    return this.#failed
  }

  /** Notes a request. */
  write(record: AccessRecord): void {
    if (this.#failed !== undefined || this.#stream.writableLength > LIMIT) {
      this.dropped++
      this.#unreported++
      return
    }
    if (this.#unreported > 0) this.#stream.write(`# ${this.#unreported} requests were not logged\n`)
    this.#unreported = 0
    this.#stream.write(accessLine(record, this.#format))
  }

  /** Writes what waits and closes the file. */
  close(): Promise<void> {
    if (this.#failed !== undefined) return Promise.resolve()
    return new Promise(resolve => {
      this.#stream.once('error', () => resolve())
      this.#stream.end(() => resolve())
    })
  }
}
