import { engine } from '../engine/index.js'
import { Arena, alignedBuffer, type Block } from '../memory/index.js'
import { closedError, type Descriptor } from './descriptor.js'
import { type ReadResult, submitRead } from './read.js'

/** How a file is read in a stream. */
export interface ChunkPlan {
  /** First byte. */
  readonly start: number
  /** The byte after the last. */
  readonly end: number
  readonly chunkSize: number
  /** Reads in flight at once. */
  readonly depth: number
  /** Each chunk gets memory of its own. */
  readonly owned: boolean
  readonly signal: AbortSignal | undefined
}

/** A read on its way. */
interface Pending {
  readonly memory: Uint8Array<ArrayBuffer>
  readonly block: Block | undefined
  readonly position: number
  readonly length: number
  readonly bytes: Promise<number>
}

const roundDown = (value: number, step: number) => value - (value % step)
const roundUp = (value: number, step: number) => roundDown(value + step - 1, step)

/**
 * Reads ahead through a file: so many chunks are in flight while one is with the reader, and they come in order. The
 * memory is one slab, of one block more than are in flight, used over and over.
 */
export class ChunkSource {
  readonly #descriptor: Descriptor
  readonly #plan: ChunkPlan
  /** The file's length as last heard of: reading ahead beyond it would fetch nothing. */
  readonly #size: number
  readonly #arena: Arena | undefined
  /** What positions and lengths are multiples of. */
  readonly #step: number
  readonly #chunkSize: number
  readonly #pending: Pending[] = []
  /** Where the next read begins; -1 where there are no positions. */
  #position: number
  /** Bytes that were given, where there are no positions. */
  #given = 0
  #ended = false

  /** @param size bytes of the file, as far as is known */
  constructor(descriptor: Descriptor, plan: ChunkPlan, size: number) {
    this.#descriptor = descriptor
    this.#plan = plan
    this.#size = size
    this.#step = descriptor.detour?.step ?? 1
    this.#chunkSize = roundUp(plan.chunkSize, this.#step)
    this.#position = descriptor.seekable ? roundDown(plan.start, this.#step) : -1
    if (!plan.owned) {
      const chunks = Math.ceil((Math.min(plan.end, size) - plan.start) / this.#chunkSize) + 1
      const blocks = Math.max(2, Math.min(plan.depth + 1, chunks))
      this.#arena = new Arena({ blockSize: this.#chunkSize, blocks })
    }
  }

  /** The chunks. Unless they are owned, the memory of one is the reader's until it asks for the next. */
  async *chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    try {
      while (true) {
        this.#readAhead()
        const pending = this.#pending.shift()
        if (pending === undefined) return
        try {
          const chunk = await this.#settle(pending)
          if (chunk === undefined) return
          this.#readAhead()
          yield chunk
        } finally {
          pending.block?.release()
        }
      }
    } finally {
      await this.#end()
    }
  }

  /** Gives the memory back, which the kernel writes to until the last read is over. */
  async #end(): Promise<void> {
    this.#ended = true
    for (const { bytes, block } of this.#pending.splice(0)) {
      await bytes.catch(() => {})
      block?.release()
    }
    await this.#arena?.close()
  }

  #readAhead(): void {
    const { depth, end } = this.#plan
    const ahead = this.#position < 0 ? 1 : depth
    while (!this.#ended && this.#pending.length < ahead && this.#position < end) {
      // Whether there is more than there was, one read is enough to tell.
      if (this.#position >= this.#size && this.#pending.length > 0) return
      const block = this.#arena?.take()
      if (this.#arena !== undefined && block === undefined) return
      this.#start(block)
    }
  }

  #start(block: Block | undefined): void {
    const memory = block?.bytes ?? this.#ownMemory()
    const position = this.#position
    const left = position < 0 ? this.#plan.end - this.#given : roundUp(this.#plan.end, this.#step) - position
    const length = Math.min(this.#chunkSize, left)
    const bytes = this.#read(memory, 0, length, position)
    // Its failure is heard of when it is its turn.
    bytes.catch(() => {})
    this.#pending.push({ memory, block, position, length, bytes })
    if (position >= 0) this.#position += length
  }

  #ownMemory(): Uint8Array<ArrayBuffer> {
    return this.#descriptor.detour === undefined
      ? Buffer.allocUnsafeSlow(this.#chunkSize)
      : alignedBuffer(this.#chunkSize)
  }

  async #read(memory: Uint8Array, offset: number, length: number, position: number): Promise<number> {
    const descriptor = this.#descriptor
    const { signal } = this.#plan
    if (descriptor.isClosing) throw closedError('read')
    if (descriptor.detour !== undefined) {
      const { fd } = descriptor
      return (await engine().read(
        fd,
        memory,
        offset,
        length,
        position,
        undefined,
        signal,
        descriptor,
      )) as number
    }
    const read = submitRead(descriptor, memory, offset, length, position, signal, descriptor)
    return ((await read) as ReadResult<unknown>).bytesRead
  }

  /** What a read gave, less what was not asked for; undefined at the end. */
  async #settle(pending: Pending): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { memory, position, length } = pending
    let bytes = await pending.bytes
    if (position < 0) {
      this.#given += bytes
      if (this.#given >= this.#plan.end) this.#ended = true
      return bytes === 0 ? undefined : memory.subarray(0, bytes)
    }
    while (bytes < length && position + bytes < this.#size && bytes % this.#step === 0) {
      const more = await this.#read(memory, bytes, length - bytes, position + bytes)
      if (more === 0) break
      bytes += more
    }
    // What lies behind a short chunk would leave a gap: the file has grown since, and that is not told.
    if (bytes < length) this.#ended = true
    const first = Math.max(this.#plan.start - position, 0)
    const last = Math.min(bytes, this.#plan.end - position)
    return last > first ? memory.subarray(first, last) : undefined
  }
}
