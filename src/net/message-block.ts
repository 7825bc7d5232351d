import { addressOf, IOVEC, MSGHDR, setIovec } from '../kernel/index.js'
import type { Segment } from './segment.js'

/** Pieces that one message gathers. */
export const MESSAGE_PIECES = 64
/** Blocks kept for the next message. */
const KEPT = 64

const VECTORS = MSGHDR.SIZE
const free: MessageBlock[] = []

/** A message header and its iovecs, used over and over: a fresh ArrayBuffer costs more than the send. */
export class MessageBlock {
  /** Of the header, for `prepareSendmsgAt()`. */
  readonly address: number
  readonly #header: Uint32Array
  readonly #vectors: Uint32Array

  private constructor() {
    const memory = new ArrayBuffer(VECTORS + MESSAGE_PIECES * IOVEC.SIZE)
    this.#header = new Uint32Array(memory, 0, MSGHDR.SIZE / 4)
    this.#vectors = new Uint32Array(memory, VECTORS)
    this.address = addressOf(this.#header)
    const vectors = this.address + VECTORS
    this.#header[MSGHDR.IOV / 4] = vectors
    this.#header[MSGHDR.IOV / 4 + 1] = Math.floor(vectors / 2 ** 32)
  }

  /** One that nobody uses. */
  static take(): MessageBlock {
    return free.pop() ?? new MessageBlock()
  }

  /** Lays out the first segments that have bytes. @returns how many bytes they have together */
  gather(segments: readonly Segment[]): number {
    let bytes = 0
    let pieces = 0
    for (const segment of segments) {
      if (pieces === MESSAGE_PIECES) break
      if (segment.length === 0) continue
      setIovec(this.#vectors, pieces++, segment.address, segment.length)
      bytes += segment.length
    }
    this.#header[MSGHDR.IOVLEN / 4] = pieces
    return bytes
  }

  /** Gives it back. The kernel must not hold it. */
  release(): void {
    if (free.length < KEPT) free.push(this)
  }
}
