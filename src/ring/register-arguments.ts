import {
  checkInteger,
  checkObject,
  IO_URING_CLOCK_REGISTER,
  IO_URING_NAPI_REG,
  IO_URING_RESTRICTION,
  IO_URING_SYNC_CANCEL_REG,
  IORING_ASYNC_CANCEL,
  invalidArgType,
  invalidArgValue,
  outOfRange,
  timespec,
} from '../kernel/index.js'

const MAX_FD = 2 ** 31 - 1
const HIGH = 2 ** 32
const { ALL, ANY, FD, OP, USERDATA } = IORING_ASYNC_CANCEL

/** What may be cancelled at once. What is given must all match. @see {@link Registrar.cancelNow} */
export interface CancelTarget {
  /** Operations with this user data. */
  userData?: number
  /** Operations on this descriptor. */
  fd?: number
  /** Operations of this kind, of `IORING_OP`. */
  operation?: number
  /** Every operation. */
  any?: boolean
  /** All that match rather than the first. */
  all?: boolean
  /** How long to wait for them to end, in milliseconds; for ever by default. */
  timeoutMs?: number
}

/** One thing that a restricted ring may do. @see {@link Registrar.restrict} */
export interface Restriction {
  /** Of `IORING_RESTRICTION`. */
  kind: number
  /** An operation or flags, by `kind`. */
  value: number
}

/** How sockets are polled busily. @see {@link Registrar.registerNapi} */
export interface NapiOptions {
  /** For how long a wait polls the network queues itself, in microseconds; 0 for not at all. */
  busyPollUs: number
  /** The queues are polled rather than interrupting. */
  prefer?: boolean
}

/** The clock of a ring's limited waits: `boottime` goes on while the machine sleeps. */
export type RingClock = 'monotonic' | 'boottime'

const CLOCKS: Record<RingClock, number> = { monotonic: 1, boottime: 7 }

/** A `struct io_uring_clock_register`. */
export function clockRequest(clock: RingClock): DataView {
  if (!Object.hasOwn(CLOCKS, clock)) throw invalidArgValue('clock', clock, 'is not monotonic or boottime')
  const view = struct(IO_URING_CLOCK_REGISTER.SIZE)
  view.setUint32(IO_URING_CLOCK_REGISTER.CLOCKID, CLOCKS[clock], true)
  return view
}

/** A `struct io_uring_napi` of 16 bytes; the kernel writes into it what was so before. */
export function napiRequest(options: NapiOptions): DataView {
  checkObject(options)
  const { busyPollUs, prefer = false } = options
  checkInteger(busyPollUs, 'options.busyPollUs', 0, HIGH - 1)
  if (typeof prefer !== 'boolean') throw invalidArgType('options.prefer', 'of type boolean', prefer)
  const view = struct(IO_URING_NAPI_REG.SIZE)
  view.setUint32(IO_URING_NAPI_REG.BUSY_POLL_TO, busyPollUs, true)
  view.setUint8(IO_URING_NAPI_REG.PREFER_BUSY_POLL, prefer ? 1 : 0)
  return view
}

/** What a {@link napiRequest} says. */
export function napiOptions(view: DataView): Required<NapiOptions> {
  return {
    busyPollUs: view.getUint32(IO_URING_NAPI_REG.BUSY_POLL_TO, true),
    prefer: view.getUint8(IO_URING_NAPI_REG.PREFER_BUSY_POLL) !== 0,
  }
}

/** An argument of io_uring_register(2), zeroed, off V8's heap. */
export function struct(bytes: number): DataView {
  return new DataView(new ArrayBuffer(bytes))
}

/** Stores a 64-bit value that is not negative. */
export function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % HIGH, true)
  view.setUint32(at + 4, value / HIGH, true)
}

function checkArray(value: unknown, name: string): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw invalidArgType(name, 'an instance of Array', value)
}

