import { isOutOfThreads } from '../../engine/index.js'
import { errnoOf, SluiceError, systemError } from '../../kernel/index.js'
import type { Batch } from './batch.js'
import { SEGMENT } from './format.js'
import type { LogEngine, LogFile } from './log-file.js'
import type { LogSettings, Preallocation } from './options.js'
import { type Recovered, recover } from './recovery.js'
import { countExpired, listSegments, removeSegments } from './segment-list.js'
import { SegmentReader } from './segment-reader.js'
import { choosePreallocation, preallocate, Spare } from './spare.js'
import { syncDirectory } from './sync-directory.js'

const EIO = errnoOf('EIO')
/** A new segment is made ready when this part of the current one is full. */
const SPARE_FROM = 0.5
const TRANSIENT: ReadonlySet<string> = new Set(['EAGAIN', 'EINTR'])

/** The newest segment, when a writer takes it over. */
interface Current {
  file: LogFile
  base: number
  end: number
  seed: number
}

/** What a log writer has done since it was opened. */
export interface WriterCounts {
  batches: number
  largestBatch: number
  records: number
  bytes: number
  rotations: number
}

/** Writes batches to the end of the log, one after the other, and begins new segments. */
export class LogWriter {
  readonly directory: string
  readonly preallocation: Preallocation
  readonly counts: WriterCounts = { batches: 0, largestBatch: 0, records: 0, bytes: 0, rotations: 0 }
  readonly #engine: () => LogEngine
  readonly #settings: LogSettings
  readonly #seed: number
  #bases: readonly number[]
  #file: LogFile
  #base: number
  #end: number
  #spare: Spare | undefined
  #failure: SluiceError | undefined
  /** What is done to old segments, one after the other, beside the writing. */
  #tidying: Promise<void> = Promise.resolve()

  private constructor(
    engine: () => LogEngine,
    directory: string,
    settings: LogSettings,
    preallocation: Preallocation,
    bases: readonly number[],
    current: Current,
  ) {
    this.#engine = engine
    this.directory = directory
    this.#settings = settings
    this.preallocation = preallocation
    this.#bases = bases
    this.#file = current.file
    this.#base = current.base
    this.#end = current.end
    this.#seed = current.seed
  }

  /** Goes on where the log ends, after recovering it, or begins it. The directory must be locked. */
  static async open(
    engine: () => LogEngine,
    directory: string,
    settings: LogSettings,
  ): Promise<{ writer: LogWriter; recovered: Recovered }> {
    const how = await choosePreallocation(directory, settings.preallocate)
    const bases = await listSegments(directory)
    const base = bases.at(-1)
    if (base === undefined) {
      const seed = Math.floor(Math.random() * 2 ** 32)
      const file = await new Spare(engine, directory, settings.segmentBytes, how).become(
        { base: 0, seed },
        false,
      )
      await syncDirectory(directory)
      const current = { file, base: 0, end: SEGMENT.SIZE, seed }
      const writer = new LogWriter(engine, directory, settings, how, [0], current)
      return { writer, recovered: { end: SEGMENT.SIZE, records: 0, truncated: 0 } }
    }
    const reader = await SegmentReader.open(engine, directory, base, 'r+', true)
    try {
      const recovered = await recover(reader, settings.damaged === 'keep')
      await preallocate(reader.file, settings.segmentBytes, how)
      // A writer that was killed may not have come to make the name of its newest segment durable.
      await syncDirectory(directory)
      const current = { file: reader.file, base, end: recovered.end, seed: reader.seed }
      const writer = new LogWriter(engine, directory, settings, how, bases, current)
      writer.#tidy(() => writer.#removeExpired())
      return { writer, recovered }
    } catch (error) {
      await reader.file.close()
      throw error
    }
  }

  /** Position behind the last durable record. */
  get end(): number {
    return this.#end
  }

  /** Bases of the segments, oldest first. */
  get bases(): readonly number[] {
    return this.#bases
  }

  /** Why nothing is written any more: a sync has failed. */
  get failure(): SluiceError | undefined {
    return this.#failure
  }

