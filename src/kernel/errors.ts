import { constants } from 'node:os'
import { getSystemErrorMap, inspect } from 'node:util'

/** Every error code of our own, with what it means. Nothing else in the project declares one. */
export const SLUICE_ERRORS = {
  ERR_SLUICE_ALIGNMENT: 'an offset, a length or an address is not aligned as Direct I/O needs it',
  ERR_SLUICE_BUSY: 'somebody else is using it in the same way just now',
  ERR_SLUICE_CERTIFICATE: 'a certificate or its key cannot be used, or they do not belong together',
  ERR_SLUICE_CLOSED: 'the ring, engine, file, mapping or connection has been closed',
  ERR_SLUICE_COMPLETION_LOST:
    'the kernel had no memory to keep a completion: the ring cannot be trusted any more',
  ERR_SLUICE_DRIVER: 'the driver that was demanded cannot be had here',
  ERR_SLUICE_IN_FLIGHT: 'the kernel still holds what was about to be taken away',
  ERR_SLUICE_LOCKED: 'another open file holds a lock that excludes this one',
  ERR_SLUICE_LOG_DAMAGED: 'records of an append log that were on stable storage are not intact any more',
  ERR_SLUICE_LOG_FAILED: 'an append log could not be synced: nothing is written to it any more',
  ERR_SLUICE_NATIVE: 'the native binary is missing or cannot be loaded',
  ERR_SLUICE_QUEUE_FULL: 'a bounded queue is full and its owner asked to be told rather than to wait',
  ERR_SLUICE_SHORT: 'a source ended before as many bytes had come as were asked for',
  ERR_SLUICE_UNSUPPORTED: 'this kernel, file system or platform does not offer it',
} as const

/** A code of {@link SLUICE_ERRORS}. */
export type SluiceErrorCode = keyof typeof SLUICE_ERRORS

/** A failure that is Sluice's own and not a system call's. */
export class SluiceError extends Error {
  readonly code: SluiceErrorCode

  constructor(code: SluiceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SluiceError'
    this.code = code
  }
}

/** What a system error is about; each part becomes a property, as Node does it. */
export interface SystemErrorDetails {
  path?: string | undefined
  dest?: string | undefined
  address?: string | undefined
  port?: number | undefined
}

/** What io_uring answers and neither libuv nor Node has a name for, then libuv's own. */
const names = new Map<number, [name: string, text: string]>([
  [-53, ['EBADR', 'invalid request descriptor']],
  [-62, ['ETIME', 'timer expired']],
  [-77, ['EBADFD', 'file descriptor in bad state']],
  [-130, ['EOWNERDEAD', 'owner died']],
  ...getSystemErrorMap(),
])

/** By name, also libc's where libuv has another (EOPNOTSUPP is its ENOTSUP). */
const numbers = new Map<string, number>([
  ...Object.entries(constants.errno),
  ...[...names].map(([errno, [name]]): [string, number] => [name, -errno]),
])

/** The positive number of an error's name: `errnoOf('EAGAIN')` is 11. @throws for a name that Linux does not have */
export function errnoOf(name: string): number {
  const number = numbers.get(name)
  if (number === undefined) throw invalidArgValue('name', name, 'is not the name of a system error')
  return number
}

/** The name of an error's number, of either sign: `errnoName(-11)` is `'EAGAIN'`. */
export function errnoName(errno: number): string {
  return names.get(-Math.abs(errno))?.[0] ?? `Unknown system error ${-Math.abs(errno)}`
}

function message(code: string, text: string, syscall: string, details: SystemErrorDetails): string {
  if (details.address !== undefined) {
    const where = details.port === undefined ? details.address : `${details.address}:${details.port}`
    // connect's message carries no text; the others do (lib/internal/errors.js).
    return syscall === 'connect' ? `connect ${code} ${where}` : `${syscall} ${code}: ${text} ${where}`
  }
  const path = details.path === undefined ? '' : ` '${details.path}'`
  const dest = details.dest === undefined ? '' : ` -> '${details.dest}'`
  return `${code}: ${text}, ${syscall}${path}${dest}`
}

/**
 * A failed system call as Node shapes it: `errno` (negative), `code`, `syscall`, and `path`, `dest`, `address`,
 * `port` where there is one.
 *
 * @param errno of either sign
 * @param hint what led to it and mends it, where that is known
 */
export function systemError(
  errno: number,
  syscall: string,
  details: SystemErrorDetails = {},
  hint?: string,
): NodeJS.ErrnoException {
  const negative = -Math.abs(errno)
  const [code, text] = names.get(negative) ?? [errnoName(negative), errnoName(negative)]
  const told = message(code, text, syscall, details)
  const error: NodeJS.ErrnoException = new Error(hint === undefined ? told : `${told}: ${hint}`)
  error.errno = negative
  error.code = code
  error.syscall = syscall
  for (const [key, value] of Object.entries(details)) {
    if (value !== undefined) (error as unknown as Record<string, unknown>)[key] = value
  }
  return error
}

