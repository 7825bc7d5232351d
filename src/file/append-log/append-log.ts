import { engine as threadEngine } from '../../engine/index.js'
import { checkInteger, invalidArgType, outOfRange, SluiceError } from '../../kernel/index.js'
import type { PathLike } from '../open-flags.js'
import { Batch } from './batch.js'
import { DirectorySource } from './directory-source.js'
import { FRAME, frameSize, SEGMENT } from './format.js'
import type { LogEngine } from './log-file.js'
import { type LogLock, lockDirectory } from './log-lock.js'
import { checkReadOptions, LogReader, type LogReadOptions, type LogRecord } from './log-reader.js'
import { LogWriter } from './log-writer.js'
import { type AppendLogOptions, type LogSettings, logDirectory, logSettings } from './options.js'
import type { Recovered } from './recovery.js'
import { makeDirectory } from './sync-directory.js'

/** What an `AppendLog` has done since it was opened, and what it holds. */
export interface AppendLogStats {
  /** Position of the oldest record there is. */
  first: number
  /** Position behind the newest durable record. */
  end: number
  /** Files of the log. */
  segments: number
  /** Records appended. */
  records: number
  /** Bytes written for them, with their frames. */
  bytes: number
  /** Batches written: one write and one sync each. */
  batches: number
  /** Most records in one batch. */
  largestBatch: number
  /** Segments begun after the first. */
  rotations: number
  /** Bytes gathered for the next batch. */
  queuedBytes: number
  /** Appends that wait for room in it. */
  waiting: number
  /** Whether a sync has failed. */
  failed: boolean
}

/** Ends what nobody can reach any more, so that another writer is let in, and says that somebody forgot to. */
const forgotten = new FinalizationRegistry<{ writer: LogWriter; lock: LogLock }>(({ writer, lock }) => {
  process.emitWarning(`Closing the append log in ${writer.directory} on garbage collection`)
  closeAll(writer, lock).catch((error: Error) => process.emitWarning(error))
})

async function closeAll(writer: LogWriter, lock: LogLock): Promise<void> {
  try {
    await writer.close()
  } finally {
    await lock.release()
  }
}

interface Waiter {
  record: Uint8Array
  resolve(position: number): void
  reject(error: Error): void
}

/**
 * A durable log of records in a directory: `append()` resolves when the record is on stable storage.
 *
 * Appends that come while a batch is written are gathered into the next one: a single write and a single sync make all
 * of them durable. One writer; any number of readers, in any process.
 *
 * ```ts
 * await using log = await AppendLog.open('events')
 * const position = await log.append(bytes)
 * for await (const { bytes } of log.read({ from: position })) replay(bytes)
 * ```
 *
 * @see docs/internals/append-log-format.md
 */
export class AppendLog {
  /** Its path, absolute. */
  readonly directory: string
  /** What opening found. */
  readonly recovered: Recovered
  readonly #engine: () => LogEngine
  readonly #settings: LogSettings
  readonly #writer: LogWriter
  readonly #lock: LogLock
  readonly #turn = () => this.#writeBatch()
  #gathering = new Batch()
  #resting = new Batch()
  #waiting: Waiter[] = []
  #scheduled = false
  #writing = false
  #closing: Promise<void> | undefined
  #closed = false
  /** Who waits for an end of the current batch: followers, and `close()`. */
  #watchers: (() => void)[] = []

  private constructor(
    engine: () => LogEngine,
    settings: LogSettings,
    lock: LogLock,
    { writer, recovered }: { writer: LogWriter; recovered: Recovered },
  ) {
    this.#engine = engine
    this.#settings = settings
    this.#lock = lock
    this.#writer = writer
    this.directory = writer.directory
    this.recovered = recovered
    forgotten.register(this, { writer, lock }, this)
  }

