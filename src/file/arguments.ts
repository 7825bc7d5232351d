import { checkInteger, checkSignal, invalidArgType, invalidArgValue, outOfRange } from '../kernel/index.js'

export { checkBoolean, checkSignal } from '../kernel/index.js'

const VIEW = 'an instance of Buffer, TypedArray, or DataView'
const TEXT_OR_VIEW = `of type string or ${VIEW}`
const MAX_INT32 = 2 ** 31 - 1

/** Checks as Node checks a buffer. @throws `ERR_INVALID_ARG_TYPE` */
export function checkView(value: unknown, name = 'buffer'): asserts value is ArrayBufferView {
  if (!ArrayBuffer.isView(value)) throw invalidArgType(name, VIEW, value)
}

/** Checks as Node checks a list of buffers. @throws `ERR_INVALID_ARG_TYPE` */
export function checkViews(value: unknown): asserts value is readonly ArrayBufferView[] {
  if (!Array.isArray(value) || !value.every(each => ArrayBuffer.isView(each))) {
    throw invalidArgType('buffers', 'an ArrayBufferView[]', value)
  }
}

/** Checks text that is to be written. @throws `ERR_INVALID_ARG_TYPE` */
export function checkText(value: unknown, name: string): asserts value is string {
  if (typeof value !== 'string') throw invalidArgType(name, TEXT_OR_VIEW, value)
}

/**
 * A position as the engine takes it: -1 for the file's own.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
 */
export function filePosition(position: unknown, name = 'position'): number {
  if (position == null) return -1
  if (typeof position === 'bigint') {
    if (position >= -1n && position <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(position)
    throw outOfRange(name, `>= -1 && <= ${Number.MAX_SAFE_INTEGER}`, position)
  }
  if (typeof position !== 'number') throw invalidArgType(name, 'of type bigint or integer', position)
  checkInteger(position, name, -1)
  return position
}

/** Checks where in a buffer to begin. @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
export function bufferOffset(offset: unknown): number {
  if (offset == null) return 0
  checkInteger(offset, 'offset', 0)
  return offset
}

/** Checks the part of a buffer that is to be filled. @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
export function checkReadRange(offset: number, length: unknown, size: number): asserts length is number {
  if (typeof length !== 'number') throw invalidArgType('length', 'of type number', length)
  if (length < 0) throw outOfRange('length', '>= 0', length)
  if (offset + length > size) throw outOfRange('length', `<= ${size - offset}`, length)
  checkInteger(length, 'length', 0, MAX_INT32)
}

/** Checks the part of a buffer that is to be written. @throws `ERR_OUT_OF_RANGE` */
export function checkWriteRange(offset: number, length: number, size: number): void {
  if (offset > size) throw outOfRange('offset', `<= ${size}`, offset)
  if (length > size - offset) throw outOfRange('length', `<= ${size - offset}`, length)
  if (length < 0) throw outOfRange('length', '>= 0', length)
  checkInteger(length, 'length', 0, MAX_INT32)
}

/** What a whole-file operation may be told. */
export interface ContentOptions {
  encoding?: BufferEncoding | null | undefined
  signal?: AbortSignal | undefined
  flush?: boolean | undefined
}

/** Node's "options or encoding". @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`; `AbortError` */
export function contentOptions(options: unknown): ContentOptions {
  if (options == null || typeof options === 'function') return {}
  const parsed: ContentOptions =
    typeof options === 'string' ? { encoding: options as BufferEncoding } : (options as ContentOptions)
  if (typeof parsed !== 'object') {
    throw invalidArgType('options', 'one of type string or object', options)
  }
  const { encoding, signal } = parsed
  if (encoding && encoding !== ('buffer' as string) && !Buffer.isEncoding(encoding)) {
    throw invalidArgValue('encoding', encoding, 'is invalid encoding')
  }
  checkSignal(signal)
  return parsed
}
