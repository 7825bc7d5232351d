import { engine } from '../engine/index.js'
import { errnoOf, RWF, SEEK, SluiceError, syscall, systemError } from '../kernel/index.js'
import { alignedBuffer, regionOf } from '../memory/index.js'
import { bounceArena } from './bounce-arena.js'
import type { Descriptor, Detour } from './descriptor.js'
import type { DirectAlignment } from './direct-alignment.js'
import { Gate } from './gate.js'
import { stat, truncate } from './metadata.js'
import { finishRead, type ReadResult, submitReadv } from './read.js'
import { submitWrite, submitWritev, type WriteResult } from './write.js'

/** What is done with a write that does not fit the alignment. */
export type UnalignedWrites = 'refuse' | 'modify'

interface Part {
  position: number
  length: number
  straight: boolean
}

const EINVAL = -errnoOf('EINVAL')

const roundDown = (value: number, step: number) => value - (value % step)
const roundUp = (value: number, step: number) => roundDown(value + step - 1, step)

/**
 * Bytes between a file and memory past the page cache.
 *
 * What is aligned goes straight to the caller's memory; of the rest, whole blocks are read into memory of ours, and the
 * part that was asked for is copied.
 */
export class DirectIo implements Detour {
  readonly alignment: DirectAlignment
  readonly step: number
  readonly #unaligned: UnalignedWrites
  readonly #adopted: boolean
  /** Keeps other writes away from blocks that are being modified. */
  readonly #gate = new Gate()

  /** @param adopted it was opened by somebody else, and what is advised to do otherwise is open(2)'s */
  constructor(alignment: DirectAlignment, unaligned: UnalignedWrites, adopted = false) {
    this.alignment = alignment
    this.step = alignment.offset
    this.#unaligned = unaligned
    this.#adopted = adopted
  }