/** @param empty whether null may stand for a place without a buffer */
export function checkViews(buffers: unknown, empty: boolean): void {
  checkArray(buffers, 'buffers')
  for (const [index, buffer] of buffers.entries()) {
    if (ArrayBuffer.isView(buffer) || (empty && buffer === null)) continue
    throw invalidArgType(`buffers[${index}]`, 'an instance of ArrayBufferView', buffer)
  }
}

/** Descriptors as the kernel takes them: -1 for an empty place, -2 for one to leave alone. */
export function descriptors(files: readonly number[]): Int32Array {
  checkArray(files, 'files')
  for (const [index, file] of files.entries()) checkInteger(file, `files[${index}]`, -2, MAX_FD)
  return Int32Array.from(files)
}

/** A table of `struct io_uring_restriction`. */
export function restrictionTable(restrictions: readonly Restriction[]): DataView {
  checkArray(restrictions, 'restrictions')
  const view = struct(restrictions.length * IO_URING_RESTRICTION.SIZE)
  for (const [index, { kind, value }] of restrictions.entries()) {
    checkInteger(kind, `restrictions[${index}].kind`, 0, 65535)
    checkInteger(value, `restrictions[${index}].value`, 0, 255)
    const at = index * IO_URING_RESTRICTION.SIZE
    view.setUint16(at + IO_URING_RESTRICTION.OPCODE, kind, true)
    view.setUint8(at + IO_URING_RESTRICTION.OPERAND, value)
  }
  return view
}

/** A `cpu_set_t` with these CPUs. */
export function cpuMask(cpus: readonly number[]): Uint8Array {
  checkArray(cpus, 'cpus')
  if (cpus.length === 0) throw invalidArgValue('cpus', cpus, 'names no CPU')
  for (const [index, cpu] of cpus.entries()) checkInteger(cpu, `cpus[${index}]`, 0, 65535)
  const mask = new Uint8Array((Math.max(...cpus) >> 6) * 8 + 8)
  for (const cpu of cpus) mask[cpu >> 3] |= 1 << (cpu & 7)
  return mask
}

/** A `struct io_uring_sync_cancel_reg`. */
export function cancelRequest(target: CancelTarget): DataView {
  checkObject(target, 'target')
  const { userData, fd, operation, timeoutMs } = target
  if (userData !== undefined) checkInteger(userData, 'target.userData', 0)
  if (fd !== undefined) checkInteger(fd, 'target.fd', 0, MAX_FD)
  if (operation !== undefined) checkInteger(operation, 'target.operation', 0, 255)
  // User data is what is meant where no other key is given; beside another, it must be asked for.
  const key = (fd === undefined ? 0 : FD) | (operation === undefined ? 0 : OP)
  const both = key !== 0 && userData !== undefined ? USERDATA : 0
  const view = struct(IO_URING_SYNC_CANCEL_REG.SIZE)
  setU64(view, IO_URING_SYNC_CANCEL_REG.ADDR, userData ?? 0)
  view.setInt32(IO_URING_SYNC_CANCEL_REG.FD, fd ?? -1, true)
  const flags = key | both | (target.all ? ALL : 0) | (target.any ? ANY : 0)
  view.setUint32(IO_URING_SYNC_CANCEL_REG.FLAGS, flags, true)
  view.setUint8(IO_URING_SYNC_CANCEL_REG.OPCODE, operation ?? 0)
  setTime(view, IO_URING_SYNC_CANCEL_REG.TIMEOUT, timeoutMs)
  return view
}

/** Both fields of a time-out are -1 where there is no limit. */
function setTime(view: DataView, at: number, timeoutMs: number | undefined): void {
  if (timeoutMs === undefined || timeoutMs === Infinity) {
    for (let word = 0; word < 4; word++) view.setInt32(at + word * 4, -1, true)
    return
  }
  if (typeof timeoutMs !== 'number') throw invalidArgType('target.timeoutMs', 'of type number', timeoutMs)
  if (!(timeoutMs >= 0)) throw outOfRange('target.timeoutMs', '>= 0', timeoutMs)
  for (const [word, value] of timespec(timeoutMs).entries()) view.setUint32(at + word * 4, value, true)
}
