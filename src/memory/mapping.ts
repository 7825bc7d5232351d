import {
  checkInteger,
  checkObject,
  detachMemory,
  invalidArgValue,
  MADV,
  type MappedMemory,
  MS,
  mapMemory,
  outOfRange,
  PAGE_SIZE,
  SluiceError,
  syscall,
  systemError,
  unmapMemory,
} from '../kernel/index.js'
import { type MappingOptions, resolveMapping } from './mapping-options.js'
import { type Region, regionOf } from './region.js'

/**
 * Advice that `advise()` takes; each is madvise(2)'s of that name.
 *
 * `dontneed`, `free` and `remove` discard what the memory holds and take whole pages only.
 */
export type MappingAdvice = keyof typeof ADVICE

const ADVICE = {
  normal: MADV.NORMAL,
  random: MADV.RANDOM,
  sequential: MADV.SEQUENTIAL,
  willneed: MADV.WILLNEED,
  dontneed: MADV.DONTNEED,
  free: MADV.FREE,
  remove: MADV.REMOVE,
  dontfork: MADV.DONTFORK,
  dofork: MADV.DOFORK,
  mergeable: MADV.MERGEABLE,
  hugepage: MADV.HUGEPAGE,
  nohugepage: MADV.NOHUGEPAGE,
  dontdump: MADV.DONTDUMP,
  cold: MADV.COLD,
  pageout: MADV.PAGEOUT,
  'populate-read': MADV.POPULATE_READ,
  'populate-write': MADV.POPULATE_WRITE,
  collapse: MADV.COLLAPSE,
} as const

const DISCARDS: ReadonlySet<MappingAdvice> = new Set(['dontneed', 'free', 'remove'])

const MLOCK_ONFAULT = 1
/** Pages that one mincore(2) answers. */
const RESIDENCY_PAGES = 65536

/**
 * Memory that is a file, or a piece of one: mmap(2) with an owner.
 *
 * `unmap()` ends it at a chosen moment; forgotten, it ends when it and every view of it have been collected. While
 * an operation holds the memory, it stays mapped whatever happens.
 *
 * A file that is truncated under its mapping makes the pages behind its new end SIGBUS, which ends the process:
 * map what nobody truncates, or read with system calls.
 *
 * ```ts
 * using index = new Mapping({ file, access: 'read' })
 * index.advise('random')
 * lookUp(index.bytes)
 * ```
 *
 * @see mmap(2), madvise(2), msync(2), mlock(2), mincore(2)
 */
export class Mapping {
  readonly access: 'read' | 'write'
  /** Whether writes reach the file. */
  readonly shared: boolean
  /** Bytes of a page of this mapping: huge where reserved huge pages were asked for. */
  readonly pageSize: number
  readonly #memory: MappedMemory
  readonly #region: Region
  /** Not a copy that writing makes: locking or populating it for writing would copy every page. */
  readonly #lazyCopy: boolean
  /** What is mapped, in bytes: the lead and the length. */
  readonly #extent: number
  readonly #lead: number
  #bytes: Uint8Array<ArrayBuffer>
  #open = true

  /**
   * Maps memory.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`; `ERR_OUT_OF_RANGE` for a range that is empty, longer
   *   than an ArrayBuffer, or behind the file's end; the system error of mmap(2), or of what `populate` and `lock`
   *   need
   */
  constructor(options: MappingOptions) {
    const request = resolveMapping(options)
    const { access, shared, place } = request
    this.access = access
    this.shared = shared
    this.pageSize = request.pageSize
    this.#lazyCopy = options.file !== undefined && access === 'read' && !shared
    this.#lead = place.lead
    this.#extent = place.lead + place.length
    this.#memory = mapMemory(request.mapped, request.protection, request.flags, place.fd, place.offset)
    this.#region = regionOf(this.#memory.buffer)
    this.#bytes = new Uint8Array(this.#memory.buffer, place.lead, place.length)
    try {
      this.#prepare(options)
    } catch (error) {
      this.unmap()
      throw error
    }
  }