  #isAligned(address: number, length: number, position: number): boolean {
    const { memory, offset } = this.alignment
    return position % offset === 0 && length % offset === 0 && address % memory === 0
  }

  read(
    descriptor: Descriptor,
    view: ArrayBufferView,
    offset: number,
    length: number,
    position: number,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (position < 0) {
      return atPosition(descriptor, async at => {
        const result = await this.read(descriptor, view, offset, length, at, signal)
        return [result, (result as ReadResult<unknown>).bytesRead]
      })
    }
    const address = regionOf(view.buffer).address + view.byteOffset + offset
    if (this.#isAligned(address, length, position)) {
      return engine().read(descriptor.fd, view, offset, length, position, finishRead, signal, descriptor)
    }
    return descriptor.during(() => this.#readParts(descriptor, view, offset, length, position, signal))
  }

  /** Cuts a range into what can go straight and what must be copied. */
  #parts(address: number, length: number, position: number): Part[] {
    const { memory, offset: block } = this.alignment
    const end = position + length
    const first = Math.min(roundUp(position, block), end)
    const last = Math.max(roundDown(end, block), first)
    const straight = last > first && (address + first - position) % memory === 0
    const parts: Part[] = []
    const most = roundDown(bounceArena().blockSize, block)
    const add = (from: number, to: number, isStraight: boolean) => {
      for (let at = from; at < to; ) {
        const next = isStraight ? to : Math.min(to, roundDown(at, block) + most)
        parts.push({ position: at, length: next - at, straight: isStraight })
        at = next
      }
    }
    if (straight) {
      add(position, first, false)
      add(first, last, true)
      add(last, end, false)
    } else {
      add(position, end, false)
    }
    return parts
  }

  async #readParts(
    descriptor: Descriptor,
    view: ArrayBufferView,
    offset: number,
    length: number,
    position: number,
    signal: AbortSignal | undefined,
  ): Promise<ReadResult<ArrayBufferView>> {
    const address = regionOf(view.buffer).address + view.byteOffset + offset
    const parts = this.#parts(address, length, position)
    const outcomes = await Promise.allSettled(
      parts.map(part => {
        const at = offset + part.position - position
        return part.straight
          ? straightRead(descriptor, view, at, part, signal)
          : this.#bouncedRead(descriptor, view, at, part, signal)
      }),
    )
    let bytesRead = 0
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome.status === 'rejected') throw outcome.reason
      bytesRead += outcome.value
      // What comes after the end of the file is none of it.
      if (outcome.value < (parts[index] as Part).length) break
    }
    return { bytesRead, buffer: view }
  }

  async #bouncedRead(
    descriptor: Descriptor,
    view: ArrayBufferView,
    offset: number,
    part: Part,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { offset: block } = this.alignment
    const start = roundDown(part.position, block)
    const length = roundUp(part.position + part.length, block) - start
    using bounce = await bounceArena().acquire({ signal })
    const read = engine().read(descriptor.fd, bounce.bytes, 0, length, start, undefined, signal, descriptor)
    const skip = part.position - start
    const bytes = Math.min(Math.max(0, ((await read) as number) - skip), part.length)
    const target = new Uint8Array(view.buffer, view.byteOffset + offset, bytes)
    target.set(bounce.bytes.subarray(skip, skip + bytes))
    return bytes
  }

  async readv(
    descriptor: Descriptor,
    buffers: readonly ArrayBufferView[],
    position: number,
  ): Promise<unknown> {
    if (position < 0) {
      return atPosition(descriptor, async at => {
        const result = (await this.readv(descriptor, buffers, at)) as { bytesRead: number }
        return [result, result.bytesRead]
      })
    }
    if (this.#allAligned(buffers, position)) return submitReadv(descriptor, buffers, position, descriptor)
    let bytesRead = 0
    await descriptor.during(async () => {
      for (const buffer of buffers) {
        const at = position + bytesRead
        const result = await this.read(descriptor, buffer, 0, buffer.byteLength, at, undefined)
        const bytes = (result as ReadResult<unknown>).bytesRead
        bytesRead += bytes
        if (bytes < buffer.byteLength) break
      }
    })
    return { bytesRead, buffers }
  }

  #allAligned(buffers: readonly ArrayBufferView[], position: number): boolean {
    return buffers.every(buffer => {
      const address = regionOf(buffer.buffer).address + buffer.byteOffset
      return this.#isAligned(address, buffer.byteLength, position)
    })
  }

  write(
    descriptor: Descriptor,
    view: ArrayBufferView,
    offset: number,
    length: number,
    position: number,
    flags: number,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (position < 0 && !descriptor.appends) {
      return atPosition(descriptor, async at => {
        const result = await this.write(descriptor, view, offset, length, at, flags, signal)
        return [result, (result as WriteResult<unknown>).bytesWritten]
      })
    }
    const address = regionOf(view.buffer).address + view.byteOffset + offset
    const at = descriptor.appends ? 0 : position
    const fits = this.#isAligned(0, length, at)
    if (!fits && descriptor.appends) return Promise.reject(this.#appendMisfit(`length ${length}`))
    if (!fits && this.#unaligned === 'refuse') return Promise.reject(this.#misfit(length, at))
    const straight = fits && this.#isAligned(address, length, at)
    const write = () =>
      straight
        ? submitWrite(descriptor, view, offset, length, position, flags, signal, descriptor)
        : this.#writeParts(descriptor, view, offset, length, at, flags, signal)
    // Asked for its size while it is surely open: the number may soon be another file's.
    if (descriptor.appends) {
      return descriptor.during(() => write().catch(error => this.#explainAppend(descriptor, error)))
    }
    if (this.#unaligned === 'modify') {
      return descriptor.during(() => (fits ? this.#gate.shared(write) : this.#gate.alone(write)))
    }
    return straight ? write() : descriptor.during(write)
  }

  writeTail(
    descriptor: Descriptor,
    view: ArrayBufferView,
    length: number,
    position: number,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (descriptor.appends) return Promise.reject(this.#appendMisfit(`length ${length}`))
    return descriptor.during(() =>
      this.#gate.alone(() => this.#writeParts(descriptor, view, 0, length, position, 0, signal)),
    )
  }

  #misfit(length: number, position: number): SluiceError {
    const { offset } = this.alignment
    const advice = this.#adopted
      ? "It was taken over with O_DIRECT: open it without, or by open() with { direct: true, unaligned: 'modify' }"
      : "Open it with { unaligned: 'modify' }, or without { direct: true }"
    const text = `Past the page cache, this file is written in whole blocks of ${offset} bytes: position ${position} or length ${length} is no multiple. ${advice}`
    return new SluiceError('ERR_SLUICE_ALIGNMENT', text)
  }

  #appendMisfit(what: string): SluiceError {
    const without = this.#adopted ? 'O_DIRECT' : '{ direct: true }'
    const text = `Past the page cache, this file is appended to in whole blocks of ${this.alignment.offset} bytes: ${what} is no multiple. Open it without ${without}, or not for appending`
    return new SluiceError('ERR_SLUICE_ALIGNMENT', text)
  }

  /** All that the kernel says of a file that does not end with a block is that something is wrong. */
  #explainAppend(descriptor: Descriptor, error: NodeJS.ErrnoException): never {
    const size = descriptor.sizeNow()
    if (error.errno !== EINVAL || size % this.alignment.offset === 0) throw error
    throw this.#appendMisfit(`its length, ${size},`)
  }

  /** Through memory of ours, block by block; blocks that are covered in part are read first. */
  async #writeParts(
    descriptor: Descriptor,
    view: ArrayBufferView,
    offset: number,
    length: number,
    position: number,
    flags: number,
    signal: AbortSignal | undefined,
  ): Promise<WriteResult<ArrayBufferView>> {
    const { offset: block } = this.alignment
    const size = await sizeOf(descriptor)
    const end = position + length
    const whole = roundUp(end, block) - roundDown(position, block)
    const piece = roundDown(bounceArena().blockSize, block)
    // An atomic write is one write, however long: then in memory of its own.
    const large = (flags & RWF.ATOMIC) !== 0 && whole > piece ? alignedBuffer(whole) : undefined
    const step = large?.length ?? piece
    let bytesWritten = 0
    for (let start = roundDown(position, block); start < end; start += step) {
      const stop = Math.min(start + step, roundUp(end, block))
      const from = Math.max(start, position)
      const to = Math.min(stop, end)
      using bounce = large === undefined ? await bounceArena().acquire({ signal }) : undefined
      const memory = bounce?.bytes ?? (large as Uint8Array)
      const bytes = memory.subarray(0, stop - start)
      // Whatever is not written anew, of what the file has there.
      const keeps = from > start || (to < stop && to < size)
      if (keeps) await this.#load(descriptor, bytes, start, size, signal)
      else bytes.fill(0, to - start)
      const source = new Uint8Array(view.buffer, view.byteOffset + offset + from - position, to - from)
      bytes.set(source, from - start)
      const at = descriptor.appends ? -1 : start
      const write = submitWrite(descriptor, bytes, 0, bytes.length, at, flags, signal, descriptor)
      const written = ((await write) as WriteResult<unknown>).bytesWritten
      bytesWritten += Math.max(0, Math.min(written, to - start) - (from - start))
      if (written < bytes.length) break
    }
    // The last block went out whole: take back what the file has grown by beyond its end.
    const last = Math.max(size, position + bytesWritten)
    if (!descriptor.appends && roundUp(end, block) > last) await truncate(descriptor, last)
    return { bytesWritten, buffer: view }
  }

  /** What the file has in some blocks, and zeros beyond its end. */
  async #load(
    descriptor: Descriptor,
    bytes: Uint8Array,
    start: number,
    size: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (start >= size) {
      bytes.fill(0)
      return
    }
    if (descriptor.writesOnly) {
      const text = 'An unaligned write must read the block first, and the file is open for writing only'
      throw new SluiceError('ERR_SLUICE_ALIGNMENT', text)
    }
    const read = engine().read(descriptor.fd, bytes, 0, bytes.length, start, undefined, signal, descriptor)
    bytes.fill(0, (await read) as number)
  }

  writev(descriptor: Descriptor, buffers: readonly ArrayBufferView[], position: number): Promise<unknown> {
    if (position >= 0 && this.#unaligned === 'refuse' && this.#allAligned(buffers, position)) {
      return submitWritev(descriptor, buffers, position, descriptor)
    }
    const parts = buffers.map(each => new Uint8Array(each.buffer, each.byteOffset, each.byteLength))
    const whole = Buffer.concat(parts)
    const write = this.write(descriptor, whole, 0, whole.length, position, 0, undefined)
    return write.then(result => ({ bytesWritten: (result as WriteResult<unknown>).bytesWritten, buffers }))
  }
}

/** Bytes of the file; more than any position for a device, which has no end to be cut off, and zero by stat(2). */
async function sizeOf(descriptor: Descriptor): Promise<number> {
  const stats = await stat(descriptor)
  return stats.isFile() ? Number(stats.size) : Number.MAX_SAFE_INTEGER
}

async function straightRead(
  descriptor: Descriptor,
  view: ArrayBufferView,
  offset: number,
  part: Part,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { length, position } = part
  return (await engine().read(
    descriptor.fd,
    view,
    offset,
    length,
    position,
    undefined,
    signal,
    descriptor,
  )) as number
}

/** Runs at the file's position, whose turn the caller has, and moves it on. @param body gives its result and bytes */
async function atPosition(
  descriptor: Descriptor,
  body: (position: number) => Promise<[result: unknown, bytes: number]>,
): Promise<unknown> {
  const { fd } = descriptor
  const position = syscall('lseek', fd, 0, SEEK.CUR)
  if (position < 0) throw systemError(position, 'lseek')
  const [result, bytes] = await body(position)
  syscall('lseek', fd, position + bytes, SEEK.SET)
  return result
}
