import { offload } from '../engine/index.js'
import {
  checkInteger,
  checkObject,
  errnoOf,
  flushCacheLines,
  invalidArgType,
  iovecs,
  MS,
  PAGE_SIZE,
  SluiceError,
  setIovec,
  syscall,
  systemError,
} from '../kernel/index.js'
import { Mapping, type MappingAdvice, type MappingOptions, pin, regionOf, unpin } from '../memory/index.js'
import { closeDescriptor, Descriptor, duplicateDescriptor } from './descriptor.js'
import { FileHandle, type FileSource } from './file-handle.js'
import { open } from './open.js'
import { filePath, type PathLike, shownPath } from './open-flags.js'

/**
 * How a file is mapped; see `MappingOptions` for each.
 *
 * With `access: 'read'` the mapping is private whatever `shared` says: it shows the same pages of the file, and a stray
 * write through `bytes` changes a copy of a page instead of ending the process.
 */
export type MapFileOptions = Omit<MappingOptions, 'file'>

const EFAULT = -errnoOf('EFAULT')
const EACCES = errnoOf('EACCES')
const NO_DAX = new Set(['EOPNOTSUPP', 'ENOTSUP', 'EINVAL'])

/**
 * A file as memory, with what a mapping alone cannot do: grow with the file, be read and written without the danger of
 * SIGBUS, be synced without holding up the event loop, be made durable on persistent memory without a system call.
 *
 * `bytes` is the memory itself. A file that somebody truncates meanwhile makes touching what lies behind its new end
 * fatal to the process; `read()` and `write()` make an error of it.
 *
 * ```ts
 * await using table = await MappedFile.open('table.bin', { access: 'write' })
 * table.bytes[0] = 1
 * await table.sync()
 * ```
 *
 * @see mmap(2)
 */
export class MappedFile {
  readonly #file: FileHandle
  /** What errors call it. */
  readonly #name: string
  readonly #path: string | undefined
  readonly #options: MapFileOptions
  readonly #dax: boolean
  #mapping: Mapping
  /** The last of the changes of length: the next one comes after it. */
  #resizing: Promise<unknown> = Promise.resolve()

  private constructor(file: FileHandle, path: string | undefined, options: MapFileOptions) {
    this.#file = file
    this.#path = path
    this.#name = path === undefined ? 'The file' : `'${path}'`
    this.#options = options
    this.#dax = options.dax ?? false
    this.#mapping = this.#map(options)
  }

