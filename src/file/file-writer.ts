import { Writable } from 'node:stream'
import { WritableStream } from 'node:stream/web'
import { AbortError, checkInteger, checkObject, invalidArgValue, SluiceError } from '../kernel/index.js'
import { Arena, type Block } from '../memory/index.js'
import { checkBoolean, checkSignal, checkText } from './arguments.js'
import { closedError, type Descriptor } from './descriptor.js'
import { sync } from './metadata.js'
import { submitLongWrite, type WriteResult, writeFrom } from './write.js'

/** How a file is written in a stream. */
export interface WriterOptions {
  /** First byte; 0 by default. A file that is open for appending is written at its end, wherever that is. */
  start?: number | undefined
  /** Bytes of one write: 1 MiB by default. Less is gathered up to it. */
  chunkSize?: number | undefined
  /** Writes in flight at once: 2 by default, 8 for Direct I/O; 1 where their order is all there is. */
  depth?: number | undefined
  /** What `write()` does when all memory is in use: waits, or rejects with `ERR_SLUICE_QUEUE_FULL`. */
  full?: 'wait' | 'reject' | undefined
  /** Makes the bytes durable before `end()` resolves. */
  flush?: boolean | undefined
  signal?: AbortSignal | undefined
}

/** Waking the thread that writes costs as much as copying a hundred KiB. */
const CHUNK = 2 ** 20
const DEPTH = 2
const DIRECT_DEPTH = 8
const MAX_CHUNK = 2 ** 30
const MAX_DEPTH = 1024
/** Calls of `write()` that may wait for memory. */
const MAX_WAITING = 1024

const DONE = Promise.resolve()

/**
 * Writes a file from its start to its end, gathering what it is given into chunks of which several are in flight.
 *
 * `write()` copies: the caller's memory is free again when it resolves. It holds `depth + 1` chunks in memory. The first
 * failure ends it, and everything after rejects with that failure.
 */
export class FileWriter {
  readonly #descriptor: Descriptor
  readonly #arena: Arena
  readonly #options: WriterOptions
  readonly #chunkSize: number
  readonly #writes = new Set<Promise<void>>()
  #block: Block | undefined
  #filled = 0
  /** Where the next chunk goes; -1 where there are no positions, or only the end. */
  #position: number
  #bytesWritten = 0
  /** The last of the calls that wait for memory: the next one comes after it. */
  #tail: Promise<void> = DONE
  #waiting = 0
  #failure: Error | undefined
  #ending: Promise<{ bytesWritten: number }> | undefined

  /** Only `file.writer()` makes them. */
  constructor(descriptor: Descriptor, options: WriterOptions) {
    checkObject(options)
    const direct = descriptor.detour !== undefined
    const { start = 0, full = 'wait', flush = false, signal } = options
    const { chunkSize = CHUNK, depth = direct ? DIRECT_DEPTH : DEPTH } = options
    checkInteger(start, 'options.start', 0)
    checkInteger(chunkSize, 'options.chunkSize', 1, MAX_CHUNK)
    checkInteger(depth, 'options.depth', 1, MAX_DEPTH)
    if (full !== 'wait' && full !== 'reject')
      throw invalidArgValue('options.full', full, 'is not wait or reject')
    checkBoolean(flush, 'options.flush')
    checkSignal(signal)
    const step = descriptor.detour?.step ?? 1
    if (start % step !== 0) {
      const text = `Past the page cache, a writer starts at a multiple of ${step} bytes, not at ${start}`
      throw new SluiceError('ERR_SLUICE_ALIGNMENT', text)
    }
    const ordered = !descriptor.seekable || descriptor.appends
    this.#descriptor = descriptor
    this.#options = options
    this.#chunkSize = Math.ceil(chunkSize / step) * step
    this.#position = ordered ? -1 : start
    this.#arena = new Arena({ blockSize: this.#chunkSize, blocks: ordered ? 2 : depth + 1 })
  }

  /** Bytes that have reached the file so far. */
  get bytesWritten(): number {
    return this.#bytesWritten
  }

  /**
   * Takes bytes, or text as UTF-8.
   *
   * @returns when they have been copied, which waits while all memory is in flight; rejects with the first failure
   */
  write(data: ArrayBufferView | string): Promise<void> {
    const bytes = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : this.#textBytes(data)
    if (bytes instanceof Error) return Promise.reject(bytes)
    const refusal = this.#refusal()
    if (refusal !== undefined) return Promise.reject(refusal)
    if (this.#waiting === 0 && this.#block !== undefined && bytes.length < this.#chunkSize - this.#filled) {
      this.#block.bytes.set(bytes, this.#filled)
      this.#filled += bytes.length
      return DONE
    }
    if (this.#options.full === 'reject' && bytes.length > this.#room()) {
      return Promise.reject(
        new SluiceError('ERR_SLUICE_QUEUE_FULL', 'All of the memory of the writer is in flight'),
      )
    }
    if (this.#waiting === MAX_WAITING) {
      return Promise.reject(new SluiceError('ERR_SLUICE_QUEUE_FULL', `${MAX_WAITING} writes wait already`))
    }
    return this.#inTurn(() => this.#take(bytes))
  }

