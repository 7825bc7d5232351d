import { engine } from '../engine/index.js'
import { errnoOf, IOSQE, IOV_MAX, iovecs, systemError } from '../kernel/index.js'
import { regionOf } from '../memory/index.js'
import { prepareReadAt, prepareReadv } from '../ring/index.js'
import type { Descriptor } from './descriptor.js'

/** What a read gave. */
export interface ReadResult<T> {
  /** How many bytes; 0 at the end of the file. */
  bytesRead: number
  /** The buffer that was passed. */
  buffer: T
}

/** What a vectored read gave. */
export interface ReadVectorResult<T> {
  /** How many bytes in all. */
  bytesRead: number
  /** The buffers that were passed, filled one after the other. */
  buffers: T
}

/**
 * Bytes of a read that the kernel may copy on this thread, if they are cached: some 20 µs. A longer one is copied on
 * another thread, which costs a wake-up but keeps the event loop free, and several then copy at the same time.
 */
export const INLINE_READ = 131072

/** Shared by every read, so that none makes a closure. */
export const finishRead = (bytesRead: number, buffer: unknown): ReadResult<unknown> => ({ bytesRead, buffer })

const finishLarge = (bytesRead: number, held: unknown): ReadResult<unknown> => {
  const [, [buffer]] = held as [unknown, [unknown]]
  return { bytesRead, buffer }
}

/**
 * Reads once into a part of a buffer. Arguments have been checked.
 *
 * @param position -1 for the file's own
 * @returns a {@link ReadResult}
 */
export function readInto(
  descriptor: Descriptor,
  view: ArrayBufferView,
  offset: number,
  length: number,
  position: number,
  signal?: AbortSignal,
): Promise<unknown> {
  const { cursor, detour } = descriptor
  if (detour !== undefined) {
    const start = () => detour.read(descriptor, view, offset, length, position, signal)
    return position < 0 ? cursor.hold(start) : start()
  }
  if (position >= 0 || !descriptor.seekable) {
    return submitRead(descriptor, view, offset, length, position, signal, descriptor)
  }
  return cursor.run(() => submitRead(descriptor, view, offset, length, -1, signal, cursor))
}

/** Hands a read to the engine. @param usage what counts it: the descriptor, or whoever has the file's position */
export function submitRead(
  descriptor: Descriptor,
  view: ArrayBufferView,
  offset: number,
  length: number,
  position: number,
  signal: AbortSignal | undefined,
  usage: Descriptor | Descriptor['cursor'],
): Promise<unknown> {
  const { fd } = descriptor
  if (length <= INLINE_READ || !descriptor.seekable) {
    return engine().read(fd, view, offset, length, position, finishRead, signal, usage)
  }
  const address = regionOf(view.buffer).address + view.byteOffset + offset
  return engine().run(
    (queue, userData) => {
      if (!prepareReadAt(queue, fd, address, length, position, userData)) return false
      queue.mark(IOSQE.ASYNC)
      return true
    },
    { syscall: 'read', buffers: [view], finish: finishLarge, moves: true, signal, usage },
  )
}

/** Reads once into several buffers. Arguments have been checked. @returns a {@link ReadVectorResult} */
export function readIntoAll(
  descriptor: Descriptor,
  buffers: readonly ArrayBufferView[],
  position: number,
): Promise<unknown> {
  if (buffers.length === 0) return Promise.reject(systemError(errnoOf('EINVAL'), 'read'))
  const { cursor, detour } = descriptor
  if (detour !== undefined) {
    const start = () => detour.readv(descriptor, buffers, position)
    return position < 0 ? cursor.hold(start) : start()
  }
  if (position >= 0 || !descriptor.seekable) return submitReadv(descriptor, buffers, position, descriptor)
  return cursor.run(() => submitReadv(descriptor, buffers, -1, cursor))
}

/** Hands a vectored read to the engine, otherwise as `submitRead()`. */
export function submitReadv(
  descriptor: Descriptor,
  buffers: readonly ArrayBufferView[],
  position: number,
  usage: Descriptor | Descriptor['cursor'],
): Promise<unknown> {
  // As libuv does it: what is beyond one call's limit stays unread.
  const taken = buffers.length <= IOV_MAX ? buffers : buffers.slice(0, IOV_MAX)
  const length = taken.reduce((sum, buffer) => sum + buffer.byteLength, 0)
  const vectors = iovecs(taken)
  return engine().run(
    (queue, userData) => {
      if (!prepareReadv(queue, descriptor.fd, vectors, position, userData)) return false
      if (length > INLINE_READ && descriptor.seekable) queue.mark(IOSQE.ASYNC)
      return true
    },
    {
      syscall: 'read',
      held: vectors,
      buffers: taken,
      finish: bytesRead => ({ bytesRead, buffers }),
      moves: true,
      usage,
    },
  )
}