  /**
   * Opens the log in a directory for appending, or begins one; recovers it after a crash.
   *
   * @param engine carries the operations out; this thread's by default
   * @returns the log; rejects with `ERR_SLUICE_LOCKED` where it has a writer, `ERR_SLUICE_LOG_DAMAGED`, a system error
   */
  static async open(
    directory: PathLike,
    options: AppendLogOptions = {},
    engine: () => LogEngine = threadEngine,
  ): Promise<AppendLog> {
    const path = logDirectory(directory)
    const settings = logSettings(options)
    await makeDirectory(path)
    const lock = await lockDirectory(path)
    try {
      return new AppendLog(engine, settings, lock, await LogWriter.open(engine, path, settings))
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  /**
   * Reads a log without opening it, also while another process appends. What a crash has torn is left out.
   *
   * A record may come a moment before its `append()` resolves there, and so be lost in a power cut.
   *
   * @throws at the first step: `ERR_OUT_OF_RANGE` and `ERR_INVALID_ARG_VALUE` for `from`, system errors; then
   *   `ERR_SLUICE_LOG_DAMAGED` where records are not intact, after those before them
   */
  static async *read(
    directory: PathLike,
    options: LogReadOptions = {},
  ): AsyncGenerator<LogRecord, void, undefined> {
    const path = logDirectory(directory)
    checkReadOptions(options)
    const source = new DirectorySource(threadEngine, path, options.follow === true)
    try {
      yield* new LogReader(source, options).records()
    } finally {
      source.close()
    }
  }

  /** Position of the oldest record there is. */
  get first(): number {
    return this.#writer.bases[0] + SEGMENT.SIZE
  }

  /** Position behind the newest durable record. The next one's is this, or 64 more where a segment begins. */
  get end(): number {
    return this.#writer.end
  }

  /**
   * Appends a record. Calls are carried out in their order.
   *
   * @param record copied before the call returns, unless the queue is full and it waits: leave it as it is until then
   * @returns its position, when it is on stable storage; rejects with the system error where it could not be written
   *   or synced, with `ERR_SLUICE_LOG_FAILED` after a failed sync, with `ERR_SLUICE_QUEUE_FULL`, `ERR_SLUICE_CLOSED`,
   *   `ERR_INVALID_ARG_TYPE`, or `ERR_OUT_OF_RANGE` for a record larger than the queue
   */
  append(record: ArrayBufferView): Promise<number> {
    if (!ArrayBuffer.isView(record)) {
      return Promise.reject(
        invalidArgType('record', 'an instance of Buffer, TypedArray, or DataView', record),
      )
    }
    const bytes =
      record instanceof Uint8Array
        ? record
        : new Uint8Array(record.buffer, record.byteOffset, record.byteLength)
    const refusal = this.#refusal(bytes.length)
    if (refusal !== undefined) return Promise.reject(refusal)
    if (this.#waiting.length > 0 || !this.#hasRoom(bytes.length)) return this.#wait(bytes)
    const promise = this.#gathering.add(bytes)
    this.#schedule()
    return promise
  }

  #refusal(length: number): Error | undefined {
    if (this.#closing !== undefined) return new SluiceError('ERR_SLUICE_CLOSED', 'The log is closed')
    if (this.#writer.failure !== undefined) return this.#writer.failure
    const { queueBytes } = this.#settings
    if (frameSize(length) <= queueBytes) return undefined
    return outOfRange('record.length', `<= ${queueBytes - FRAME.SIZE}, for the queue to hold it`, length)
  }

  #hasRoom(length: number): boolean {
    return this.#gathering.bytes + frameSize(length) <= this.#settings.queueBytes
  }

  #wait(record: Uint8Array): Promise<number> {
    const most = this.#settings.full === 'wait' ? this.#settings.maxWaiting : 0
    if (this.#waiting.length >= most) {
      const text = `${this.#gathering.bytes} bytes are queued and ${this.#waiting.length} appends wait`
      return Promise.reject(new SluiceError('ERR_SLUICE_QUEUE_FULL', text))
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ record, resolve, reject })
    })
  }

  /** A batch is closed at the end of a turn: whoever hears of the last one in this turn can be in the next. */
  #schedule(): void {
    if (this.#scheduled || this.#writing) return
    this.#scheduled = true
    setImmediate(this.#turn)
  }

  async #writeBatch(): Promise<void> {
    this.#scheduled = false
    this.#writing = true
    const batch = this.#gathering
    this.#gathering = this.#resting
    this.#resting = batch
    this.#admit()
    await this.#writer.write(batch)
    this.#writing = false
    if (this.#writer.failure !== undefined) this.#rejectAll(this.#writer.failure)
    if (this.#gathering.count > 0) this.#schedule()
    this.#wake()
  }

  /** Takes in who waits, as far as there is room. */
  #admit(): void {
    let count = 0
    for (const { record, resolve, reject } of this.#waiting) {
      if (!this.#hasRoom(record.length)) break
      this.#gathering.addFor(record, resolve, reject)
      count++
    }
    if (count > 0) this.#waiting = this.#waiting.slice(count)
  }

  #rejectAll(error: Error): void {
    this.#gathering.settle(0, 0, error)
    const waiting = this.#waiting
    this.#waiting = []
    for (const { reject } of waiting) reject(error)
  }

  #wake(): void {
    const watchers = this.#watchers
    this.#watchers = []
    for (const watcher of watchers) watcher()
  }

  /**
   * The log's durable records.
   *
   * @returns rejects at the first step as `AppendLog.read()`; `follow` ends without an error when the log is closed, and with
   *   `ERR_SLUICE_LOG_FAILED` when a sync has failed
   */
  read(options: LogReadOptions = {}): AsyncGenerator<LogRecord, void, undefined> {
    checkReadOptions(options)
    const log = this
    const source = {
      directory: this.directory,
      engine: this.#engine,
      get limit() {
        return log.#writer.end
      },
      bases: async () => this.#writer.bases,
      changed: (signal: AbortSignal | undefined) => this.#changed(signal),
    }
    return new LogReader(source, options).records()
  }

  async #changed(signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#writer.failure !== undefined) throw this.#writer.failure
    if (this.#closed) return false
    let onAbort = () => {}
    await new Promise<void>(resolve => {
      onAbort = resolve
      this.#watchers.push(resolve)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
    signal?.removeEventListener('abort', onAbort)
    return true
  }

  /**
   * Removes the oldest segments, those that hold no record from `position` on. The newest one stays.
   *
   * @returns bytes removed; rejects with the system error of unlink(2)
   */
  async trim(position: number): Promise<number> {
    checkInteger(position, 'position', 0)
    if (this.#closing !== undefined) throw new SluiceError('ERR_SLUICE_CLOSED', 'The log is closed')
    return this.#writer.trim(position)
  }

  /** What it has done, and what it holds. */
  stats(): AppendLogStats {
    return {
      first: this.first,
      end: this.end,
      segments: this.#writer.bases.length,
      ...this.#writer.counts,
      queuedBytes: this.#gathering.bytes,
      waiting: this.#waiting.length,
      failed: this.#writer.failure !== undefined,
    }
  }

  /** Takes no more records, waits until those taken are settled, and lets another writer in. Idempotent. */
  close(): Promise<void> {
    forgotten.unregister(this)
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    while (this.#scheduled || this.#writing || this.#gathering.count > 0) {
      await new Promise<void>(resolve => {
        this.#watchers.push(resolve)
      })
    }
    this.#closed = true
    this.#wake()
    await closeAll(this.#writer, this.#lock)
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
