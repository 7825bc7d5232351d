import {
  copyFrom,
  errnoOf,
  IORING_TIMEOUT,
  OwnedDescriptor,
  SQE_WORD,
  syscall,
  TIMESPEC,
} from '../../kernel/index.js'
import type { Pending } from './pending.js'
import type { Readiness } from './readiness.js'
import { TimerHeap } from './timer-heap.js'
import { setWide, wide } from './words.js'

const EINVAL = -errnoOf('EINVAL')
const SECOND = 1e9
const TFD_FLAGS = 0o2000000 | 0o4000 // TFD_CLOEXEC | TFD_NONBLOCK
const TFD_TIMER_ABSTIME = 1
const CLOCK = { REALTIME: 0, MONOTONIC: 1, BOOTTIME: 7 } as const
const CLOCKS = IORING_TIMEOUT.BOOTTIME | IORING_TIMEOUT.REALTIME

const bytes = new Uint8Array(new ArrayBuffer(TIMESPEC.SIZE))
const words = new Int32Array(bytes.buffer)
/** Interval (none) and first expiry of a timerfd. */
const setting = new Int32Array(new ArrayBuffer(2 * TIMESPEC.SIZE))

/** The clock that a time-out's flags name. */
export function clockOf(flags: number): number {
  if ((flags & IORING_TIMEOUT.BOOTTIME) !== 0) return CLOCK.BOOTTIME
  return (flags & IORING_TIMEOUT.REALTIME) !== 0 ? CLOCK.REALTIME : CLOCK.MONOTONIC
}

/** The time that an entry names, in nanoseconds; -EINVAL for one that the kernel would refuse. */
export function timeAt(address: number, flags: number): number {
  if ((flags & CLOCKS) === CLOCKS) return EINVAL
  if ((flags & IORING_TIMEOUT.IMMEDIATE_ARG) !== 0) return address < 0 ? EINVAL : address
  copyFrom(address, bytes)
  const seconds = wide(words, TIMESPEC.SEC / 4)
  const nanoseconds = wide(words, TIMESPEC.NSEC / 4)
  return seconds < 0 || nanoseconds < 0 || nanoseconds >= SECOND ? EINVAL : seconds * SECOND + nanoseconds
}

/** The timers of one clock: a heap, and a timerfd for the first of them. */
class Timer {
  readonly heap = new TimerHeap()
  readonly #clock: number
  readonly #timer: OwnedDescriptor
  /** When the timerfd goes off; Infinity when it does not. */
  #set = Number.POSITIVE_INFINITY
  #due = false

  constructor(clock: number, fd: number, readiness: Readiness) {
    this.#clock = clock
    this.#timer = new OwnedDescriptor(fd, 'timerfd_create')
    readiness.watch(this.#timer.fd, () => {
      this.#due = true
    })
  }

  now(): number {
    syscall('clock_gettime', this.#clock, words)
    return wide(words, 0) * SECOND + wide(words, 2)
  }

  expire(expired: (pending: Pending) => void): void {
    if (!this.#due) return
    this.#due = false
    this.#set = Number.POSITIVE_INFINITY
    const now = this.now()
    for (let { first } = this.heap; first !== undefined && first.deadline <= now; first = this.heap.first) {
      this.heap.remove(first)
      expired(first)
    }
  }

  /** A timer that was taken out leaves the timerfd as it is: one wake-up too many is cheaper than a call for each. */
  program(): void {
    const deadline = this.heap.first?.deadline ?? Number.POSITIVE_INFINITY
    if (deadline >= this.#set) return
    this.#set = deadline
    // All zeros would disarm it.
    const at = Math.max(deadline, 1)
    setWide(setting, 4, Math.floor(at / SECOND))
    setWide(setting, 6, at % SECOND)
    syscall('timerfd_settime', this.#timer.fd, TFD_TIMER_ABSTIME, setting, 0)
  }

  close(): void {
    this.#timer.close()
  }
}

/** Everything that waits for a point in time, on whichever clock. */
export class Timers {
  readonly #readiness: Readiness
  readonly #timers = new Map<number, Timer>()

  constructor(readiness: Readiness) {
    this.#readiness = readiness
  }

  #of(clock: number): Timer | number {
    let timer = this.#timers.get(clock)
    if (timer !== undefined) return timer
    const fd = syscall('timerfd_create', clock, TFD_FLAGS)
    if (fd < 0) return fd
    timer = new Timer(clock, fd, this.#readiness)
    this.#timers.set(clock, timer)
    return timer
  }

  /**
   * Starts the time of an operation.
   *
   * @param flags of `IORING_TIMEOUT`
   * @returns 0, or -errno where a timer cannot be had
   */
  start(pending: Pending, span: number, flags: number): number {
    pending.clock = clockOf(flags)
    pending.span = span
    const timer = this.#of(pending.clock)
    if (typeof timer === 'number') return timer
    pending.deadline = (flags & IORING_TIMEOUT.ABS) !== 0 ? span : timer.now() + span
    timer.heap.push(pending)
    return 0
  }

  /** Takes one out; nothing happens where its time does not run. */
  stop(pending: Pending): void {
    if (pending.place >= 0) this.#timers.get(pending.clock)?.heap.remove(pending)
  }

  /** Whether its time runs. */
  runs(pending: Pending): boolean {
    return pending.place >= 0
  }

  /** Gives every operation whose time has come. */
  expire(expired: (pending: Pending) => void): void {
    for (const timer of this.#timers.values()) timer.expire(expired)
  }

  /** Sees to it that the next expiry wakes the driver; a call only when that has moved forward. */
  program(): void {
    for (const timer of this.#timers.values()) timer.program()
  }

  /** Ends the timers. */
  close(): void {
    for (const timer of this.#timers.values()) timer.close()
  }
}

/** The flags of a time-out's entry. */
export function timeoutFlags(pending: Pending): number {
  return pending.words[SQE_WORD.OP_FLAGS]
}
