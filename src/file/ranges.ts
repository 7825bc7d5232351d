import { engine, offload } from '../engine/index.js'
import {
  checkInteger,
  checkObject,
  FALLOC_FL,
  invalidArgValue,
  POSIX_FADV,
  SYNC_FILE_RANGE,
} from '../kernel/index.js'
import { prepareFadvise, prepareFallocate, prepareSyncFileRange } from '../ring/index.js'
import { checkBoolean } from './arguments.js'
import type { Descriptor } from './descriptor.js'

const { KEEP_SIZE, PUNCH_HOLE, COLLAPSE_RANGE, ZERO_RANGE, INSERT_RANGE, UNSHARE_RANGE } = FALLOC_FL

const ALLOCATIONS = {
  reserve: 0,
  'keep-size': KEEP_SIZE,
  'punch-hole': PUNCH_HOLE | KEEP_SIZE,
  zero: ZERO_RANGE,
  'zero-keep-size': ZERO_RANGE | KEEP_SIZE,
  collapse: COLLAPSE_RANGE,
  insert: INSERT_RANGE,
  unshare: UNSHARE_RANGE,
} as const

/**
 * What `allocate()` does with a range.
 *
 * - `reserve`: gets blocks for it, so that no write into it meets a full disk; the file grows to its end
 * - `keep-size`: the same, but the file keeps its length
 * - `punch-hole`: gives its blocks back; it reads as zeros
 * - `zero`, `zero-keep-size`: makes it read as zeros, blocks and all
 * - `collapse`: takes it out; what follows moves up. Whole blocks only.
 * - `insert`: puts a hole there; what follows moves back. Whole blocks only.
 * - `unshare`: gets blocks of its own for what is shared with a reflinked copy
 */
export type AllocateMode = keyof typeof ALLOCATIONS

const ADVICE = {
  normal: POSIX_FADV.NORMAL,
  random: POSIX_FADV.RANDOM,
  sequential: POSIX_FADV.SEQUENTIAL,
  willneed: POSIX_FADV.WILLNEED,
  dontneed: POSIX_FADV.DONTNEED,
  noreuse: POSIX_FADV.NOREUSE,
} as const

/** How a range will be used. @see posix_fadvise(2) */
export type FileAdvice = keyof typeof ADVICE

/** What `syncRange()` is told. */
export interface SyncRangeOptions {
  /** Waits until the range has been written, rather than only start it. True by default. */
  wait?: boolean
}

/** A length that the ring's entry cannot hold. */
const WIDE = 2 ** 32

const nothing = () => undefined

function chosen<T extends object>(table: T, name: string, value: unknown): T[keyof T] {
  if (typeof value === 'string' && Object.hasOwn(table, value)) return table[value as keyof T]
  throw invalidArgValue(name, value, `must be one of ${Object.keys(table).join(', ')}`)
}

/** fallocate(2). */
export function allocate(
  descriptor: Descriptor,
  offset: number,
  length: number,
  mode: AllocateMode,
): Promise<void> {
  checkInteger(offset, 'offset', 0)
  checkInteger(length, 'length', 1)
  const flags = chosen(ALLOCATIONS, 'mode', mode)
  return engine().run(
    (queue, userData) => prepareFallocate(queue, descriptor.fd, flags, offset, length, userData),
    { syscall: 'fallocate', finish: nothing, usage: descriptor },
  )
}

/** posix_fadvise(2). */
export function advise(
  descriptor: Descriptor,
  advice: FileAdvice,
  offset: number,
  length: number,
): Promise<void> {
  const number = chosen(ADVICE, 'advice', advice)
  checkInteger(offset, 'offset', 0)
  checkInteger(length, 'length', 0)
  return engine().run(
    (queue, userData) => prepareFadvise(queue, descriptor.fd, offset, length, number, userData),
    { syscall: 'fadvise', finish: nothing, usage: descriptor },
  )
}

/** sync_file_range(2). */
export async function syncRange(
  descriptor: Descriptor,
  offset: number,
  length: number,
  options: SyncRangeOptions,
): Promise<void> {
  checkInteger(offset, 'offset', 0)
  checkInteger(length, 'length', 0)
  checkObject(options)
  const { wait = true } = options
  checkBoolean(wait, 'options.wait')
  const { WAIT_BEFORE, WRITE, WAIT_AFTER } = SYNC_FILE_RANGE
  const flags = wait ? WAIT_BEFORE | WRITE | WAIT_AFTER : WRITE
  const { fd } = descriptor
  if (length >= WIDE) {
    await offload('sync_file_range', [fd, offset, length, flags], { usage: descriptor })
    return
  }
  await engine().run((queue, userData) => prepareSyncFileRange(queue, fd, offset, length, flags, userData), {
    syscall: 'sync_file_range',
    usage: descriptor,
  })
}
