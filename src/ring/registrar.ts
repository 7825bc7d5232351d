import {
  addressOf,
  checkInteger,
  checkObject,
  IO_URING_CLONE_BUFFERS,
  IO_URING_FILE_INDEX_RANGE,
  IO_URING_MEM_REGION_REG,
  IO_URING_OP_SUPPORTED,
  IO_URING_PARAMS,
  IO_URING_PROBE,
  IO_URING_PROBE_OP,
  IO_URING_REGION_DESC,
  IO_URING_RSRC_REGISTER,
  IO_URING_RSRC_UPDATE2,
  IORING_MEM_REGION,
  IORING_REGISTER,
  IORING_REGISTER_CLONE,
  IORING_RSRC_REGISTER,
  IORING_SETUP,
  invalidArgType,
  iovecs,
  SluiceError,
  setIovec,
  syscall,
  systemError,
} from '../kernel/index.js'
import { BlockRing, type BlockRingOptions } from './block-ring.js'
import type { BufferGroup, BufferHost } from './buffer-group.js'
import { BufferRing, type BufferRingOptions } from './buffer-ring.js'
import {
  type CancelTarget,
  cancelRequest,
  checkViews,
  clockRequest,
  cpuMask,
  descriptors,
  type NapiOptions,
  napiOptions,
  napiRequest,
  type Restriction,
  type RingClock,
  restrictionTable,
  setU64,
  struct,
} from './register-arguments.js'

const OPERATIONS = 256
const MAX_BUFFERS = 16384
const MAX_FILES = 2 ** 20
const SELF = 0xffffffff
const NOTHING = new Uint8Array(1)

/**
 * What a ring has been told of in advance, so that the hot path need not look it up: buffers, files, buffer rings,
 * limits. Every method throws the system error of io_uring_register(2).
 *
 * @see io_uring_register(2)
 */
