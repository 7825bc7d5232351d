import { AbortError, checkInteger, invalidArgType, invalidArgValue, outOfRange } from '../../kernel/index.js'
import { damage } from './damage.js'
import { SEGMENT } from './format.js'
import type { ScanEnd } from './frame-scanner.js'
import type { LogEngine } from './log-file.js'
import { SegmentReader } from './segment-reader.js'

/** A record of a log. */
export interface LogRecord {
  /** What `append()` gave. */
  position: number
  /** Where to go on: the position behind it. */
  next: number
  /** Yours to keep. Its ArrayBuffer holds other records too. */
  bytes: Uint8Array<ArrayBuffer>
}

/** Which records are read. */
export interface LogReadOptions {
  /** Position of the first record, or `next` of the one before; the oldest there is by default. */
  from?: number
  /** Reads no record from this position on. */
  to?: number
  /** Waits for further records at the end, until aborted or until the log is closed. */
  follow?: boolean
  signal?: AbortSignal
}

/** The log as a reader sees it. */
export interface LogSource {
  readonly directory: string
  readonly engine: () => LogEngine
  /** Bases of the segments, oldest first. */
  bases(): Promise<readonly number[]>
  /** Up to where records may be read. */
  readonly limit: number
  /** Waits until there may be more than at the last call, or for the signal. @returns false when nothing will come */
  changed(signal: AbortSignal | undefined): Promise<boolean>
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
export function checkReadOptions(options: LogReadOptions): void {
  if (typeof options !== 'object' || options === null)
    throw invalidArgType('options', 'of type object', options)
  if (options.from !== undefined) checkInteger(options.from, 'options.from', 0)
  if (options.to !== undefined) checkInteger(options.to, 'options.to', 0)
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) {
    throw invalidArgType('options.signal', 'an instance of AbortSignal', options.signal)
  }
}

/** Reads a log from segment to segment. */
export class LogReader {
  readonly #source: LogSource
  readonly #options: LogReadOptions
  readonly #to: number
  #reader: SegmentReader | undefined
  /** Whether a frame has been found: until then `from` may be no record's position. */
  #onTrack: boolean
  /** Where something was amiss at the last look. A writer may have been at it, so we look twice. */
  #suspect = -1

  constructor(source: LogSource, options: LogReadOptions) {
    this.#source = source
    this.#options = options
    this.#to = options.to ?? Number.POSITIVE_INFINITY
    this.#onTrack = options.from === undefined
  }

  /** The records, in order. */
  async *records(): AsyncGenerator<LogRecord, void, undefined> {
    try {
      let reader = await this.#start()
      while (reader !== undefined && reader.position < this.#to) {
        this.#checkAborted()
        if (reader.position >= this.#source.limit) {
          if (await this.#more()) continue
          return
        }
        const end = await reader.advance(this.#source.limit)
        const count = reader.count
        for (let index = 0; index < count; index++) {
          const position = reader.position - reader.behind(index)
          if (position >= this.#to) return
          const next = index + 1 < count ? reader.position - reader.behind(index + 1) : reader.position
          yield { position, next, bytes: reader.record(index) }
        }
        if (count > 0) this.#onTrack = true
        if (end !== 'full') reader = await this.#pass(reader, end)
      }
    } finally {
      await this.#reader?.file.close()
    }
  }

  #checkAborted(): void {
    const { signal } = this.#options
    if (signal?.aborted) throw new AbortError(signal)
  }

  async #start(): Promise<SegmentReader | undefined> {
    const bases = await this.#source.bases()
    if (bases.length === 0) return undefined
    const from = this.#options.from ?? bases[0]
    const base = bases.findLast(base => base <= from)
    if (base === undefined) throw trimmed(from, bases[0])
    const reader = await this.#enter(base)
    if (from > reader.position) reader.seek(from)
    else this.#onTrack = true
    return reader
  }

  async #enter(base: number): Promise<SegmentReader> {
    const { engine, directory } = this.#source
    const reader = await SegmentReader.open(engine, directory, base, 'r', false)
    const before = this.#reader
    this.#reader = reader
    await before?.file.close()
    // Two logs' segments in one directory: whose records these are, nobody can tell.
    if (before !== undefined && before.seed !== reader.seed) throw damage(reader.file.path, base, -1)
    return reader
  }

  /** Where no frame follows: goes to the next segment, or waits for more. @returns undefined at the end of the log */
  async #pass(reader: SegmentReader, end: ScanEnd): Promise<SegmentReader | undefined> {
    const { position } = reader
    const bases = await this.#source.bases()
    const following = bases.find(base => base > reader.base)
    if (following === position) return this.#enter(following)
    if (reader.base < bases[0]) throw trimmed(position, bases[0])
    if (!this.#onTrack) await this.#checkStart(reader)
    const { limit } = this.#source
    const missing = following !== undefined || (limit !== Number.POSITIVE_INFINITY && position < limit)
    if (missing || end === 'broken' || this.#options.follow !== true) {
      const rest = await reader.inspectRest()
      if (missing || rest.wasDurable) {
        const resumes = rest.resumes < 0 ? (following ?? -1) : rest.resumes
        if (this.#suspect === position) throw damage(reader.file.path, position, resumes)
        this.#suspect = position
        return reader
      }
    }
    return (await this.#more()) ? reader : undefined
  }

  /** @throws `ERR_INVALID_ARG_VALUE` unless a record begins, or will, where the reader stands */
  async #checkStart(reader: SegmentReader): Promise<void> {
    const { position } = reader
    reader.seek(reader.base + SEGMENT.SIZE)
    while (reader.position < position && (await reader.advance(position)) === 'full' && reader.count > 0);
    if (reader.position !== position) {
      throw invalidArgValue('options.from', position, 'is no position of a record')
    }
    this.#onTrack = true
  }

  /** Waits at the end. @returns false when the reader should not */
  async #more(): Promise<boolean> {
    if (this.#options.follow !== true) return false
    const { signal } = this.#options
    const changed = await this.#source.changed(signal)
    this.#checkAborted()
    return changed
  }
}

/** Retention has overtaken the reader. */
function trimmed(position: number, first: number): RangeError {
  return outOfRange('from', `>= ${first}, where the log begins now`, position)
}
