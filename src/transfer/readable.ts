import type { Readable } from 'node:stream'
import { AbortError, invalidArgValue, SluiceError } from '../kernel/index.js'
import { Endpoint, goneError } from './endpoint.js'

/** Whether bytes can be pulled out of it as out of a `Readable`. Node's `FileHandle` has some of it, but takes nothing back. */
export function isReadable(value: unknown): value is Readable {
  if (typeof value !== 'object' || value === null) return false
  const { read, on, unshift } = value as Readable
  return [read, on, unshift].every(method => typeof method === 'function')
}

/** @throws `ERR_INVALID_ARG_VALUE` where text or objects come out of a stream: its bytes could not be told any more */
export function refuseText(stream: Readable): void {
  if (stream.readableObjectMode) throw invalidArgValue('source', stream, 'is a stream of objects')
  if (stream.readableEncoding === null || stream.readableEncoding === undefined) return
  throw invalidArgValue('source', stream, 'has an encoding set, so that it gives text instead of bytes')
}

/** Pulls bytes out of a stream of Node's, no more than are asked for. */
class Puller {
  /** Aborted when the stream closes before its end. */
  readonly gone = new AbortController()
  readonly #stream: Readable
  #failure: Error | undefined
  #wake = () => {}
  readonly #onNews = () => this.#wake()
  readonly #onError = (error: Error) => {
    this.#failure ??= error
    this.#wake()
  }
  readonly #onClose = () => {
    if (!this.#stream.readableEnded) this.gone.abort()
    this.#wake()
  }

  constructor(stream: Readable) {
    this.#stream = stream
    stream.on('readable', this.#onNews)
    stream.on('end', this.#onNews)
    stream.on('error', this.#onError)
    stream.on('close', this.#onClose)
  }

  release(): void {
    const stream = this.#stream
    stream.off('readable', this.#onNews)
    stream.off('end', this.#onNews)
    stream.off('error', this.#onError)
    stream.off('close', this.#onClose)
  }

  /** @throws what it failed with, or that it was closed before its end */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure
    const { destroyed, readableEnded } = this.#stream
    if (destroyed && !readableEnded) throw goneError(this.#stream, 'source')
  }

  /**
   * Waits for bytes.
   *
   * @returns how many were put into `block`; 0 at the end
   * @throws what it failed with, or `AbortError`
   */
  async read(block: Uint8Array, signal: AbortSignal): Promise<number> {
    const stream = this.#stream
    const onAbort = () => this.#wake()
    signal.addEventListener('abort', onAbort)
    try {
      while (true) {
        this.check()
        if (signal.aborted) throw new AbortError(signal)
        refuseText(stream)
        // Of none it has it is asked for 0: that sets it off, and has it say that it has ended.
        const chunk: Uint8Array | null = stream.read(Math.min(block.length, stream.readableLength))
        if (chunk !== null) {
          block.set(chunk)
          return chunk.length
        }
        if (stream.readableEnded) return 0
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** @returns whether it takes bytes back: after its end it cannot */
  restore(bytes: readonly Uint8Array[]): boolean {
    const stream = this.#stream
    if (stream.destroyed || stream.readableEnded) return false
    for (const each of bytes.toReversed()) stream.unshift(each)
    return true
  }
}

/**
 * Borrows a stream for reading: bytes are pulled out of it as the sink takes them, and it gives no more than that.
 *
 * @throws where somebody else reads from it, or it gives no bytes; what it has failed with
 */
export function borrowReadable(stream: Readable): Endpoint {
  refuseText(stream)
  if (stream.listenerCount('data') + stream.listenerCount('readable') > 0) {
    throw new SluiceError('ERR_SLUICE_BUSY', 'Somebody else reads from the stream')
  }
  const puller = new Puller(stream)
  try {
    puller.check()
    return new Endpoint(-1, {
      gone: puller.gone.signal,
      check: () => puller.check(),
      read: (block, signal) => puller.read(block, signal),
      restore: bytes => puller.restore(bytes),
      release: () => puller.release(),
    })
  } catch (error) {
    puller.release()
    throw error
  }
}
