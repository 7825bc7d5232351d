import { Readable } from 'node:stream'
import { ReadableStream, type UnderlyingByteSource } from 'node:stream/web'
import { AbortError, checkInteger, checkObject, outOfRange } from '../kernel/index.js'
import { checkBoolean, checkSignal } from './arguments.js'
import { type ChunkPlan, ChunkSource } from './chunk-source.js'
import { closedError, type Descriptor } from './descriptor.js'

/** How a file is streamed. */
export interface StreamOptions {
  /** First byte; 0 by default. */
  start?: number | undefined
  /** Last byte, included, as in `createReadStream()`; the end of the file by default. */
  end?: number | undefined
  /** Bytes of a chunk: 512 KiB by default, 1 MiB for Direct I/O. */
  chunkSize?: number | undefined
  /** Reads in flight at once: 8 by default. */
  depth?: number | undefined
  /**
   * Each chunk gets memory of its own, and stays as it is. By default a chunk's memory is used again as soon as the next
   * one is asked for: copy what is to be kept.
   */
  owned?: boolean | undefined
  signal?: AbortSignal | undefined
}

const NOTHING = new Uint8Array(0)

const CHUNK = 524288
const DIRECT_CHUNK = 2 ** 20
const DEPTH = 8
const MAX_CHUNK = 2 ** 30
const MAX_DEPTH = 1024

/** Checks a stream's options. @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; `AbortError` */
function planOf(options: StreamOptions, direct: boolean): ChunkPlan {
  checkObject(options)
  const { start = 0, end = Number.POSITIVE_INFINITY, owned = false, signal } = options
  const { chunkSize = direct ? DIRECT_CHUNK : CHUNK, depth = DEPTH } = options
  checkInteger(start, 'options.start', 0)
  if (end !== Number.POSITIVE_INFINITY) checkInteger(end, 'options.end', 0)
  if (start > end) throw outOfRange('options.start', `<= "end" (here: ${end})`, start)
  checkInteger(chunkSize, 'options.chunkSize', 1, MAX_CHUNK)
  checkInteger(depth, 'options.depth', 1, MAX_DEPTH)
  checkBoolean(owned, 'options.owned')
  checkSignal(signal)
  return { start, end: Math.min(end + 1, Number.MAX_SAFE_INTEGER), chunkSize, depth, owned, signal }
}

/**
 * A file's bytes, as an async iterable, with several reads in flight. Each loop over it starts anew; ending one early
 * gives its memory back.
 *
 * It holds `depth + 1` chunks in memory. The file's own position is neither used nor moved, where there is one; a pipe
 * or a terminal is read as it comes, one read at a time.
 */
export class FileStream implements AsyncIterable<Uint8Array<ArrayBuffer>> {
  readonly #descriptor: Descriptor
  readonly #plan: ChunkPlan

  /** Only `file.stream()` makes them. */
  constructor(descriptor: Descriptor, options: StreamOptions) {
    this.#descriptor = descriptor
    this.#plan = planOf(options, descriptor.detour !== undefined)
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    return this.#chunks(this.#plan)
  }

  async *#chunks(plan: ChunkPlan): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const { signal } = plan
    const descriptor = this.#descriptor
    if (descriptor.isClosing) throw closedError('read')
    if (signal?.aborted) throw new AbortError(signal)
    const size = descriptor.seekable ? descriptor.sizeNow() : 0
    yield* new ChunkSource(descriptor, plan, size).chunks()
  }

  /** As a stream of Node's. Its chunks have memory of their own. */
  toNode(options: { highWaterMark?: number } = {}): Readable {
    const chunks = this.#chunks({ ...this.#plan, owned: true })
    return Readable.from(chunks, { ...options, objectMode: false })
  }

  /** As a web stream of bytes, for readers with or without a buffer of their own. */
  toWeb(): ReadableStream<Uint8Array> {
    const chunks = this.#chunks({ ...this.#plan, owned: true })
    let left: Uint8Array = NOTHING
    const source: UnderlyingByteSource = {
      type: 'bytes',
      async pull(controller) {
        if (left.length === 0) left = (await chunks.next()).value ?? left
        const { byobRequest } = controller
        if (left.length === 0) {
          controller.close()
          byobRequest?.respond(0)
        } else if (byobRequest?.view) {
          const { buffer, byteOffset, byteLength } = byobRequest.view
          const bytes = Math.min(byteLength, left.length)
          new Uint8Array(buffer, byteOffset, bytes).set(left.subarray(0, bytes))
          left = left.subarray(bytes)
          byobRequest.respond(bytes)
        } else {
          // The stream takes the memory away from us, so that it must be the chunk's own.
          controller.enqueue(left)
          left = NOTHING
        }
      },
      async cancel() {
        await chunks.return()
      },
    }
    return new ReadableStream(source, { highWaterMark: 0 })
  }
}
