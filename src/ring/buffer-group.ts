import {
  checkInteger,
  IO_URING_BUF,
  IO_URING_BUF_REG,
  IO_URING_BUF_RING,
  IO_URING_BUF_STATUS,
  IORING_CQE_BUFFER_SHIFT,
  IORING_REGISTER,
  IOU_PBUF_RING,
  MAP,
  type MappedMemory,
  mapMemory,
  PAGE_SIZE,
  PROT,
  unmapMemory,
} from '../kernel/index.js'

const HIGH = 2 ** 32
const MAX_ENTRIES = 32768

/** What a buffer group needs of its ring. */
export interface BufferHost {
  /** What is in it lives until the ring is closed. */
  readonly kept: Set<object>
  /** io_uring_register(2); throws its system error. */
  register(operation: number, argument: ArrayBufferView, count: number): number
}

/**
 * The queue, shared with the kernel, of buffers that it may pick from; whose memory they are is up to the class on
 * top.
 *
 * @see io_uring_register_buf_ring(3)
 */
export class BufferGroup {
  /** Its name in an entry, unique in the ring. */
  readonly group: number
  /** Buffers that it has place for; a power of two. */
  readonly entries: number
  /** Whether the kernel uses a buffer up piece by piece. */
  readonly incremental: boolean
  /** Buffers that the kernel can still pick. */
  protected offered = 0
  protected readonly host: BufferHost
  readonly #closed: () => void
  readonly #ring: MappedMemory
  readonly #descriptors: DataView
  readonly #tailWord: Uint32Array
  #tail = 0
  #open = true

  /** @throws the system error of io_uring_register(2) */
  constructor(host: BufferHost, group: number, entries: number, incremental: boolean, closed: () => void) {
    checkInteger(group, 'options.group', 0, 65535)
    checkInteger(entries, 'options.entries', 1, MAX_ENTRIES)
    this.group = group
    this.entries = 2 ** Math.ceil(Math.log2(entries))
    this.incremental = incremental
    this.host = host
    this.#closed = closed
    this.#ring = anonymousMemory(this.entries * IO_URING_BUF.SIZE)
    this.#descriptors = new DataView(this.#ring.buffer)
    this.#tailWord = new Uint32Array(this.#ring.buffer, IO_URING_BUF_RING.TAIL & ~3, 1)
    try {
      this.#register(IORING_REGISTER.PBUF_RING)
    } catch (error) {
      unmapMemory(this.#ring)
      throw error
    }
    host.kept.add(this.#ring.buffer)
  }

  #register(operation: number): void {
    const view = new DataView(new ArrayBuffer(IO_URING_BUF_REG.SIZE))
    const address = this.#ring.address
    view.setUint32(IO_URING_BUF_REG.RING_ADDR, address % HIGH, true)
    view.setUint32(IO_URING_BUF_REG.RING_ADDR + 4, address / HIGH, true)
    view.setUint32(IO_URING_BUF_REG.RING_ENTRIES, this.entries, true)
    view.setUint16(IO_URING_BUF_REG.BGID, this.group, true)
    view.setUint16(IO_URING_BUF_REG.FLAGS, this.incremental ? IOU_PBUF_RING.INC : 0, true)
    this.host.register(operation, view, 1)
  }

  /** Buffers that the kernel can still pick. */
  get available(): number {
    return this.offered
  }

  /** Whether `close()` has not been called. */
  get isOpen(): boolean {
    return this.#open
  }

  /** Lays a buffer into the queue; the kernel sees it after `publish()`. */
  protected put(id: number, address: number, length: number): void {
    const at = (this.#tail & (this.entries - 1)) * IO_URING_BUF.SIZE
    this.#descriptors.setUint32(at + IO_URING_BUF.ADDR, address % HIGH, true)
    this.#descriptors.setUint32(at + IO_URING_BUF.ADDR + 4, address / HIGH, true)
    this.#descriptors.setUint32(at + IO_URING_BUF.LEN, length, true)
    this.#descriptors.setUint16(at + IO_URING_BUF.BID, id, true)
    this.#tail = (this.#tail + 1) & 0xffff
    this.offered++
  }

  /** The tail is the upper half of a word whose lower half is the first entry's buffer id. */
  protected publish(): void {
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

  /** The kernel's own place in the ring: how many buffers it has picked, wrapping at 65536. Kernel 6.8. */
  get head(): number {
    const view = new DataView(new ArrayBuffer(IO_URING_BUF_STATUS.SIZE))
    view.setUint32(IO_URING_BUF_STATUS.BUF_GROUP, this.group, true)
    this.host.register(IORING_REGISTER.PBUF_STATUS, view, 1)
    return view.getUint32(IO_URING_BUF_STATUS.HEAD, true)
  }

  /** Unregisters the group and lets its memory go. No operation that uses it may be in flight. */
  close(): void {
    if (!this.#open) return
    this.#register(IORING_REGISTER.UNREGISTER_PBUF_RING)
    this.abandon()
  }

  /** Lets the memory of a group go whose ring is gone. */
  abandon(): void {
    if (!this.#open) return
    this.#open = false
    this.#closed()
    this.host.kept.delete(this.#ring.buffer)
    unmapMemory(this.#ring)
    this.release()
  }

  /** Lets the buffers themselves go. */
  protected release(): void {}
}

/** Memory of whole pages that belongs to no file. */
export function anonymousMemory(bytes: number): MappedMemory {
  const whole = Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE
  return mapMemory(whole, PROT.READ | PROT.WRITE, MAP.PRIVATE | MAP.ANONYMOUS)
}
