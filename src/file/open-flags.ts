import { fileURLToPath } from 'node:url'
import { checkInteger, invalidArgType, invalidArgValue, O } from '../kernel/index.js'

const { RDONLY, WRONLY, RDWR, CREAT, EXCL, TRUNC, APPEND, SYNC } = O

const FLAGS: ReadonlyMap<unknown, number> = new Map([
  ['r', RDONLY],
  ['rs', RDONLY | SYNC],
  ['sr', RDONLY | SYNC],
  ['r+', RDWR],
  ['rs+', RDWR | SYNC],
  ['sr+', RDWR | SYNC],
  ['w', TRUNC | CREAT | WRONLY],
  ['wx', TRUNC | CREAT | WRONLY | EXCL],
  ['xw', TRUNC | CREAT | WRONLY | EXCL],
  ['w+', TRUNC | CREAT | RDWR],
  ['wx+', TRUNC | CREAT | RDWR | EXCL],
  ['xw+', TRUNC | CREAT | RDWR | EXCL],
  ['a', APPEND | CREAT | WRONLY],
  ['ax', APPEND | CREAT | WRONLY | EXCL],
  ['xa', APPEND | CREAT | WRONLY | EXCL],
  ['as', APPEND | CREAT | WRONLY | SYNC],
  ['sa', APPEND | CREAT | WRONLY | SYNC],
  ['a+', APPEND | CREAT | RDWR],
  ['ax+', APPEND | CREAT | RDWR | EXCL],
  ['xa+', APPEND | CREAT | RDWR | EXCL],
  ['as+', APPEND | CREAT | RDWR | SYNC],
  ['sa+', APPEND | CREAT | RDWR | SYNC],
])

const MAX_INT32 = 2 ** 31 - 1
const MAX_UINT32 = 2 ** 32 - 1

/** How a file is opened: `'r'`, `'w+'` and so on as in `node:fs`, or `O` flags. */
export type OpenFlags = string | number

/**
 * Node's flags of a file as open(2) takes them.
 *
 * @throws `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`
 */
export function openFlags(flags: unknown): number {
  if (typeof flags === 'number') {
    checkInteger(flags, 'flags', -MAX_INT32 - 1, MAX_INT32)
    return flags
  }
  if (flags == null) return RDONLY
  const number = FLAGS.get(flags)
  if (number === undefined) throw invalidArgValue('flags', flags, 'is invalid')
  return number
}

/**
 * Permission bits, from a number or octal digits.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`
 */
export function fileMode(mode: unknown, fallback?: number): number {
  const value = mode ?? fallback
  if (typeof value !== 'string') {
    checkInteger(value, 'mode', 0, MAX_UINT32)
    return value
  }
  if (!/^[0-7]+$/.test(value)) {
    throw invalidArgValue('mode', value, 'must be a 32-bit unsigned integer or an octal string')
  }
  const number = Number.parseInt(value, 8)
  checkInteger(number, 'mode', 0, MAX_UINT32)
  return number
}

/** What names a file. A string is taken as UTF-8; a URL is a `file:` one. */
export type PathLike = string | Uint8Array | URL

/**
 * A path as the kernel and errors take it.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_URL_SCHEME`
 */
export function filePath(path: unknown): string | Uint8Array {
  if (path instanceof URL) return fileURLToPath(path)
  if (typeof path === 'string' || path instanceof Uint8Array) return path
  throw invalidArgType('path', 'of type string or an instance of Buffer or URL', path)
}

/** A path as errors show it. */
export function shownPath(path: string | Uint8Array): string {
  return typeof path === 'string' ? path : Buffer.from(path).toString()
}
