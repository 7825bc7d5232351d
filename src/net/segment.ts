import { addressOf } from '../kernel/index.js'
import { pin, type Region, regionOf, unpin } from '../memory/index.js'

/** Bytes of a block that small writes are gathered in. */
const GATHER_BYTES = 16384
/** Blocks kept for the next connection that needs one. */
const KEPT = 64

const free: GatherBlock[] = []

/** Memory of our own for what could not be sent at once. */
class GatherBlock {
  readonly bytes = new Uint8Array(new ArrayBuffer(GATHER_BYTES))
  readonly address = addressOf(this.bytes)
}

/**
 * A run of bytes that waits to be sent: either gathered into memory of our own, or the caller's, which stays
 * untouched until `settle()` says that it is the caller's again. One without bytes marks a place in the stream.
 */
export class Segment {
  /** Segments of this thread that have not settled. */
  static inUse = 0
  /** Where the bytes that are left begin. */
  address: number
  /** Bytes left. */
  length: number
  readonly #block: GatherBlock | undefined
  #filled = 0
  readonly #region: Region | undefined
  /** The caller's bytes: what the kernel reads from must not be collected. */
  readonly held: Uint8Array | undefined
  readonly #done: ((error?: Error) => void) | undefined
  #holds = 0
  /** Settled while it was held, and with what. */
  #over = false
  #failure: Error | undefined

  private constructor(
    block: GatherBlock | undefined,
    held: Uint8Array | undefined,
    done?: (error?: Error) => void,
  ) {
    this.#block = block
    this.held = held
    this.#done = done
    this.length = 0
    this.address = 0
    Segment.inUse++
    if (block !== undefined) this.address = block.address
    if (held !== undefined && held.byteLength > 0) {
      this.#region = regionOf(held.buffer)
      pin(this.#region)
      this.address = this.#region.address + held.byteOffset
      this.length = held.byteLength
    }
  }

  /** An empty one to gather small writes in. */
  static gathering(): Segment {
    return new Segment(free.pop() ?? new GatherBlock(), undefined)
  }

  /** The caller's bytes. @param done told when they are the caller's again, and why they were not sent if so */
  static borrowing(bytes: Uint8Array, done: (error?: Error) => void): Segment {
    return new Segment(undefined, bytes, done)
  }

  /** A mark. @param done told when everything before it has been sent */
  static mark(done: (error?: Error) => void): Segment {
    return new Segment(undefined, undefined, done)
  }

  /** Copies bytes behind those that are there. @returns false where they do not fit */
  gather(bytes: Uint8Array): boolean {
    const block = this.#block
    if (block === undefined || this.#filled + bytes.length > GATHER_BYTES) return false
    block.bytes.set(bytes, this.#filled)
    this.#filled += bytes.length
    this.length += bytes.length
    return true
  }

  /** Drops bytes that have been sent from the beginning. */
  advance(bytes: number): void {
    this.address += bytes
    this.length -= bytes
  }

  /** The kernel holds the bytes for longer than it takes to send them. */
  hold(): void {
    this.#holds++
  }

  /** It holds them once less. */
  letGo(): void {
    if (--this.#holds === 0 && this.#over) this.settle(this.#failure)
  }

  /** Lets the memory go, as soon as the kernel does not hold it any more. */
  settle(error?: Error): void {
    if (this.#holds > 0) {
      this.#over = true
      this.#failure = error
      return
    }
    Segment.inUse--
    if (this.#block !== undefined && free.length < KEPT) free.push(this.#block)
    if (this.#region !== undefined) unpin(this.#region)
    this.#done?.(error)
  }
}
