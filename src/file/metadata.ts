import type { BigIntStats, Stats } from 'node:fs'
import { engine, offload } from '../engine/index.js'
import {
  AT,
  checkInteger,
  checkObject,
  errnoOf,
  IORING_FSYNC,
  IORING_OP,
  invalidArgType,
  STATX,
  STATX_SIZE,
  StatxView,
  systemError,
  TIMESPEC,
} from '../kernel/index.js'
import { prepareFsync, prepareFtruncate, prepareStatx } from '../ring/index.js'
import { checkSignal } from './arguments.js'
import type { Descriptor } from './descriptor.js'
import { fileMode } from './open-flags.js'
import { bigIntStatsOf, statsOf } from './stats.js'

const EMPTY_PATH = new Uint8Array(new ArrayBuffer(1))
/** What Node's stats tell. */
const FIELDS = STATX.BASIC_STATS | STATX.BTIME
const MAX_ID = 2 ** 32 - 1
/** Leaves a time as it is. @see utimensat(2) */
const UTIME_OMIT = 0x3ffffffe
const TIME = 'an instance of Date or an Time in seconds'

const nothing = () => undefined

/** What `stat()` is told. */
export interface StatOptions {
  /** Every number as a BigInt, and times to the nanosecond. */
  bigint?: boolean | undefined
  signal?: AbortSignal | undefined
}

/** fstat(2), never on this thread: a file system may have to ask a server. */
export function stat(descriptor: Descriptor, options: StatOptions = {}): Promise<Stats | BigIntStats> {
  checkObject(options)
  const { bigint, signal } = options
  checkSignal(signal)
  const answer = new Uint8Array(new ArrayBuffer(STATX_SIZE))
  const { fd } = descriptor
  return engine().run(
    (queue, userData) => prepareStatx(queue, fd, EMPTY_PATH, AT.EMPTY_PATH, FIELDS, answer, userData),
    {
      syscall: 'fstat',
      buffers: [answer],
      finish: () => (bigint ? bigIntStatsOf : statsOf)(new StatxView(answer.buffer)),
      signal,
      usage: descriptor,
    },
  )
}

/** fsync(2), or fdatasync(2). */
export function sync(descriptor: Descriptor, dataOnly: boolean): Promise<void> {
  const flags = dataOnly ? IORING_FSYNC.DATASYNC : 0
  return engine().run((queue, userData) => prepareFsync(queue, descriptor.fd, flags, userData), {
    syscall: dataOnly ? 'fdatasync' : 'fsync',
    finish: nothing,
    usage: descriptor,
  })
}

/** ftruncate(2). A negative length counts as 0, as in Node. */
export async function truncate(descriptor: Descriptor, length: unknown): Promise<void> {
  checkInteger(length, 'len')
  const size = Math.max(0, length)
  const { fd } = descriptor
  if (engine().supports(IORING_OP.FTRUNCATE)) {
    await engine().run((queue, userData) => prepareFtruncate(queue, fd, size, userData), {
      syscall: 'ftruncate',
      usage: descriptor,
    })
  } else {
    await offload('ftruncate', [fd, size], { usage: descriptor })
  }
}

/** fchmod(2). */
export async function chmod(descriptor: Descriptor, mode: unknown): Promise<void> {
  await offload('fchmod', [descriptor.fd, fileMode(mode)], { usage: descriptor })
}

/** fchown(2). */
export async function chown(descriptor: Descriptor, uid: unknown, gid: unknown): Promise<void> {
  checkInteger(uid, 'uid', -1, MAX_ID)
  checkInteger(gid, 'gid', -1, MAX_ID)
  await offload('fchown', [descriptor.fd, uid, gid], { usage: descriptor })
}

/** futimens(3). */
export async function utimes(descriptor: Descriptor, atime: unknown, mtime: unknown): Promise<void> {
  const seconds = [unixTime(atime, 'atime'), unixTime(mtime, 'mtime')]
  const times = new BigInt64Array(new ArrayBuffer(2 * TIMESPEC.SIZE))
  for (const [index, time] of seconds.entries()) {
    if (Math.abs(time) > Number.MAX_SAFE_INTEGER) throw systemError(errnoOf('EINVAL'), 'futime')
    setTime(times, index * 2, time)
  }
  await offload('utimensat', [descriptor.fd, 0, times, 0], { syscall: 'futime', usage: descriptor })
}

function setTime(words: BigInt64Array, at: number, time: number): void {
  if (Number.isNaN(time)) {
    words[at + 1] = BigInt(UTIME_OMIT)
    return
  }
  let seconds = Math.trunc(time)
  let nanoseconds = Math.trunc((time - seconds) * 1e9)
  if (nanoseconds < 0) {
    nanoseconds += 1e9
    seconds -= 1
  }
  words[at] = BigInt(seconds)
  words[at + 1] = BigInt(nanoseconds)
}

/** Seconds since 1970, of what Node takes for a time. NaN leaves it as it is. */
function unixTime(time: unknown, name: string): number {
  if (typeof time === 'string' && time.trim() !== '' && Number.isFinite(Number(time))) return Number(time)
  if (typeof time === 'number' && Number.isFinite(time)) return time < 0 ? Date.now() / 1000 : time
  if (time instanceof Date) return time.getTime() / 1000
  throw invalidArgType(name, TIME, time)
}