  /**
   * Opens a file and maps it.
   *
   * @param source a path; or a file that is open already, which may be closed afterwards: a descriptor, such as a
   *   memfd's, Node's handle, or ours
   * @throws the system error of open(2) or mmap(2); `ERR_OUT_OF_RANGE` for an empty file or a range beyond its end;
   *   `ERR_SLUICE_UNSUPPORTED` for `dax` on a file system that is not DAX
   */
  static async open(source: PathLike | FileSource, options: MapFileOptions = {}): Promise<MappedFile> {
    checkObject(options)
    const named = typeof source === 'string' || source instanceof Uint8Array || source instanceof URL
    const path = named ? shownPath(filePath(source)) : undefined
    const file = named ? await open(source, options.access === 'write' ? 'r+' : 'r') : duplicate(source)
    try {
      return new MappedFile(file, path, options)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  #map(options: MapFileOptions): Mapping {
    const file = this.#file.fd
    const reads = options.access !== 'write'
    try {
      if (!reads) return new Mapping({ ...options, ...(this.#dax ? { shared: true } : {}), file })
      // Only a shared mapping tells whether the file system is DAX; no other memory is read-only, and so dangerous.
      if (this.#dax) new Mapping({ ...options, shared: true, populate: false, lock: false, file }).unmap()
      return new Mapping({ ...options, shared: false, dax: false, file })
    } catch (error) {
      if (!this.#dax || !NO_DAX.has((error as NodeJS.ErrnoException).code ?? '')) throw error
      const text = `The file system of ${this.#name} is not DAX: its pages are in the page cache, not in persistent memory`
      throw new SluiceError('ERR_SLUICE_UNSUPPORTED', text, { cause: error })
    }
  }

  /** The memory; empty once unmapped, and replaced by `resize()`. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#mapping.bytes
  }

  /** Bytes mapped; 0 once unmapped. */
  get length(): number {
    return this.#mapping.length
  }

  /** Whether it has been unmapped. */
  get closed(): boolean {
    return this.#mapping.closed
  }

  #range(position: unknown, length: unknown): asserts position is number {
    if (this.closed) throw new SluiceError('ERR_SLUICE_CLOSED', 'The file has been unmapped')
    checkInteger(position, 'position', 0, this.length)
    checkInteger(length, 'length', 0, this.length - position)
  }

  /**
   * Copies out of the mapping. Safe whatever becomes of the file.
   *
   * @param target where to, whole
   * @throws `ERR_SLUICE_SHORT`, with `error.bytes`, where the file has been truncated; `ERR_OUT_OF_RANGE`
   */
  read(position: number, target: ArrayBufferView): void {
    if (!ArrayBuffer.isView(target)) throw invalidArgType('target', 'an instance of ArrayBufferView', target)
    this.#range(position, target.byteLength)
    this.#copy('process_vm_readv', position, target)
  }

  /**
   * Copies into the mapping. Safe whatever becomes of the file.
   *
   * @throws `EACCES` where it was mapped for reading; `ERR_SLUICE_SHORT`, with `error.bytes`, where the file has been
   *   truncated; `ERR_OUT_OF_RANGE`
   */
  write(position: number, source: ArrayBufferView): void {
    if (!ArrayBuffer.isView(source)) throw invalidArgType('source', 'an instance of ArrayBufferView', source)
    this.#range(position, source.byteLength)
    if (this.#mapping.access === 'read') throw systemError(EACCES, 'write', { path: this.#path })
    this.#copy('process_vm_writev', position, source)
  }

  /** The kernel copies between two places of this process: where it finds no page, it says so instead of signalling. */
  #copy(call: 'process_vm_readv' | 'process_vm_writev', position: number, view: ArrayBufferView): void {
    if (view.byteLength === 0) return
    const here = iovecs([view])
    const there = new Uint32Array(new ArrayBuffer(here.byteLength))
    let done = 0
    while (done < view.byteLength) {
      setIovec(here, 0, regionOf(view.buffer).address + view.byteOffset + done, view.byteLength - done)
      setIovec(there, 0, this.#mapping.address + position + done, view.byteLength - done)
      const result = syscall(call, process.pid, here, 1, there, 1, 0)
      if (result === EFAULT || result === 0) throw truncated(this.#name, done)
      if (result < 0) throw systemError(result, call)
      done += result
    }
  }

  /** Tells the kernel how the memory will be used. See `Mapping.advise()`. */
  advise(advice: MappingAdvice, offset?: number, length?: number): void {
    this.#mapping.advise(advice, offset, length)
  }

  /** Keeps pages in memory. See `Mapping.lock()`. */
  lock(offset?: number, length?: number): void {
    this.#mapping.lock(offset, length)
  }

  /** Lets pages be evicted again. */
  unlock(offset?: number, length?: number): void {
    this.#mapping.unlock(offset, length)
  }

  /** How many bytes of a range are in memory. See `Mapping.resident()`. */
  resident(offset?: number, length?: number): number {
    return this.#mapping.resident(offset, length)
  }

  /**
   * Writes changes back until they are on stable storage, on another thread. The memory stays mapped until then, also
   * when it is unmapped meanwhile.
   *
   * @returns rejects with the system error of msync(2): `EIO` where the device failed; `ERR_OUT_OF_RANGE`;
   *   `ERR_SLUICE_CLOSED`
   */
  async sync(offset = 0, length = this.length - offset): Promise<void> {
    this.#range(offset, length)
    if (length === 0) return
    const { address, bytes } = this.#mapping
    const start = address + offset
    const lead = start % PAGE_SIZE
    const region = regionOf(bytes.buffer)
    pin(region)
    try {
      await offload('msync', [start - lead, length + lead, MS.SYNC], { details: { path: this.#path } })
    } finally {
      unpin(region)
    }
  }

  /**
   * Makes a range durable by writing its cache lines back: no system call, microseconds.
   *
   * @throws `ERR_SLUICE_UNSUPPORTED` unless mapped with `dax`; `ERR_OUT_OF_RANGE`; `ERR_SLUICE_CLOSED`
   */
  flush(offset = 0, length = this.length - offset): void {
    this.#range(offset, length)
    if (!this.#dax) {
      throw new SluiceError(
        'ERR_SLUICE_UNSUPPORTED',
        'Only memory mapped with { dax: true } is durable by flush(); use sync()',
      )
    }
    flushCacheLines(this.#mapping.address + offset, length)
  }

  /**
   * Changes the length of the file, and maps it anew to its end. Views of before are empty afterwards, when it is cut
   * already before the file is: take `bytes` again. Several at once are carried out in their order.
   *
   * @param length of the file, in bytes, beyond where the mapping begins
   * @returns rejects with the system error of ftruncate(2) or mmap(2); `EACCES` where it was mapped for reading;
   *   `ERR_SLUICE_UNSUPPORTED` for a private mapping, whose changes would be lost
   */
  async resize(length: number): Promise<void> {
    checkInteger(length, 'length', (this.#options.offset ?? 0) + 1)
    this.#range(0, 0)
    if (this.#mapping.access === 'read') throw systemError(EACCES, 'ftruncate', { path: this.#path })
    if (!this.#mapping.shared) {
      throw new SluiceError('ERR_SLUICE_UNSUPPORTED', 'A private mapping keeps its length, and the file too')
    }
    const resized = this.#resizing.then(() => this.#setLength(length))
    this.#resizing = resized.catch(() => {}) // The caller is told.
    await resized
  }

  async #setLength(length: number): Promise<void> {
    this.#range(0, 0)
    const { offset = 0 } = this.#options
    const before = this.length
    const { size } = await this.#file.stat()
    this.#range(0, 0)
    const cuts = length < Math.min(offset + before, size)
    // Behind the end of the file memory is SIGBUS: nobody may have it when the end comes nearer.
    if (cuts) this.#mapAnew(length - offset)
    try {
      await this.#file.truncate(length)
    } catch (error) {
      if (cuts && !this.closed) this.#mapAnew(before)
      throw error
    }
    if (cuts) return
    this.#range(0, 0)
    this.#mapAnew(length - offset)
  }

  #mapAnew(length: number): void {
    const mapping = this.#map({ ...this.#options, length })
    this.#mapping.unmap()
    this.#mapping = mapping
  }

  /**
   * Ends the mapping and closes the file: every view is empty from now on. What was changed is written back by the
   * kernel in its time; `sync()` before, to know.
   */
  async unmap(): Promise<void> {
    if (this.closed) return
    this.#mapping.unmap()
    await this.#file.close()
  }

  /** As `unmap()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.unmap()
  }
}

/** Another handle of the same open file: a plain one even with O_DIRECT, as nothing is read or written by it. */
function duplicate(source: unknown): FileHandle {
  const ending = { close: closeDescriptor, isOwn: true }
  return new FileHandle(new Descriptor(duplicateDescriptor(source), 0, ending))
}

function truncated(name: string, bytes: number): SluiceError {
  const error = new SluiceError('ERR_SLUICE_SHORT', `${name} has been truncated: ${bytes} bytes were copied`)
  return Object.assign(error, { bytes })
}