export class Registrar {
  /** The ring's descriptor: readable when completions wait. */
  readonly fd: number
  /** Memory that the kernel knows of by itself. It outlives the ring, also where both are forgotten. */
  protected readonly kept = new Set<object>()
  readonly #host: BufferHost = {
    kept: this.kept,
    register: (operation, argument, count) => this.register(operation, argument, count),
  }
  readonly #bufferRings = new Set<BufferGroup>()
  #buffers: readonly (ArrayBufferView | null)[] = []
  #supported: Uint8Array | undefined
  #released = false

  constructor(fd: number) {
    this.fd = fd
  }

  /**
   * A ring whose descriptor the kernel is to be told of.
   *
   * @throws `ERR_INVALID_ARG_TYPE` where it is none; `ERR_SLUICE_CLOSED`, since the number is another file's by then
   */
  static opened(value: unknown, name: string): Registrar {
    if (!(value instanceof Registrar)) throw invalidArgType(name, 'an instance of Ring', value)
    value.#checkOpen()
    return value
  }

  #checkOpen(): void {
    if (this.#released) throw new SluiceError('ERR_SLUICE_CLOSED', 'The ring is closed')
  }

  /**
   * io_uring_register(2) itself, for what has no method of its own.
   *
   * @param operation of `IORING_REGISTER`
   * @returns its result, 0 or more
   */
  register(operation: number, argument: ArrayBufferView | number, count: number): number {
    // The number of a descriptor that is closed may be somebody else's by now.
    this.#checkOpen()
    const result = syscall('io_uring_register', this.fd, operation, argument, count)
    if (result < 0) throw systemError(result, 'io_uring_register')
    return result
  }

  /** Whether this kernel has an operation. @param operation of `IORING_OP` */
  supports(operation: number): boolean {
    this.#supported ??= this.#probe()
    return this.#supported[operation] === 1
  }

  #probe(): Uint8Array {
    const view = struct(IO_URING_PROBE.SIZE + OPERATIONS * IO_URING_PROBE_OP.SIZE)
    this.register(IORING_REGISTER.PROBE, view, OPERATIONS)
    const supported = new Uint8Array(OPERATIONS)
    for (let index = 0; index < view.getUint8(IO_URING_PROBE.OPS_LEN); index++) {
      const at = IO_URING_PROBE.OPS + index * IO_URING_PROBE_OP.SIZE
      const flags = view.getUint16(at + IO_URING_PROBE_OP.FLAGS, true)
      supported[view.getUint8(at + IO_URING_PROBE_OP.OP)] = flags & IO_URING_OP_SUPPORTED
    }
    return supported
  }

  /** The buffers that are registered, by index. */
  get buffers(): readonly (ArrayBufferView | null)[] {
    return this.#buffers
  }

  /**
   * Registers buffers for `prepareReadFixed` and its like: their pages are pinned once instead of for every
   * operation. They are kept alive here, and charged to RLIMIT_MEMLOCK (`ENOMEM`) without CAP_IPC_LOCK.
   *
   * @param buffers the buffers, or how many empty places to make (kernel 5.19)
   */
  registerBuffers(buffers: readonly ArrayBufferView[] | number): void {
    if (typeof buffers === 'number') {
      checkInteger(buffers, 'buffers', 1, MAX_BUFFERS)
      this.#registerSparse(IORING_REGISTER.BUFFERS2, buffers)
      this.#buffers = new Array(buffers).fill(null)
      return
    }
    checkViews(buffers, false)
    this.register(IORING_REGISTER.BUFFERS, iovecs(buffers), buffers.length)
    this.#buffers = [...buffers]
  }

  #registerSparse(operation: number, count: number): void {
    const view = struct(IO_URING_RSRC_REGISTER.SIZE)
    view.setUint32(IO_URING_RSRC_REGISTER.NR, count, true)
    view.setUint32(IO_URING_RSRC_REGISTER.FLAGS, IORING_RSRC_REGISTER.SPARSE, true)
    this.register(operation, view, IO_URING_RSRC_REGISTER.SIZE)
  }

  /**
   * Puts buffers into places from `offset` on, null to empty a place; those that were there are let go once idle.
   * Kernel 5.13.
   */
  updateBuffers(offset: number, buffers: readonly (ArrayBufferView | null)[]): void {
    checkInteger(offset, 'offset', 0, this.#buffers.length)
    checkViews(buffers, true)
    const vectors = iovecs(buffers.map(buffer => buffer ?? NOTHING))
    for (const [index, buffer] of buffers.entries()) if (buffer === null) setIovec(vectors, index, 0, 0)
    this.#update(IORING_REGISTER.BUFFERS_UPDATE, offset, vectors, buffers.length)
    this.#buffers = this.#buffers.map((buffer, index) => {
      const fresh = buffers[index - offset]
      return fresh === undefined ? buffer : fresh
    })
  }

  #update(operation: number, offset: number, data: ArrayBufferView, count: number): void {
    const view = struct(IO_URING_RSRC_UPDATE2.SIZE)
    view.setUint32(IO_URING_RSRC_UPDATE2.OFFSET, offset, true)
    setU64(view, IO_URING_RSRC_UPDATE2.DATA, addressOf(data))
    view.setUint32(IO_URING_RSRC_UPDATE2.NR, count, true)
    this.register(operation, view, IO_URING_RSRC_UPDATE2.SIZE)
  }

  /**
   * Takes over buffers that another ring has registered, without pinning them again. Kernel 6.12; ranges and
   * replacing 6.13.
   */
  cloneBuffers(
    source: Registrar,
    range: { sourceOffset?: number; offset?: number; count?: number; replace?: boolean } = {},
  ): void {
    Registrar.opened(source, 'source')
    checkObject(range, 'range')
    const { sourceOffset = 0, offset = 0, count = 0, replace = false } = range
    for (const [name, value] of Object.entries({ sourceOffset, offset, count })) {
      checkInteger(value, `range.${name}`, 0, MAX_BUFFERS)
    }
    const view = struct(IO_URING_CLONE_BUFFERS.SIZE)
    view.setUint32(IO_URING_CLONE_BUFFERS.SRC_FD, source.fd, true)
    view.setUint32(IO_URING_CLONE_BUFFERS.FLAGS, replace ? IORING_REGISTER_CLONE.DST_REPLACE : 0, true)
    view.setUint32(IO_URING_CLONE_BUFFERS.SRC_OFF, sourceOffset, true)
    view.setUint32(IO_URING_CLONE_BUFFERS.DST_OFF, offset, true)
    view.setUint32(IO_URING_CLONE_BUFFERS.NR, count, true)
    this.register(IORING_REGISTER.CLONE_BUFFERS, view, 1)
    const taken = source.buffers.slice(sourceOffset, count === 0 ? undefined : sourceOffset + count)
    const length = Math.max(this.#buffers.length, offset + taken.length)
    const buffers = Array.from({ length }, (_, index) => this.#buffers[index] ?? null)
    for (const [index, buffer] of taken.entries()) buffers[offset + index] = buffer
    this.#buffers = buffers
  }

  /** Lets the registered buffers go; waits until none is in use. */
  unregisterBuffers(): void {
    this.register(IORING_REGISTER.UNREGISTER_BUFFERS, 0, 0)
    this.#buffers = []
  }

  /**
   * Registers descriptors; entries marked `IOSQE.FIXED_FILE` name them by index and spare the kernel a look-up.
   *
   * @param files descriptors (-1 leaves a place empty), or how many empty places to make (kernel 5.19)
   */
  registerFiles(files: readonly number[] | number): void {
    if (typeof files === 'number') {
      checkInteger(files, 'files', 1, MAX_FILES)
      this.#registerSparse(IORING_REGISTER.FILES2, files)
    } else {
      this.register(IORING_REGISTER.FILES, descriptors(files), files.length)
    }
  }

  /** Puts descriptors into places from `offset` on: -1 empties a place, -2 leaves it as it is. */
  updateFiles(offset: number, files: readonly number[]): void {
    checkInteger(offset, 'offset', 0, MAX_FILES)
    this.#update(IORING_REGISTER.FILES_UPDATE2, offset, descriptors(files), files.length)
  }

  /** Lets the registered descriptors go. */
  unregisterFiles(): void {
    this.register(IORING_REGISTER.UNREGISTER_FILES, 0, 0)
  }

  /** Where operations that make a descriptor may pick a place by themselves (`IORING_FILE_INDEX_ALLOC`). Kernel 6.0. */
  limitFileAllocation(offset: number, length: number): void {
    checkInteger(offset, 'offset', 0, MAX_FILES)
    checkInteger(length, 'length', 0, MAX_FILES)
    const view = struct(IO_URING_FILE_INDEX_RANGE.SIZE)
    view.setUint32(IO_URING_FILE_INDEX_RANGE.OFF, offset, true)
    view.setUint32(IO_URING_FILE_INDEX_RANGE.LEN, length, true)
    this.register(IORING_REGISTER.FILE_ALLOC_RANGE, view, 0)
  }

  /** Makes a group of buffers from which the kernel picks at completion. Kernel 5.19. */
  registerBufferRing(options: BufferRingOptions): BufferRing {
    const ring = new BufferRing(this.#host, options, () => this.#bufferRings.delete(ring))
    this.#bufferRings.add(ring)
    return ring
  }

  /** As `registerBufferRing()`, with memory that goes to whoever receives into it. Kernel 6.12. */
  registerBlockRing(options: BlockRingOptions): BlockRing {
    const ring = new BlockRing(this.#host, options, () => this.#bufferRings.delete(ring))
    this.#bufferRings.add(ring)
    return ring
  }

  /** Signals an eventfd with each completion; `asyncOnly`: not with those that complete during submission. */
  registerEventfd(eventfd: number, options: { asyncOnly?: boolean } = {}): void {
    checkInteger(eventfd, 'eventfd', 0, 2 ** 31 - 1)
    checkObject(options)
    const operation = options.asyncOnly ? IORING_REGISTER.EVENTFD_ASYNC : IORING_REGISTER.EVENTFD
    this.register(operation, Int32Array.of(eventfd), 1)
  }

  /** Ends what `registerEventfd()` began. */
  unregisterEventfd(): void {
    this.register(IORING_REGISTER.UNREGISTER_EVENTFD, 0, 0)
  }

  /** Keeps this thread's credentials of now under an id, for `usePersonality()`. */
  registerPersonality(): number {
    return this.register(IORING_REGISTER.PERSONALITY, 0, 0)
  }

  /** Forgets credentials. */
  unregisterPersonality(id: number): void {
    checkInteger(id, 'id', 0, 65535)
    this.register(IORING_REGISTER.UNREGISTER_PERSONALITY, 0, id)
  }

  /** Limits, once, what a ring made with `R_DISABLED` may do. */
  restrict(restrictions: readonly Restriction[]): void {
    this.register(IORING_REGISTER.RESTRICTIONS, restrictionTable(restrictions), restrictions.length)
  }

  /** Starts a ring made with `R_DISABLED`; the calling thread becomes its issuer. */
  enable(): void {
    this.register(IORING_REGISTER.ENABLE_RINGS, 0, 0)
  }

  /**
   * Limits the kernel's workers.
   *
   * @param bounded for files, 0 to leave it
   * @param unbounded for all else, 0 to leave it
   * @returns the limits of before
   */
  limitWorkers(bounded: number, unbounded: number): { bounded: number; unbounded: number } {
    checkInteger(bounded, 'bounded', 0, 65535)
    checkInteger(unbounded, 'unbounded', 0, 65535)
    const limits = Uint32Array.of(bounded, unbounded)
    this.register(IORING_REGISTER.IOWQ_MAX_WORKERS, limits, 2)
    return { bounded: limits[0], unbounded: limits[1] }
  }

  /** Binds the kernel's workers to CPUs; without an argument, frees them. */
  bindWorkers(cpus?: readonly number[]): void {
    if (cpus === undefined) {
      this.register(IORING_REGISTER.UNREGISTER_IOWQ_AFF, 0, 0)
      return
    }
    const mask = cpuMask(cpus)
    this.register(IORING_REGISTER.IOWQ_AFF, mask, mask.length)
  }

  /**
   * Has waits poll the network queues of the ring's sockets, for an answer without an interrupt. Kernel 6.9.
   *
   * @returns what was so before
   */
  registerNapi(options: NapiOptions): Required<NapiOptions> {
    const request = napiRequest(options)
    this.register(IORING_REGISTER.NAPI, request, 1)
    return napiOptions(request)
  }

  /** Ends what `registerNapi()` began. @returns what was so before */
  unregisterNapi(): Required<NapiOptions> {
    const request = napiRequest({ busyPollUs: 0 })
    this.register(IORING_REGISTER.UNREGISTER_NAPI, request, 1)
    return napiOptions(request)
  }

  /** Chooses the clock of limited waits; `monotonic` by default. Kernel 6.12. */
  setClock(clock: RingClock): void {
    this.register(IORING_REGISTER.CLOCK, clockRequest(clock), 0)
  }

  /**
   * Cancels what matches and waits, on this thread, until it has ended. Its completions are there to be reaped. Kernel 6.0.
   *
   * @throws `ENOENT` when nothing matches, `ETIME` when it does not end in time
   */
  cancelNow(target: CancelTarget): number {
    return this.register(IORING_REGISTER.SYNC_CANCEL, cancelRequest(target), 1)
  }

  /** Registers the ring's descriptor with this thread. @returns its index, -1 where the kernel has none to give (5.18) */
  protected registerRingDescriptor(): number {
    const update = new Uint32Array(new ArrayBuffer(16))
    update[0] = SELF
    update[2] = this.fd
    const result = syscall('io_uring_register', this.fd, IORING_REGISTER.RING_FDS, update, 1)
    return result === 1 ? update[0] : -1
  }

  /** Has the kernel keep memory for the arguments of waits. @param memory a page of its own, zeroed */
  protected registerWaitRegion(memory: Uint8Array): void {
    const region = struct(IO_URING_REGION_DESC.SIZE)
    setU64(region, IO_URING_REGION_DESC.USER_ADDR, addressOf(memory))
    setU64(region, IO_URING_REGION_DESC.SIZE_BYTES, memory.length)
    region.setUint32(IO_URING_REGION_DESC.FLAGS, IORING_MEM_REGION.TYPE_USER, true)
    const view = struct(IO_URING_MEM_REGION_REG.SIZE)
    setU64(view, IO_URING_MEM_REGION_REG.REGION_UPTR, addressOf(region))
    setU64(view, IO_URING_MEM_REGION_REG.FLAGS, IORING_MEM_REGION.REG_WAIT_ARG)
    // Nothing else holds what is known by its address alone.
    this.kept.add(memory).add(region)
    this.register(IORING_REGISTER.MEM_REGION, view, 1)
  }

  /** Asks the kernel for queues of another size. @returns the new parameters */
  protected registerResize(entries: number, completionEntries: number): DataView {
    const params = struct(IO_URING_PARAMS.SIZE)
    params.setUint32(IO_URING_PARAMS.SQ_ENTRIES, entries, true)
    params.setUint32(IO_URING_PARAMS.CQ_ENTRIES, completionEntries, true)
    params.setUint32(IO_URING_PARAMS.FLAGS, IORING_SETUP.CQSIZE, true)
    this.register(IORING_REGISTER.RESIZE_RINGS, params, 1)
    return params
  }

  /** After the descriptor is closed: lets go of everything that was kept alive for the kernel. */
  protected releaseRegistrations(): void {
    this.#released = true
    for (const ring of [...this.#bufferRings]) ring.abandon()
    this.#buffers = []
    this.kept.clear()
  }
}
