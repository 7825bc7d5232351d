import {
  checkInteger,
  checkObject,
  IORING_CQE_F,
  invalidArgValue,
  type MappedMemory,
  unmapMemory,
} from '../kernel/index.js'
import { anonymousMemory, BufferGroup, type BufferHost } from './buffer-group.js'

/** How a {@link BufferRing} is made. */
export interface BufferRingOptions {
  /** Its name in `selectBuffer()`, 0 to 65535, unique in the ring. */
  group: number
  /** Buffers, a power of two up to 32768. */
  entries: number
  /** Bytes of each buffer. */
  bufferSize: number
  /** The kernel may use a buffer up piece by piece, each completion taking the next piece. Kernel 6.12. */
  incremental?: boolean
}

/**
 * Buffers that the kernel picks from when data is there, so that waiting operations hold no memory.
 *
 * A completion with `IORING_CQE_F.BUFFER` names the buffer it took; it is yours until `give()`. When none is left,
 * operations end with `ENOBUFS`, and multishot ones must be armed again once a buffer has been given back.
 *
 * @see io_uring_register_buf_ring(3)
 */
export class BufferRing extends BufferGroup {
  readonly bufferSize: number
  readonly #slab: MappedMemory
  readonly #bytes: Uint8Array
  /** With `incremental`: where the rest of each buffer begins. */
  readonly #used: Uint32Array
  /** Per buffer, 1 while it is out. */
  readonly #out: Uint8Array

  constructor(host: BufferHost, options: BufferRingOptions, closed: () => void) {
    checkObject(options)
    const { group, entries, bufferSize, incremental = false } = options
    checkInteger(bufferSize, 'options.bufferSize', 1, 2 ** 31 - 1)
    super(host, group, entries, incremental, closed)
    this.bufferSize = bufferSize
    try {
      this.#slab = anonymousMemory(this.entries * bufferSize)
    } catch (error) {
      this.close()
      throw error
    }
    host.kept.add(this.#slab.buffer)
    this.#bytes = new Uint8Array(this.#slab.buffer)
    this.#used = new Uint32Array(this.entries)
    this.#out = new Uint8Array(this.entries)
    for (let id = 0; id < this.entries; id++) this.#offer(id)
    this.publish()
  }

  #offer(id: number): void {
    this.put(id, this.#slab.address + id * this.bufferSize, this.bufferSize)
    this.#used[id] = 0
    this.#out[id] = 0
  }

  /**
   * The bytes that a completion brought: a view of the slab, yours until `give()`.
   *
   * @param flags of the completion
   * @param length its result
   */
  take(flags: number, length: number): Uint8Array {
    const id = BufferRing.id(flags)
    const start = id * this.bufferSize + this.#used[id]
    if ((flags & IORING_CQE_F.BUF_MORE) === 0) {
      this.offered--
      this.#out[id] = 1
    }
    if (this.incremental) this.#used[id] += length
    return this.#bytes.subarray(start, start + length)
  }

  /**
   * Gives a buffer back to the kernel. An incremental one only after its last piece (no `BUF_MORE`).
   *
   * @throws `ERR_INVALID_ARG_VALUE` where the kernel has it already: it would fill one buffer twice at a time
   */
  give(id: number): void {
    if (!this.isOpen) return
    checkInteger(id, 'id', 0, this.entries - 1)
    if (this.#out[id] === 0) throw invalidArgValue('id', id, 'is not out')
    this.#offer(id)
    this.publish()
  }

  /** The slab is unmapped with the group; views of it are empty from then on. */
  protected override release(): void {
    if (this.#slab === undefined) return
    this.host.kept.delete(this.#slab.buffer)
    unmapMemory(this.#slab)
  }
}
