import { constants } from 'node:buffer'
import { AbortError, invalidArgType, S } from '../kernel/index.js'
import { checkBoolean, checkText, contentOptions } from './arguments.js'
import type { Descriptor } from './descriptor.js'
import { stat, sync } from './metadata.js'
import { type ReadResult, submitRead } from './read.js'
import { submitWrite, type WriteResult, writeFrom } from './write.js'

/** Bytes of one read or write of a whole file: an abort is heard after each. */
const STEP = 4 * 2 ** 20
/** Bytes read at a time where a file does not say how many it has. */
const UNKNOWN_STEP = 65536

/** What can be written as a whole: text, bytes, or what yields them. */
export type Content =
  | string
  | ArrayBufferView
  | Iterable<string | ArrayBufferView>
  | AsyncIterable<string | ArrayBufferView>

/** Reads from the file's position to its end. @returns bytes, or text where there is an encoding */
export async function readFile(descriptor: Descriptor, given: unknown): Promise<Buffer | string> {
  const { encoding, signal } = contentOptions(given)
  const bytes = await atPosition(descriptor, async () => {
    const { mode, size } = await stat(descriptor, { signal })
    const known = (Number(mode) & S.IFMT) === S.IFREG ? Number(size) : 0
    if (known > constants.MAX_LENGTH) throw tooLarge(known)
    return known > 0 ? readKnown(descriptor, known, signal) : readUnknown(descriptor, signal)
  })
  return encoding ? bytes.toString(encoding) : bytes
}

/** Only what has a position of its own needs its turn there. */
function atPosition<T>(descriptor: Descriptor, body: () => Promise<T>): Promise<T> {
  return descriptor.seekable ? descriptor.cursor.hold(body) : descriptor.during(body)
}

function tooLarge(size: number): RangeError {
  const error = new RangeError(`File size (${size}) is greater than ${constants.MAX_LENGTH} bytes`)
  return Object.assign(error, { code: 'ERR_FS_FILE_TOO_LARGE' })
}

/** One read at the file's position, whose turn we hold. */
async function readStep(
  descriptor: Descriptor,
  buffer: Uint8Array,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  if (signal?.aborted) throw new AbortError(signal)
  const result = descriptor.detour
    ? descriptor.detour.read(descriptor, buffer, offset, length, -1, signal)
    : submitRead(descriptor, buffer, offset, length, -1, signal, descriptor)
  return ((await result) as ReadResult<unknown>).bytesRead
}

async function readKnown(
  descriptor: Descriptor,
  size: number,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(size)
  let total = 0
  while (total < size) {
    const step = await readStep(descriptor, buffer, total, Math.min(size - total, STEP), signal)
    if (step === 0) break
    total += step
  }
  return total === size ? buffer : buffer.subarray(0, total)
}

async function readUnknown(descriptor: Descriptor, signal: AbortSignal | undefined): Promise<Buffer> {
  const parts: Buffer[] = []
  while (true) {
    const part = Buffer.allocUnsafeSlow(UNKNOWN_STEP)
    const step = await readStep(descriptor, part, 0, UNKNOWN_STEP, signal)
    if (step === 0) return Buffer.concat(parts)
    parts.push(part.subarray(0, step))
  }
}

/** Writes all of `content` at the file's position. What the file has beyond it stays. */
export async function writeFile(descriptor: Descriptor, content: unknown, given: unknown): Promise<void> {
  const options = contentOptions(given)
  const { signal, flush = false } = options
  const encoding = options.encoding || 'utf8'
  checkBoolean(flush, 'options.flush')
  if (ArrayBuffer.isView(content)) {
    await writeAll(descriptor, content, signal)
  } else if (isIterable(content)) {
    await descriptor.during(() => writeEach(descriptor, content, encoding, signal))
  } else {
    checkText(content, 'data')
    await writeAll(descriptor, Buffer.from(content, encoding), signal)
  }
}

function isIterable(content: unknown): content is AsyncIterable<unknown> {
  if (typeof content !== 'object' || content === null) return false
  return Symbol.asyncIterator in content || Symbol.iterator in content
}

async function writeEach(
  descriptor: Descriptor,
  content: AsyncIterable<unknown>,
  encoding: BufferEncoding,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const part of content) {
    if (signal?.aborted) throw new AbortError(signal)
    await writeAll(descriptor, ArrayBuffer.isView(part) ? part : bytesOf(part, encoding), signal)
  }
}

function bytesOf(part: unknown, encoding: BufferEncoding): Buffer {
  if (typeof part === 'string') return Buffer.from(part, encoding)
  const expected = 'of type string or an instance of Buffer, TypedArray, or DataView'
  throw invalidArgType('data', expected, part)
}

async function writeAll(
  descriptor: Descriptor,
  view: ArrayBufferView,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!descriptor.seekable || descriptor.appends) {
    await eachStep(view, signal, (at, length) => writeFrom(descriptor, view, at, length, -1, 0, signal))
    return
  }
  await descriptor.cursor.hold(() =>
    eachStep(view, signal, (at, length) =>
      descriptor.detour
        ? descriptor.detour.write(descriptor, view, at, length, -1, 0, signal)
        : submitWrite(descriptor, view, at, length, -1, 0, signal, descriptor),
    ),
  )
}

async function eachStep(
  view: ArrayBufferView,
  signal: AbortSignal | undefined,
  write: (at: number, length: number) => Promise<unknown>,
): Promise<void> {
  let total = 0
  while (total < view.byteLength) {
    if (signal?.aborted) throw new AbortError(signal)
    const result = await write(total, Math.min(view.byteLength - total, STEP))
    total += (result as WriteResult<unknown>).bytesWritten
  }
}

/** As `writeFile()`, and then on stable storage where `flush` is asked for. */
export async function writeAndFlush(descriptor: Descriptor, content: unknown, given: unknown): Promise<void> {
  await descriptor.during(async () => {
    await writeFile(descriptor, content, given)
    const flush = typeof given === 'object' && given !== null && 'flush' in given && given.flush
    if (flush === true) await sync(descriptor, false)
  })
}
