import { engine } from '../engine/index.js'
import { IOSQE, IOV_MAX, iovecs, RWF } from '../kernel/index.js'
import { regionOf } from '../memory/index.js'
import { addFlags, prepareWriteAt, prepareWritev } from '../ring/index.js'
import type { Descriptor } from './descriptor.js'

/** What a write did. */
export interface WriteResult<T> {
  /** How many bytes were written: all of them, unless the disk is full or the like. */
  bytesWritten: number
  /** What was passed. */
  buffer: T
}

/** What a vectored write did. */
export interface WriteVectorResult<T> {
  /** How many bytes in all. */
  bytesWritten: number
  /** The buffers that were passed. */
  buffers: T
}

/** How one write is made. */
export interface WriteFlags {
  /** Settles only when the bytes are on stable storage, as with O_DSYNC. @see pwritev2(2), RWF_DSYNC */
  dsync?: boolean | undefined
  /** All or nothing, even across a power cut; `FileHandle.direct` says of what length. @see pwritev2(2), RWF_ATOMIC */
  atomic?: boolean | undefined
}

/** What one system call moves at most. */
const MAX_TRANSFER = 0x7ffff000

/** Shared by every write, so that none makes a closure. */
export const finishWrite = (bytesWritten: number, buffer: unknown): WriteResult<unknown> => ({
  bytesWritten,
  buffer,
})

/** `RWF` flags of a write. */
export function writeFlags(flags: WriteFlags): number {
  return (flags.dsync ? RWF.DSYNC : 0) | (flags.atomic ? RWF.ATOMIC : 0)
}

/**
 * Writes a part of a buffer. Arguments have been checked.
 *
 * @param position -1 for the file's own
 * @param flags `RWF` flags
 * @returns a {@link WriteResult}
 */
export function writeFrom(
  descriptor: Descriptor,
  view: ArrayBufferView,
  offset: number,
  length: number,
  position: number,
  flags = 0,
  signal?: AbortSignal,
): Promise<unknown> {
  const { cursor, detour } = descriptor
  if (detour !== undefined) {
    const start = () => detour.write(descriptor, view, offset, length, position, flags, signal)
    return position < 0 ? cursor.hold(start) : start()
  }
  if (!descriptor.seekable || length > MAX_TRANSFER) {
    const body = () => writeFully({ descriptor, view, offset, length, position, flags, signal })
    return descriptor.seekable && position < 0 ? cursor.hold(body) : descriptor.during(body)
  }
  if (position >= 0 || descriptor.appends) {
    return submitWrite(descriptor, view, offset, length, position, flags, signal, descriptor)
  }
  return cursor.run(() => submitWrite(descriptor, view, offset, length, -1, flags, signal, cursor))
}

/** Hands a write to the engine. @param usage what counts it: the descriptor, or whoever has the file's position */
export function submitWrite(
  descriptor: Descriptor,
  view: ArrayBufferView,
  offset: number,
  length: number,
  position: number,
  flags: number,
  signal: AbortSignal | undefined,
  usage: Descriptor | Descriptor['cursor'],
): Promise<unknown> {
  const { fd } = descriptor
  if (flags === 0) return engine().write(fd, view, offset, length, position, finishWrite, signal, usage)
  const address = regionOf(view.buffer).address + view.byteOffset + offset
  return engine().run(
    (queue, userData) => {
      if (!prepareWriteAt(queue, fd, address, length, position, userData)) return false
      addFlags(queue, flags)
      return true
    },
    {
      syscall: 'write',
      buffers: [view],
      finish: bytesWritten => ({ bytesWritten, buffer: view }),
      moves: true,
      signal,
      usage,
    },
  )
}

/**
 * Hands a long write of a regular file to the engine, to be copied on another thread whatever the file system would do.
 *
 * @returns how many bytes were written
 */
export function submitLongWrite(
  descriptor: Descriptor,
  view: ArrayBufferView,
  offset: number,
  length: number,
  position: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const address = regionOf(view.buffer).address + view.byteOffset + offset
  return engine().run(
    (queue, userData) => {
      if (!prepareWriteAt(queue, descriptor.fd, address, length, position, userData)) return false
      queue.mark(IOSQE.ASYNC)
      return true
    },
    { syscall: 'write', buffers: [view], moves: true, signal, usage: descriptor },
  )
}