  /** Writes a batch and settles it: its records are durable, or reject. Never throws. One at a time. */
  async write(batch: Batch): Promise<void> {
    if (this.#isFull(batch.bytes)) {
      const error = await this.#rotate()
      if (error !== undefined) return batch.settle(0, 0, error)
    }
    batch.seal(this.#end, this.#seed)
    const { frames } = batch
    for (let done = 0; done < frames.length; ) {
      const commit = await this.#file.commit(frames.subarray(done), this.#end - this.#base + done)
      done += commit.written
      if (commit.syncError !== undefined) return this.#poison(commit.syncError, batch)
      const error = commit.writeError ?? (commit.written === 0 ? systemError(EIO, 'write') : undefined)
      if (error !== undefined && !isTransient(error)) return this.#cutShort(batch, done, error)
    }
    this.#acknowledge(batch, batch.count, frames.length)
    if (this.#spare === undefined && this.#end - this.#base > this.#settings.segmentBytes * SPARE_FROM) {
      this.#spare = this.#newSpare()
    }
  }

  /** A batch that is larger than a segment has one of its own. */
  #isFull(bytes: number): boolean {
    const used = this.#end - this.#base
    return used > SEGMENT.SIZE && used + bytes > this.#settings.segmentBytes
  }

  #newSpare(): Spare {
    return new Spare(this.#engine, this.directory, this.#settings.segmentBytes, this.preallocation)
  }

  #acknowledge(batch: Batch, count: number, bytes: number, error?: Error): void {
    const { counts } = this
    const position = this.#end
    counts.batches++
    counts.largestBatch = Math.max(counts.largestBatch, count)
    counts.records += count
    counts.bytes += bytes
    this.#end += bytes
    batch.settle(position, count, error)
  }

  /** The write failed: what is written whole is made durable, and nothing is left of the rest. */
  async #cutShort(batch: Batch, done: number, error: Error): Promise<void> {
    const { count, end } = batch.within(done)
    try {
      await this.#file.truncate(this.#end - this.#base + end)
      await this.#file.sync()
    } catch (failure) {
      return this.#poison(failure as Error, batch)
    }
    this.#acknowledge(batch, count, end, error)
  }

  /**
   * After a failed sync nobody knows what is durable, and a later sync would not tell. What is in the page cache is cut
   * off, so that no reader takes it for durable; where that fails too, the next opening asks the device.
   */
  async #poison(error: Error, batch?: Batch): Promise<void> {
    const text = `A sync of the log in ${this.directory} has failed; nothing more is written`
    this.#failure = new SluiceError('ERR_SLUICE_LOG_FAILED', text, { cause: error })
    await this.#file.truncate(this.#end - this.#base).catch(() => {})
    batch?.settle(0, 0, error)
  }

  /** Begins a new segment. @returns why it could not; then the log is as before */
  async #rotate(): Promise<Error | undefined> {
    const spare = this.#spare ?? this.#newSpare()
    this.#spare = undefined
    const base = this.#end
    let file: LogFile
    try {
      file = await spare.become({ base, seed: this.#seed }, true)
    } catch (error) {
      return error as Error
    }
    try {
      await syncDirectory(this.directory)
    } catch (error) {
      // The log still ends with the old segment; the next opening finds the new one empty, or not at all.
      await this.#poison(error as Error)
      await file.close().catch(() => {})
      return error as Error
    }
    const old = this.#file
    const oldBytes = base - this.#base
    this.#file = file
    this.#base = base
    this.#end = base + SEGMENT.SIZE
    this.#tidy(async () => {
      await old.truncate(oldBytes)
      await old.close()
    })
    this.#bases = [...this.#bases, base]
    this.counts.rotations++
    this.#tidy(() => this.#removeExpired())
    return undefined
  }

  /** What fails here has no append to be told: the process is warned. */
  #tidy(work: () => Promise<void>): void {
    this.#tidying = this.#tidying.then(work).catch(error => process.emitWarning(error as Error))
  }

  async #removeExpired(): Promise<void> {
    const { retainBytes, retainAgeMs } = this.#settings
    const since = Date.now() - retainAgeMs
    await this.#remove(await countExpired(this.directory, this.#bases, this.#end, retainBytes, since))
  }

  async #remove(count: number): Promise<void> {
    const removed = this.#bases.slice(0, count)
    this.#bases = this.#bases.slice(count)
    await removeSegments(this.directory, removed)
  }

  /** Removes the segments that hold no record from `position` on. @returns bytes removed */
  async trim(position: number): Promise<number> {
    let bytes = 0
    const removal = this.#tidying.then(async () => {
      const keep = this.#bases.findLastIndex(base => base <= position)
      bytes = keep > 0 ? this.#bases[keep] - this.#bases[0] : 0
      await this.#remove(Math.max(keep, 0))
    })
    this.#tidying = removal.catch(() => {}) // The caller is told.
    await removal
    return bytes
  }

  /** Ends it. Nothing may be being written. */
  async close(): Promise<void> {
    await this.#tidying
    await this.#spare?.discard()
    await this.#file.close()
  }
}

function isTransient(error: Error): boolean {
  return TRANSIENT.has((error as NodeJS.ErrnoException).code ?? '') && !isOutOfThreads(error)
}