  #textBytes(data: unknown): Uint8Array | Error {
    try {
      checkText(data, 'data')
      return Buffer.from(data)
    } catch (error) {
      return error as Error
    }
  }

  #refusal(): Error | undefined {
    if (this.#failure !== undefined) return this.#failure
    if (this.#ending !== undefined) return new SluiceError('ERR_SLUICE_CLOSED', 'The writer has ended')
    const { signal } = this.#options
    if (signal?.aborted) return new AbortError(signal)
    return this.#descriptor.isClosing ? closedError('write') : undefined
  }

  /** Bytes that can be taken without waiting. */
  #room(): number {
    if (this.#waiting > 0) return 0
    const begun = this.#block === undefined ? 0 : this.#chunkSize - this.#filled
    return begun + this.#arena.available * this.#chunkSize
  }

  async #inTurn(body: () => Promise<void>): Promise<void> {
    const before = this.#tail
    this.#waiting++
    const turn = before.then(body)
    this.#tail = turn.catch(() => {})
    try {
      await turn
    } finally {
      this.#waiting--
    }
  }

  async #take(bytes: Uint8Array): Promise<void> {
    const { signal } = this.#options
    for (let taken = 0; taken < bytes.length; ) {
      this.#block ??= this.#arena.take() ?? (await this.#arena.acquire({ signal }))
      if (this.#failure !== undefined) throw this.#failure
      const part = bytes.subarray(taken, taken + this.#chunkSize - this.#filled)
      this.#block.bytes.set(part, this.#filled)
      this.#filled += part.length
      taken += part.length
      if (this.#filled === this.#chunkSize) this.#send()
    }
  }

  /** Sends the block that is being filled on its way. */
  #send(): void {
    const block = this.#block as Block
    const length = this.#filled
    const position = this.#position
    this.#block = undefined
    this.#filled = 0
    if (position >= 0) this.#position += length
    const previous = position < 0 ? [...this.#writes] : []
    const write = this.#write(block, length, position, previous)
    this.#writes.add(write)
    write.finally(() => this.#writes.delete(write))
  }

  async #write(block: Block, length: number, position: number, previous: Promise<void>[]): Promise<void> {
    try {
      // Without positions the order of writing is the order of bytes.
      await Promise.all(previous)
      if (this.#failure !== undefined) return
      for (let done = 0; done < length; ) {
        const at = position < 0 ? -1 : position + done
        const bytes = await this.#writePart(block.bytes, done, length - done, at)
        done += bytes
        this.#bytesWritten += bytes
      }
    } catch (error) {
      this.#failure ??= error as Error
    } finally {
      block.release()
    }
  }

  async #writePart(memory: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    const descriptor = this.#descriptor
    const { signal } = this.#options
    const { detour } = descriptor
    if (descriptor.isClosing) throw closedError('write')
    if (detour !== undefined && length % detour.step !== 0) {
      const tail = memory.subarray(offset, offset + length)
      const result = await detour.writeTail(descriptor, tail, length, position, signal)
      return (result as WriteResult<unknown>).bytesWritten
    }
    if (detour === undefined && position >= 0) {
      return submitLongWrite(descriptor, memory, offset, length, position, signal)
    }
    const result = await writeFrom(descriptor, memory, offset, length, position, 0, signal)
    return (result as WriteResult<unknown>).bytesWritten
  }

  /** Waits until everything taken so far is in the file. */
  async flush(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#block !== undefined && this.#filled > 0 && this.#failure === undefined)
        await this.#sendBegun()
      await Promise.all(this.#writes)
    })
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Sends a block that is not full. Past the page cache, what follows has to start where this one did. */
  async #sendBegun(): Promise<void> {
    const { detour } = this.#descriptor
    if (detour === undefined || this.#ending !== undefined || this.#filled % detour.step === 0) {
      this.#send()
      return
    }
    try {
      await this.#writePart((this.#block as Block).bytes, 0, this.#filled, this.#position)
    } catch (error) {
      this.#failure ??= error as Error
    }
  }

  /**
   * Writes what is left, and ends the writer; the handle stays open.
   *
   * @returns once all bytes are in the file, and durable with `flush`; rejects with the first failure
   */
  end(): Promise<{ bytesWritten: number }> {
    this.#ending ??= this.#finish()
    return this.#ending
  }

  async #finish(): Promise<{ bytesWritten: number }> {
    try {
      await this.flush()
      if (this.#options.flush) await sync(this.#descriptor, true)
    } finally {
      this.#block?.release()
      this.#block = undefined
      await this.#arena.close()
    }
    return { bytesWritten: this.#bytesWritten }
  }

  /** Ends the writer without what has not been sent yet, once nothing is in flight. */
  async abort(reason: Error = new SluiceError('ERR_SLUICE_CLOSED', 'The writer was aborted')): Promise<void> {
    this.#failure ??= reason
    await this.end().catch(() => {})
  }

  /** As `end()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  /** As a stream of Node's, which ends the writer when it ends. */
  toNode(options: { highWaterMark?: number } = {}): Writable {
    return new Writable({
      ...options,
      write: (chunk, _encoding, done) => {
        this.write(chunk).then(() => done(), done)
      },
      final: done => {
        this.end().then(() => done(), done)
      },
      destroy: (error, done) => {
        const ended = error === null && this.#ending !== undefined
        const over = ended ? this.end().then(() => {}) : this.abort(error ?? undefined)
        over.then(() => done(error), done)
      },
    })
  }

  /** As a web stream, which ends the writer when it is closed. */
  toWeb(): WritableStream<Uint8Array> {
    return new WritableStream<Uint8Array>({
      write: chunk => this.write(chunk),
      close: async () => {
        await this.end()
      },
      abort: reason => this.abort(reason instanceof Error ? reason : undefined),
    })
  }
}