interface WriteJob {
  descriptor: Descriptor
  view: ArrayBufferView
  offset: number
  length: number
  position: number
  flags: number
  signal: AbortSignal | undefined
}

/** Goes on after a short write, as libuv does: a pipe or socket takes what it has room for. */
async function writeFully(job: WriteJob): Promise<WriteResult<unknown>> {
  const { descriptor, view, length, signal, flags } = job
  let bytesWritten = 0
  do {
    const at = job.position < 0 ? -1 : job.position + bytesWritten
    const left = Math.min(length - bytesWritten, MAX_TRANSFER)
    try {
      const from = job.offset + bytesWritten
      const result = await submitWrite(descriptor, view, from, left, at, flags, signal, descriptor)
      const step = (result as WriteResult<unknown>).bytesWritten
      if (step === 0) break
      bytesWritten += step
    } catch (error) {
      // What has been written stays written: say how much, the next call will meet the error.
      if (bytesWritten === 0 || signal?.aborted) throw error
      break
    }
  } while (bytesWritten < length)
  return { bytesWritten, buffer: view }
}

/** Writes several buffers, one after the other. Arguments have been checked. @returns a {@link WriteVectorResult} */
export function writeFromAll(
  descriptor: Descriptor,
  buffers: readonly ArrayBufferView[],
  position: number,
): Promise<unknown> {
  if (buffers.length === 0) return Promise.resolve({ bytesWritten: 0, buffers })
  const { cursor, detour } = descriptor
  if (detour !== undefined) {
    const start = () => detour.writev(descriptor, buffers, position)
    return position < 0 ? cursor.hold(start) : start()
  }
  const simple = descriptor.seekable && buffers.length <= IOV_MAX
  const usesPosition = descriptor.seekable && position < 0 && !descriptor.appends
  if (!usesPosition) {
    return simple
      ? submitWritev(descriptor, buffers, position, descriptor)
      : descriptor.during(() => writeAllFully(descriptor, buffers, position))
  }
  return simple
    ? cursor.run(() => submitWritev(descriptor, buffers, -1, cursor))
    : cursor.hold(() => writeAllFully(descriptor, buffers, -1))
}

/** Hands a vectored write to the engine, otherwise as `submitWrite()`. */
export function submitWritev(
  descriptor: Descriptor,
  buffers: readonly ArrayBufferView[],
  position: number,
  usage: Descriptor | Descriptor['cursor'],
): Promise<unknown> {
  const vectors = iovecs(buffers)
  return engine().run((queue, userData) => prepareWritev(queue, descriptor.fd, vectors, position, userData), {
    syscall: 'write',
    held: vectors,
    buffers,
    finish: bytesWritten => ({ bytesWritten, buffers }),
    moves: true,
    usage,
  })
}

async function writeAllFully(
  descriptor: Descriptor,
  buffers: readonly ArrayBufferView[],
  position: number,
): Promise<WriteVectorResult<unknown>> {
  let left = [...buffers]
  let bytesWritten = 0
  while (left.length > 0) {
    const at = position < 0 ? -1 : position + bytesWritten
    try {
      const result = await submitWritev(descriptor, left.slice(0, IOV_MAX), at, descriptor)
      const step = (result as WriteVectorResult<unknown>).bytesWritten
      bytesWritten += step
      left = withoutFirst(left, step)
      if (step === 0 && left.some(buffer => buffer.byteLength > 0)) break
    } catch (error) {
      if (bytesWritten === 0) throw error
      break
    }
  }
  return { bytesWritten, buffers }
}

/** What is left of buffers after so many bytes; empty ones at the front go too. */
function withoutFirst(buffers: readonly ArrayBufferView[], bytes: number): ArrayBufferView[] {
  let skip = bytes
  let first = 0
  while (first < buffers.length && (buffers[first] as ArrayBufferView).byteLength <= skip) {
    skip -= (buffers[first] as ArrayBufferView).byteLength
    first++
  }
  const rest = buffers.slice(first)
  const [head] = rest
  if (head !== undefined && skip > 0) {
    rest[0] = new Uint8Array(head.buffer, head.byteOffset + skip, head.byteLength - skip)
  }
  return rest
}