  #prepare({ hugePages, populate = false, lock = false }: MappingOptions): void {
    if (hugePages === 'transparent') this.advise('hugepage')
    if (lock) this.lock()
    if (populate) this.advise(this.access === 'write' ? 'populate-write' : 'populate-read')
  }

  /** The memory; empty once unmapped. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes
  }

  /** Bytes mapped; 0 once unmapped. */
  get length(): number {
    return this.#bytes.length
  }

  /** The address of the first byte; 0 once unmapped. */
  get address(): number {
    return this.#open ? this.#memory.address + this.#lead : 0
  }

  /** Whether `unmap()` has been called. */
  get closed(): boolean {
    return !this.#open
  }

  /** Whether operations in flight hold the memory. */
  get inFlight(): boolean {
    return this.#region.pins > 0
  }

  /**
   * The pages that hold a range, and where in the mapping the range itself begins.
   *
   * @param whole refuses a range that shares a page with bytes outside it
   */
  #pages(offset: unknown, length: unknown, whole = false): { address: number; bytes: number; from: number } {
    if (!this.#open) throw new SluiceError('ERR_SLUICE_CLOSED', 'The mapping has been unmapped')
    const most = this.length
    checkInteger(offset, 'offset', 0, most)
    const count = length ?? most - offset
    checkInteger(count, 'length', 0, most - offset)
    const from = this.#lead + offset
    const to = from + count
    const start = from - (from % this.pageSize)
    if (whole) {
      const unit = `on a page boundary (${this.pageSize} bytes) of the mapping`
      if (from !== start && offset !== 0) throw outOfRange('offset', unit, offset)
      if (to % this.pageSize !== 0 && to !== this.#extent) throw outOfRange('length', `to end ${unit}`, count)
    }
    return { address: this.#memory.address + start, bytes: to - start, from }
  }

  /**
   * Tells the kernel how the memory will be used, or what to do with it now. A range is widened to whole pages.
   *
   * @param offset from the first byte, 0 by default
   * @param length bytes, to the end by default
   * @throws `ERR_OUT_OF_RANGE`; `ERR_SLUICE_CLOSED`; `ERR_SLUICE_IN_FLIGHT` where memory that operations hold would
   *   be discarded; the system error of madvise(2): `EINVAL` where this kernel or kind of memory has no such advice
   */
  advise(advice: MappingAdvice, offset = 0, length?: number): void {
    if (!Object.hasOwn(ADVICE, advice)) {
      throw invalidArgValue('advice', advice, `is not one of ${Object.keys(ADVICE).join(', ')}`)
    }
    const discards = DISCARDS.has(advice)
    const { address, bytes } = this.#pages(offset, length, discards)
    if (discards && this.inFlight) {
      throw new SluiceError(
        'ERR_SLUICE_IN_FLIGHT',
        `Operations in flight hold the memory that ${advice} would discard`,
      )
    }
    if (bytes === 0) return
    const result = syscall('madvise', address, bytes, ADVICE[advice])
    if (result < 0) throw systemError(result, 'madvise')
  }

  /**
   * Writes changes back to the file. It blocks the thread until they are on stable storage, unless `async`.
   *
   * @param options `async` only starts it; `invalidate` makes other mappings of the file see it
   * @throws `ERR_OUT_OF_RANGE`; `ERR_SLUICE_CLOSED`; the system error of msync(2): `EIO` where the device failed
   */
  sync(options: { offset?: number; length?: number; async?: boolean; invalidate?: boolean } = {}): void {
    checkObject(options)
    const { offset = 0, length, async = false, invalidate = false } = options
    const { address, bytes } = this.#pages(offset, length)
    const flags = (async ? MS.ASYNC : MS.SYNC) | (invalidate ? MS.INVALIDATE : 0)
    const result = syscall('msync', address, bytes, flags)
    if (result < 0) throw systemError(result, 'msync')
  }

  /**
   * Keeps the pages in memory, reading them in. Charged to RLIMIT_MEMLOCK without CAP_IPC_LOCK.
   *
   * @throws `ERR_OUT_OF_RANGE`; `ERR_SLUICE_CLOSED`; the system error of mlock(2): `ENOMEM`, `EPERM`, `EAGAIN`
   */
  lock(offset = 0, length?: number): void {
    const { address, bytes } = this.#pages(offset, length)
    const result = syscall('mlock2', address, bytes, this.#lazyCopy ? MLOCK_ONFAULT : 0)
    if (result < 0) throw systemError(result, 'mlock')
    if (this.#lazyCopy) this.advise('populate-read', offset, length)
  }

  /** Lets the pages be evicted again. @throws `ERR_OUT_OF_RANGE`; `ERR_SLUICE_CLOSED`; as munlock(2) */
  unlock(offset = 0, length?: number): void {
    const { address, bytes } = this.#pages(offset, length)
    const result = syscall('munlock', address, bytes)
    if (result < 0) throw systemError(result, 'munlock')
  }

  /**
   * Which pages of a range are in memory: one byte for each ordinary page, 1 or 0.
   *
   * The kernel answers truly only about memory of yours and files that you own or could write; of others it says
   * that all is there.
   *
   * @throws `ERR_OUT_OF_RANGE`; `ERR_SLUICE_CLOSED`; the system error of mincore(2)
   */
  residency(offset = 0, length?: number): Uint8Array {
    const { address, bytes } = this.#pages(offset, length)
    const pages = Math.ceil(bytes / PAGE_SIZE)
    const map = new Uint8Array(new ArrayBuffer(Math.max(pages, 1)))
    for (let page = 0; page < pages; page += RESIDENCY_PAGES) {
      const count = Math.min(RESIDENCY_PAGES, pages - page)
      const chunk = map.subarray(page, page + count)
      const result = syscall('mincore', address + page * PAGE_SIZE, count * PAGE_SIZE, chunk)
      if (result < 0) throw systemError(result, 'mincore')
    }
    // The other bits of each byte are reserved.
    for (let page = 0; page < pages; page++) map[page] = (map[page] as number) & 1
    return map.subarray(0, pages)
  }

  /** How many bytes of a range are in memory, by whole pages but never more than the range. See `residency()`. */
  resident(offset = 0, length?: number): number {
    const { from, bytes, address } = this.#pages(offset, length)
    const map = this.residency(offset, length)
    const start = address - this.#memory.address
    let sum = 0
    for (let page = 0; page < map.length; page++) {
      if (map[page] === 0) continue
      const begin = Math.max(start + page * PAGE_SIZE, from)
      sum += Math.min(start + (page + 1) * PAGE_SIZE, start + bytes) - begin
    }
    return sum
  }

  /**
   * Ends the mapping: every view of it is empty from now on. Memory that operations hold is unmapped when the last
   * of them has completed. Idempotent. It does not write back what was changed; the kernel will, in its time.
   *
   * @throws the system error of munmap(2): `EBUSY` when the ArrayBuffer was moved elsewhere with `transfer()`, whose
   *   views then own the memory
   */
  unmap(): void {
    if (!this.#open) return
    const memory = this.#memory
    detachMemory(memory)
    this.#open = false
    this.#bytes = new Uint8Array(0)
    const region = this.#region
    if (region.pins > 0) region.idle = () => unmapMemory(memory)
    else unmapMemory(memory)
  }

  /** As `unmap()`. */
  [Symbol.dispose](): void {
    this.unmap()
  }
}
