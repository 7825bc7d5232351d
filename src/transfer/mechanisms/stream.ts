import type { Writable } from 'node:stream'
import { BLOCK_BYTES } from '../blocks.js'
import type { Job } from '../job.js'
import type { Mechanism } from '../mechanism.js'
import { readPiece } from '../memory-step.js'

/** What the stream may hold of ours; it decides for itself when to make us wait before that. */
const MOST_BYTES = 4 * BLOCK_BYTES

/** Read, and written to a Node stream: TLS, HTTP/2, a compressor, whatever has no descriptor to move bytes to. */
export const stream: Mechanism = {
  name: 'stream',
  unfit: (_source, sink) => (sink.kind === 'stream' ? undefined : 'the sink has a descriptor'),
  run: job => new StreamWriter(job).run(),
}

class StreamWriter {
  readonly #job: Job
  readonly #stream: Writable
  /** Bytes that the stream has been given and not yet dealt with. */
  #held = 0
  /** Those bytes, where the source cannot give them again. */
  readonly #unwritten: Uint8Array[] = []
  #failure: Error | undefined
  #wake: (() => void) | undefined
  readonly #fail = (error: Error) => {
    this.#failure ??= error
    this.#wake?.()
  }

  constructor(job: Job) {
    this.#job = job
    this.#stream = job.sink.backing.writable as Writable
  }

  async run(): Promise<void> {
    const job = this.#job
    const wake = () => this.#wake?.()
    this.#stream.on('error', this.#fail)
    const { signal } = job
    signal.addEventListener('abort', wake)
    try {
      let ended = false
      while (!ended && job.remaining > this.#held) {
        ended = !(await this.#step())
        job.check()
      }
      while (this.#held > 0) await this.#progress()
      if (ended) job.ended = true
    } catch (error) {
      this.#settle()
      throw error
    } finally {
      signal.removeEventListener('abort', wake)
      this.#stream.off('error', this.#fail)
    }
  }

  /** Reads one piece and hands it over. @returns false at the source's end */
  async #step(): Promise<boolean> {
    const job = this.#job
    const bytes = job.undelivered.shift() ?? (await this.#read())
    const { length } = bytes
    if (length === 0) return false
    this.#held += length
    if (!job.source.seekable) this.#unwritten.push(bytes)
    const more = this.#stream.write(bytes, error => {
      if (error) this.#fail(error)
      else this.#written(length)
    })
    const limit = more ? MOST_BYTES : 0
    while (this.#held > limit) await this.#progress()
    return true
  }

  async #read(): Promise<Uint8Array> {
    const job = this.#job
    // The stream keeps it until it has been written, so each piece has memory of its own.
    const block = new Uint8Array(
      new ArrayBuffer(Math.min(BLOCK_BYTES, job.remaining - this.#held + 2 * 4096)),
    )
    const { start, length } = await readPiece(job, block, this.#held)
    return block.subarray(start, start + length)
  }

  /**
   * The transfer ends before the stream has dealt with everything. What a stream still has that goes on, it will write:
   * those bytes have reached it. What one has that failed, nobody gets.
   */
  #settle(): void {
    const { source, undelivered } = this.#job
    if (this.#failure === undefined && !this.#stream.destroyed) this.#job.moved(this.#held)
    else if (!source.seekable) undelivered.unshift(...this.#unwritten)
    this.#held = 0
  }

  #written(length: number): void {
    // Counted already, where the transfer has ended.
    if (this.#held === 0) return
    this.#unwritten.shift()
    this.#held -= length
    this.#job.moved(length)
    this.#wake?.()
  }

  /** Waits until the stream has dealt with something. @throws its error, or what ends the transfer */
  async #progress(): Promise<void> {
    const { signal } = this.#job
    if (this.#failure === undefined && !signal.aborted) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    this.#job.check()
    if (this.#failure !== undefined) throw this.#failure
  }
}
