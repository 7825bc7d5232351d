import {
  checkAbortSignal,
  checkFunction,
  checkInteger,
  checkObject,
  invalidArgType,
} from '../kernel/index.js'
import { type Region, regionOf } from '../memory/index.js'
import type { ChainedOperation, OperationOptions } from './operation.js'
import type { Finish } from './slot.js'
import type { Usage } from './usage.js'

const NO_REGIONS: readonly Region[] = []
const { isView } = ArrayBuffer

/**
 * Whether a read or write stays within its buffer, and its entry can be written: `prepare*` functions throw at a
 * BigInt, and the sum of an address and a text is another address.
 */
export function isSound(
  fd: number,
  view: ArrayBufferView,
  offset: number,
  length: number,
  position: number,
  finish: Finish | undefined,
  usage: Usage | undefined,
): boolean {
  return (
    typeof fd === 'number' &&
    (fd | 0) === fd &&
    Number.isSafeInteger(position) &&
    typeof offset === 'number' &&
    typeof length === 'number' &&
    (finish === undefined || typeof finish === 'function') &&
    (usage === undefined || (typeof usage === 'object' && usage !== null)) &&
    isView(view) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= view.byteLength
  )
}

/** Says what is wrong with a read or write that is not sound. @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
export function complain(
  fd: unknown,
  view: ArrayBufferView,
  offset: unknown,
  length: unknown,
  position: unknown,
  finish: unknown,
  usage: unknown,
): void {
  if (!isView(view)) throw invalidArgType('view', 'an instance of ArrayBufferView', view)
  checkInteger(offset, 'offset', 0, view.byteLength)
  checkInteger(length, 'length', 0, view.byteLength - offset)
  checkInteger(fd, 'fd', -(2 ** 31), 2 ** 31 - 1)
  checkInteger(position, 'position')
  if (finish !== undefined) checkFunction(finish, 'finish')
  if (usage !== undefined) checkObject(usage, 'usage')
}

/**
 * Checks what comes with an operation, before anything is taken for it.
 *
 * @returns the memory that must stay mapped
 * @throws `ERR_INVALID_ARG_TYPE`; `TypeError` where memory is detached
 */
export function regionsOf(options: OperationOptions, name = 'options'): readonly Region[] {
  checkObject(options, name)
  const { syscall, buffers, signal, finish, discard, usage } = options
  if (typeof syscall !== 'string') throw invalidArgType(`${name}.syscall`, 'of type string', syscall)
  // Without a signal no name is put together: this is on the way of every operation.
  if (signal !== undefined) checkAbortSignal(signal, `${name}.signal`)
  if (finish !== undefined) checkFunction(finish, `${name}.finish`)
  if (discard !== undefined) checkFunction(discard, `${name}.discard`)
  if (usage !== undefined) checkObject(usage, `${name}.usage`)
  if (buffers === undefined) return NO_REGIONS
  if (!Array.isArray(buffers) || !buffers.every(isView)) {
    throw invalidArgType(`${name}.buffers`, 'an ArrayBufferView[]', buffers)
  }
  return buffers.map(buffer => regionOf(buffer.buffer))
}

/** As `regionsOf()`, of each operation of a chain. */
export function regionsOfAll(chained: readonly ChainedOperation[]): (readonly Region[])[] {
  return chained.map(operation => {
    const regions = regionsOf(operation, 'chained[]')
    checkFunction(operation.prepare, 'chained[].prepare')
    return regions
  })
}
