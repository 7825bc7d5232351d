import { ChecksumRows } from '../../kernel/index.js'
import { FRAME, frameSize, putFrameHeader } from './format.js'

const FIRST_BYTES = 65536

type Resolve = (position: number) => void
type Reject = (error: Error) => void

let resolveOut: Resolve
let rejectOut: Reject
/** Shared by every promise, so that making one allocates no closure. */
const capture = (resolve: Resolve, reject: Reject) => {
  resolveOut = resolve
  rejectOut = reject
}

/**
 * Records that will be written together: their frames, one behind the other in memory that is used over and over,
 * and who waits for them.
 *
 * Positions are given when the batch is sealed, since a batch that fails takes none.
 */
export class Batch {
  #memory = new Uint8Array(new ArrayBuffer(FIRST_BYTES))
  #words = new Uint32Array(this.#memory.buffer)
  readonly #rows = new ChecksumRows()
  readonly #starts: number[] = []
  readonly #lengths: number[] = []
  readonly #resolves: Resolve[] = []
  readonly #rejects: Reject[] = []
  #bytes = 0
  #payload = 0

  /** Records in it. */
  get count(): number {
    return this.#starts.length
  }

  /** Bytes of its frames. */
  get bytes(): number {
    return this.#bytes
  }

  /** Bytes of its records. */
  get payload(): number {
    return this.#payload
  }

  /** Its frames. Valid until the next `add()`. */
  get frames(): Uint8Array {
    return this.#memory.subarray(0, this.#bytes)
  }

  /** Copies a record. @returns its position, when the batch has been settled */
  add(record: Uint8Array): Promise<number> {
    const promise = new Promise<number>(capture)
    this.addFor(record, resolveOut, rejectOut)
    return promise
  }

  /** As `add()`, for somebody who waits already. */
  addFor(record: Uint8Array, resolve: Resolve, reject: Reject): void {
    const start = this.#bytes
    const length = record.length
    const end = start + frameSize(length)
    if (end > this.#memory.length) this.#grow(end)
    const memory = this.#memory
    memory.set(record, start + FRAME.SIZE)
    // The memory has been used before: what pads the record must be zero again.
    for (let at = start + FRAME.SIZE + length; at < end; at++) memory[at] = 0
    this.#bytes = end
    this.#payload += length
    this.#starts.push(start)
    this.#lengths.push(length)
    this.#resolves.push(resolve)
    this.#rejects.push(reject)
  }

  #grow(bytes: number): void {
    let size = this.#memory.length
    while (size < bytes) size *= 2
    const memory = new Uint8Array(new ArrayBuffer(size))
    memory.set(this.frames)
    this.#memory = memory
    this.#words = new Uint32Array(memory.buffer)
  }

  /** Writes every frame's header, for frames that begin at `position`. */
  seal(position: number, seed: number): void {
    const rows = this.#rows
    rows.clear()
    for (let index = 0; index < this.#starts.length; index++) {
      const start = this.#starts[index]
      const length = this.#lengths[index]
      putFrameHeader(this.#words, start / 4, length, start, position + start)
      rows.add(start + FRAME.LENGTH, FRAME.SIZE - FRAME.LENGTH, start + FRAME.HEADER_CRC, seed)
      rows.add(start + FRAME.HEADER_CRC, FRAME.SIZE - FRAME.HEADER_CRC + length, start + FRAME.CRC, seed)
    }
    rows.store(this.#memory)
  }

  /** How many frames lie wholly within the first `bytes`, and where the last of them ends. */
  within(bytes: number): { count: number; end: number } {
    let count = this.count
    let end = this.#bytes
    while (count > 0 && end > bytes) end = this.#starts[--count]
    return { count, end }
  }

  /** Tells the first `count` that their records are durable, and the others what failed; then the batch is empty. */
  settle(position: number, count = this.count, error?: Error): void {
    for (let index = 0; index < this.#starts.length; index++) {
      if (index < count) this.#resolves[index](position + this.#starts[index])
      else this.#rejects[index](error as Error)
    }
    this.#starts.length = 0
    this.#lengths.length = 0
    this.#resolves.length = 0
    this.#rejects.length = 0
    this.#bytes = 0
    this.#payload = 0
  }
}
