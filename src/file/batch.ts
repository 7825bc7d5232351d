import { AbortError, checkInteger, checkObject, invalidArgType } from '../kernel/index.js'
import { checkSignal, checkView } from './arguments.js'
import type { Descriptor } from './descriptor.js'
import { type ReadResult, readInto } from './read.js'
import { type WriteFlags, type WriteResult, writeFlags, writeFrom } from './write.js'

/** A part of a file to read: into a buffer of yours, or into a new one. */
export type ReadExtent = { position: number; length: number } | { position: number; buffer: ArrayBufferView }

/** A part of a file to write. */
export interface WriteExtent {
  position: number
  buffer: ArrayBufferView
}

/** What `readBatch()` is told. */
export interface ReadBatchOptions {
  signal?: AbortSignal | undefined
}

/** What `writeBatch()` is told. */
export interface WriteBatchOptions extends WriteFlags {
  signal?: AbortSignal | undefined
}

const MAX_LENGTH = 2 ** 31 - 1

/** Waits until all are over, since the kernel has their memory until then; rejects with the first failure. */
async function all<T>(operations: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(operations)
  return outcomes.map(outcome => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
}

function checkExtents(extents: unknown): asserts extents is readonly object[] {
  if (!Array.isArray(extents)) throw invalidArgType('extents', 'an instance of Array', extents)
  for (const [index, extent] of extents.entries()) {
    checkObject(extent, `extents[${index}]`)
    checkInteger((extent as ReadExtent).position, `extents[${index}].position`, 0)
  }
}

/** Reads many parts of a file in one submission. */
export function readBatch(
  descriptor: Descriptor,
  extents: readonly ReadExtent[],
  options: ReadBatchOptions,
): Promise<ReadResult<ArrayBufferView>[]> {
  checkExtents(extents)
  checkObject(options)
  const { signal } = options
  checkSignal(signal)
  const buffers = buffersOf(extents)
  return all(
    extents.map(({ position }, index) => {
      const buffer = buffers[index] as ArrayBufferView
      if (buffer.byteLength === 0) return Promise.resolve({ bytesRead: 0, buffer })
      const read = readInto(descriptor, buffer, 0, buffer.byteLength, position, signal)
      return read as Promise<ReadResult<ArrayBufferView>>
    }),
  )
}

/** Each extent's buffer; those that bring none get a part of one allocation. */
function buffersOf(extents: readonly ReadExtent[]): ArrayBufferView[] {
  let total = 0
  for (const [index, extent] of extents.entries()) {
    if ('buffer' in extent) {
      checkView(extent.buffer, `extents[${index}].buffer`)
    } else {
      checkInteger(extent.length, `extents[${index}].length`, 0, MAX_LENGTH)
      total += extent.length
    }
  }
  const slab = Buffer.allocUnsafeSlow(total)
  let at = 0
  return extents.map(extent => {
    if ('buffer' in extent) return extent.buffer
    at += extent.length
    return slab.subarray(at - extent.length, at)
  })
}

/** Writes many parts of a file in one submission. @returns how many bytes in all */
export async function writeBatch(
  descriptor: Descriptor,
  extents: readonly WriteExtent[],
  options: WriteBatchOptions,
): Promise<{ bytesWritten: number }> {
  checkExtents(extents)
  checkObject(options)
  const { signal } = options
  checkSignal(signal)
  for (const [index, { buffer }] of extents.entries()) checkView(buffer, `extents[${index}].buffer`)
  const flags = writeFlags(options)
  const written = await all(
    extents.map(({ position, buffer }) => writeExtent(descriptor, buffer, position, flags, signal)),
  )
  return { bytesWritten: written.reduce((sum, bytes) => sum + bytes, 0) }
}

/** Writes one extent whole; the second attempt after a short write is what meets the error. */
async function writeExtent(
  descriptor: Descriptor,
  buffer: ArrayBufferView,
  position: number,
  flags: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  let done = 0
  while (done < buffer.byteLength) {
    if (signal?.aborted) throw new AbortError(signal)
    const left = buffer.byteLength - done
    const write = writeFrom(descriptor, buffer, done, left, position + done, flags, signal)
    done += ((await write) as WriteResult<unknown>).bytesWritten
  }
  return done
}