function received(value: unknown): string {
  if (value == null) return ` Received ${value}`
  if (typeof value === 'function') return ` Received function ${value.name}`
  if (typeof value === 'object') {
    const name = value.constructor?.name
    return name ? ` Received an instance of ${name}` : ` Received ${inspect(value, { depth: -1 })}`
  }
  const shown = inspect(value, { colors: false })
  return ` Received type ${typeof value} (${shown.length > 28 ? `${shown.slice(0, 25)}...` : shown})`
}

function codedError<E extends Error>(error: E, code: string): E & { code: string } {
  // Node shows the code in the stack's first line and keeps the name plain.
  error.name = `${error.name} [${code}]`
  void error.stack
  Reflect.deleteProperty(error, 'name')
  return Object.assign(error, { code })
}

/** Node's `ERR_INVALID_ARG_TYPE`. @param expected such as `of type number` or `an instance of Uint8Array` */
export function invalidArgType(
  name: string,
  expected: string,
  actual: unknown,
): TypeError & { code: string } {
  const kind = name.includes('.') ? 'property' : 'argument'
  const text = `The "${name}" ${kind} must be ${expected}.${received(actual)}`
  return codedError(new TypeError(text), 'ERR_INVALID_ARG_TYPE')
}

/** Node's `ERR_INVALID_ARG_VALUE`. @param reason such as `must not contain null bytes` */
export function invalidArgValue(name: string, actual: unknown, reason: string): TypeError & { code: string } {
  const kind = name.includes('.') ? 'property' : 'argument'
  const shown = inspect(actual)
  const text = `The ${kind} '${name}' ${reason}. Received ${shown.length > 128 ? `${shown.slice(0, 128)}...` : shown}`
  return codedError(new TypeError(text), 'ERR_INVALID_ARG_VALUE')
}

/** `12345678` as Node shows it: `12_345_678`. */
function grouped(value: string): string {
  return value.replace(/\B(?=(\d{3})+(?!\d))/g, '_')
}

/** Node's `ERR_OUT_OF_RANGE`. @param range such as `>= 0 && <= 255` or `an integer` */
export function outOfRange(name: string, range: string, actual: unknown): RangeError & { code: string } {
  let shown = inspect(actual)
  if (typeof actual === 'bigint') {
    shown = `${grouped(`${actual}`)}n`
  } else if (Number.isInteger(actual) && Math.abs(actual as number) > 2 ** 32) {
    shown = grouped(String(actual))
  }
  const text = `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`
  return codedError(new RangeError(text), 'ERR_OUT_OF_RANGE')
}

/**
 * Checks an integer at the public edge.
 *
 * @throws `ERR_INVALID_ARG_TYPE` unless it is a number, `ERR_OUT_OF_RANGE` unless it is whole and within bounds
 */
export function checkInteger(
  value: unknown,
  name: string,
  min = Number.MIN_SAFE_INTEGER,
  max = Number.MAX_SAFE_INTEGER,
): asserts value is number {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value)
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value)
  if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value)
}

/** Checks an options object. @throws `ERR_INVALID_ARG_TYPE` */
export function checkObject(value: unknown, name = 'options'): asserts value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgType(name, 'of type object', value)
  }
}

/** Checks a function. @throws `ERR_INVALID_ARG_TYPE` */
export function checkFunction(value: unknown, name: string): void {
  if (typeof value !== 'function') throw invalidArgType(name, 'of type function', value)
}

/**
 * Checks a signal that may be left out: whatever can be listened to as to an `AbortSignal` is one. Whoever waits for a
 * signal takes something first, and what only looks like one would fail after that.
 *
 * @throws `ERR_INVALID_ARG_TYPE`
 */
export function checkAbortSignal(value: unknown, name: string): asserts value is AbortSignal | undefined {
  if (value === undefined) return
  const { aborted, addEventListener, removeEventListener } = Object(value) as Record<string, unknown>
  const listens = typeof addEventListener === 'function' && typeof removeEventListener === 'function'
  if (typeof value !== 'object' || typeof aborted !== 'boolean' || !listens) {
    throw invalidArgType(name, 'an instance of AbortSignal', value)
  }
}

/** Checks a switch. @throws `ERR_INVALID_ARG_TYPE` */
export function checkBoolean(value: unknown, name: string): asserts value is boolean {
  if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value)
}

/** As `checkAbortSignal()`, and it must not be aborted already. @throws `ERR_INVALID_ARG_TYPE`; `AbortError` if it is */
export function checkSignal(
  signal: unknown,
  name = 'options.signal',
): asserts signal is AbortSignal | undefined {
  checkAbortSignal(signal, name)
  if (signal?.aborted) throw new AbortError(signal)
}

/** What an aborted operation rejects with, as Node's own do. */
export class AbortError extends Error {
  readonly code = 'ABORT_ERR'

  /** @param signal its reason becomes the error's cause */
  constructor(signal: AbortSignal) {
    super('The operation was aborted', { cause: signal.reason })
    this.name = 'AbortError'
  }
}
