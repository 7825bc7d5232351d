import { checkObject, invalidArgValue } from '../kernel/index.js'
import {
  bufferOffset,
  checkReadRange,
  checkSignal,
  checkText,
  checkView,
  checkWriteRange,
  filePosition,
} from './arguments.js'
import type { Descriptor } from './descriptor.js'
import { readInto } from './read.js'
import { finishWrite, type WriteFlags, writeFlags, writeFrom } from './write.js'

/** Bytes of the buffer that `read()` makes where it is given none. */
const DEFAULT_READ = 16384

/** Where in a file: bytes from its beginning; null, or -1, for the file's own position, which then moves on. */
export type Position = number | bigint | null

/** Which part of a buffer is filled, from where in the file. */
export interface ReadOptions {
  /** First byte of the buffer to fill; 0 by default. */
  offset?: number | null | undefined
  /** Bytes at most; to the buffer's end by default. */
  length?: number | null | undefined
  position?: Position | undefined
  /** Beyond Node's: aborts the read. It rejects once the kernel has let go of the buffer. */
  signal?: AbortSignal | undefined
}

/** Which part of a buffer is written, to where in the file. */
export interface WriteOptions extends WriteFlags {
  /** First byte of the buffer to write; 0 by default. */
  offset?: number | null | undefined
  /** Bytes; to the buffer's end by default. */
  length?: number | null | undefined
  position?: Position | undefined
  /** Beyond Node's: aborts the write, of which a part may have been done. */
  signal?: AbortSignal | undefined
}

interface Fields {
  buffer?: unknown
  offset?: unknown
  length?: unknown
  position?: unknown
  signal?: unknown
}

/**
 * Any of the ways that Node's `read()` can be called.
 *
 * @returns a `ReadResult`
 * @throws what is wrong with the arguments
 */
export function readOverload(
  descriptor: Descriptor,
  first: unknown,
  second: unknown,
  third: unknown,
  fourth: unknown,
): Promise<unknown> {
  if (ArrayBuffer.isView(first)) {
    if (typeof second !== 'object' || second === null) {
      return checkedRead(descriptor, first, second, third, fourth, undefined)
    }
    const { offset, length, position, signal } = second as Fields
    return checkedRead(descriptor, first, offset, length, position, signal)
  }
  if (first != null) checkObject(first)
  const fields: Fields = first ?? {}
  const { buffer = Buffer.alloc(DEFAULT_READ), offset, length, position, signal } = fields
  checkView(buffer)
  return checkedRead(descriptor, buffer, offset, length, position, signal)
}

function checkedRead(
  descriptor: Descriptor,
  buffer: ArrayBufferView,
  from: unknown,
  bytes: unknown,
  where: unknown,
  signal: unknown,
): Promise<unknown> {
  const offset = bufferOffset(from)
  const length = bytes ?? buffer.byteLength - offset
  const position = filePosition(where)
  if (length === 0) return Promise.resolve({ bytesRead: 0, buffer })
  if (buffer.byteLength === 0) throw invalidArgValue('buffer', buffer, 'is empty and cannot be written')
  checkReadRange(offset, length, buffer.byteLength)
  checkSignal(signal)
  return readInto(descriptor, buffer, offset, length, position, signal)
}

/**
 * Any of the ways that Node's `write()` can be called.
 *
 * @returns a `WriteResult`
 * @throws what is wrong with the arguments
 */
export function writeOverload(
  descriptor: Descriptor,
  buffer: unknown,
  second: unknown,
  third: unknown,
  fourth: unknown,
): Promise<unknown> {
  if (!ArrayBuffer.isView(buffer)) return writeText(descriptor, buffer, second, third)
  if (buffer.byteLength === 0) return Promise.resolve({ bytesWritten: 0, buffer })
  let fields: Fields & WriteFlags = { offset: second, length: third, position: fourth }
  // Where the offset is null, Node does not look at what follows it.
  if (typeof second === 'object') fields = second ?? {}
  const offset = bufferOffset(fields.offset)
  const length = typeof fields.length === 'number' ? fields.length : buffer.byteLength - offset
  const position = filePosition(fields.position)
  checkWriteRange(offset, length, buffer.byteLength)
  checkSignal(fields.signal)
  return writeFrom(descriptor, buffer, offset, length, position, writeFlags(fields), fields.signal)
}

async function writeText(
  descriptor: Descriptor,
  text: unknown,
  position: unknown,
  encoding: unknown,
): Promise<unknown> {
  checkText(text, 'buffer')
  const known = typeof encoding === 'string' && Buffer.isEncoding(encoding) ? encoding : 'utf8'
  if (known.toLowerCase() === 'hex' && text.length % 2 !== 0) {
    throw invalidArgValue('encoding', encoding, `is invalid for data of length ${text.length}`)
  }
  const bytes = Buffer.from(text, known)
  const at = typeof position === 'number' || typeof position === 'bigint' ? filePosition(position) : -1
  const result = await writeFrom(descriptor, bytes, 0, bytes.length, at)
  return finishWrite((result as { bytesWritten: number }).bytesWritten, text)
}
