import {
  checkInteger,
  IO_URING_BUF,
  IO_URING_BUF_REG,
  IO_URING_BUF_RING,
  IO_URING_BUF_STATUS,
  IORING_CQE_BUFFER_SHIFT,
  IORING_CQE_F,
  IORING_REGISTER,
  IOU_PBUF_RING,
  MAP,
  type MappedMemory,
  mapMemory,
  PAGE_SIZE,
  PROT,
  SluiceError,
  unmapMemory,
} from '../kernel/index.js'

const HIGH = 2 ** 32
const MAX_ENTRIES = 32768

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

/** What a buffer ring needs of its ring. */
interface Host {
  register(operation: number, argument: ArrayBufferView, count: number): number
}

/**
 * Buffers that the kernel picks from when data is there, so that waiting operations hold no memory.
 *
 * A completion with `IORING_CQE_F.BUFFER` names the buffer it took; it is yours until `give()`. When none is left,
 * operations end with `ENOBUFS`, and multishot ones must be armed again once a buffer has been given back.
 *
 * @see io_uring_register_buf_ring(3)
 */
export class BufferRing {
  readonly group: number
  readonly entries: number
  readonly bufferSize: number
  readonly incremental: boolean
  readonly #host: Host
  readonly #closed: () => void
  readonly #ring: MappedMemory
  readonly #slab: MappedMemory
  readonly #descriptors: DataView
  readonly #tailWord: Uint32Array
  readonly #bytes: Uint8Array
  /** With `incremental`: where the rest of each buffer begins. */
  readonly #used: Uint32Array
  #tail = 0
  #available: number
  #open = true

  constructor(host: Host, options: BufferRingOptions, closed: () => void) {
    const { group, entries, bufferSize, incremental = false } = options
    checkInteger(group, 'options.group', 0, 65535)
    checkInteger(entries, 'options.entries', 1, MAX_ENTRIES)
    checkInteger(bufferSize, 'options.bufferSize', 1, 2 ** 31 - 1)
    this.group = group
    this.entries = 2 ** Math.ceil(Math.log2(entries))
    this.bufferSize = bufferSize
    this.incremental = incremental
    this.#host = host
    this.#closed = closed
    this.#ring = anonymous(this.entries * IO_URING_BUF.SIZE)
    this.#slab = anonymous(this.entries * bufferSize)
    this.#descriptors = new DataView(this.#ring.buffer)
    this.#tailWord = new Uint32Array(this.#ring.buffer, IO_URING_BUF_RING.TAIL & ~3, 1)
    this.#bytes = new Uint8Array(this.#slab.buffer)
    this.#used = new Uint32Array(this.entries)
    this.#available = 0
    try {
      this.#register(IORING_REGISTER.PBUF_RING)
    } catch (error) {
      this.#unmap()
      throw error
    }
    for (let id = 0; id < this.entries; id++) this.#put(id)
    this.#publish()
  }

  #register(operation: number): void {
    const view = new DataView(new ArrayBuffer(IO_URING_BUF_REG.SIZE))
    const address = this.#ring.address
    view.setUint32(IO_URING_BUF_REG.RING_ADDR, address % HIGH, true)
    view.setUint32(IO_URING_BUF_REG.RING_ADDR + 4, address / HIGH, true)
    view.setUint32(IO_URING_BUF_REG.RING_ENTRIES, this.entries, true)
    view.setUint16(IO_URING_BUF_REG.BGID, this.group, true)
    view.setUint16(IO_URING_BUF_REG.FLAGS, this.incremental ? IOU_PBUF_RING.INC : 0, true)
    this.#host.register(operation, view, 1)
  }

  /** Buffers that the kernel can still pick. */
  get available(): number {
    return this.#available
  }

  #put(id: number): void {
    const at = (this.#tail & (this.entries - 1)) * IO_URING_BUF.SIZE
    const address = this.#slab.address + id * this.bufferSize
    this.#descriptors.setUint32(at + IO_URING_BUF.ADDR, address % HIGH, true)
    this.#descriptors.setUint32(at + IO_URING_BUF.ADDR + 4, address / HIGH, true)
    this.#descriptors.setUint32(at + IO_URING_BUF.LEN, this.bufferSize, true)
    this.#descriptors.setUint16(at + IO_URING_BUF.BID, id, true)
    this.#used[id] = 0
    this.#tail = (this.#tail + 1) & 0xffff
    this.#available++
  }

  /** The tail is the upper half of a word whose lower half is the first entry's buffer id. */
  #publish(): void {
    Atomics.store(
      this.#tailWord,
      0,
      (this.#descriptors.getUint16(IO_URING_BUF.BID, true) | (this.#tail << 16)) >>> 0,
    )
  }

  /** The buffer that a completion took. @param flags of the completion, with `IORING_CQE_F.BUFFER` */
  static id(flags: number): number {
    return flags >>> IORING_CQE_BUFFER_SHIFT
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
    if ((flags & IORING_CQE_F.BUF_MORE) === 0) this.#available--
    if (this.incremental) this.#used[id] += length
    return this.#bytes.subarray(start, start + length)
  }

  /** Gives a buffer back to the kernel. An incremental one only after its last piece (no `BUF_MORE`). */
  give(id: number): void {
    if (!this.#open) return
    checkInteger(id, 'id', 0, this.entries - 1)
    if (this.#available >= this.entries) {
      throw new SluiceError('ERR_SLUICE_QUEUE_FULL', 'More buffers were given back than taken')
    }
    this.#put(id)
    this.#publish()
  }

  /** The kernel's own place in the ring: how many buffers it has picked, wrapping at 65536. Kernel 6.8. */
  get head(): number {
    const view = new DataView(new ArrayBuffer(IO_URING_BUF_STATUS.SIZE))
    view.setUint32(IO_URING_BUF_STATUS.BUF_GROUP, this.group, true)
    this.#host.register(IORING_REGISTER.PBUF_STATUS, view, 1)
    return view.getUint32(IO_URING_BUF_STATUS.HEAD, true)
  }

  /** Unregisters the group and unmaps its memory. No operation that uses it may be in flight. */
  close(): void {
    if (!this.#open) return
    this.#register(IORING_REGISTER.UNREGISTER_PBUF_RING)
    this.abandon()
  }

  /** Unmaps the memory of a group whose ring is gone. */
  abandon(): void {
    if (!this.#open) return
    this.#open = false
    this.#closed()
    this.#unmap()
  }

  #unmap(): void {
    unmapMemory(this.#ring)
    unmapMemory(this.#slab)
  }
}

function anonymous(bytes: number): MappedMemory {
  const whole = Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE
  return mapMemory(whole, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS)
}
