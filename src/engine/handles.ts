import { SluiceError } from '../kernel/index.js'
import {
  type BlockRing,
  type BlockRingOptions,
  type BufferRing,
  type BufferRingOptions,
  prepareCancel,
  type SubmissionQueue,
} from '../ring/index.js'
import type { Driver } from './driver.js'
import type { Outbox } from './outbox.js'

/** User data from here on belongs to handles; a small integer of V8's, as everything on the hot path. */
const FIRST = 2 ** 30
const KIND_SHIFT = 24
const NUMBER_MASK = 2 ** KIND_SHIFT - 1
const KIND_MASK = 0x3f
/** User data of what nobody waits for: cancellations. */
export const NOBODY = 0xffffffff

/**
 * A kind of operation that was silenced: it may have a completion only when it fails, or falls short. To be added to a
 * kind below 32.
 */
export const SILENT = 32

/**
 * Something that lives long and has operations in flight again and again, such as a socket (libuv's word too). Its
 * operations need no promise, no slot and no closure: their user data names the handle and the kind of operation.
 */
export interface Handle {
  /** Sees a completion. @param kind as it was given to `userData()` */
  complete(kind: number, result: number, flags: number): void
  /** The turn's submission is about to go out: the last moment to prepare what was asked for. */
  flush(): void
  /** The engine closes: end everything, then `detach()`. */
  abandon(): void
}

/**
 * The handles of an engine. Each keeps the process alive from `attach()` to `detach()`, unless it was made or set to
 * be in the background.
 */
export class Handles {
  /** Where `prepare*` functions write. Where one returns false, `place()` it. */
  readonly submissions: SubmissionQueue
  /** Grows whenever all that was submitted has been taken, and all completions that there were have been handed out. */
  round = 0
  /** Whether entries can succeed in silence (kernel 5.17); where they cannot, each has its completion. */
  silences: boolean
  readonly #driver: Driver
  readonly #outbox: Outbox
  readonly #table: (Handle | undefined)[] = []
  readonly #free: number[] = []
  readonly #inBackground = new Set<number>()
  #flushing: (Handle | undefined)[] = []
  #flushed: (Handle | undefined)[] = []
  #toFlush = 0
  #closed = false

  constructor(driver: Driver, outbox: Outbox) {
    this.submissions = driver.submissions
    this.#driver = driver
    this.silences = driver.silences
    this.#outbox = outbox
    outbox.beforeSubmit = () => this.#flush()
  }

  /** Handles attached. */
  get attached(): number {
    return this.#table.length - this.#free.length
  }

  /** Handles that keep the process alive. */
  get alive(): number {
    return this.attached - this.#inBackground.size
  }

  /**
   * Gives a handle its number.
   *
   * @throws `ERR_SLUICE_CLOSED`; `ERR_SLUICE_QUEUE_FULL` after 16 million
   */
  attach(handle: Handle, background = false): number {
    if (this.#closed) throw new SluiceError('ERR_SLUICE_CLOSED', 'The engine is closed')
    const number = this.#free.pop() ?? this.#table.length
    if (number > NUMBER_MASK) {
      throw new SluiceError('ERR_SLUICE_QUEUE_FULL', `${NUMBER_MASK} handles are attached`)
    }
    this.#table[number] = handle
    if (background) this.#inBackground.add(number)
    return number
  }

  /** Takes the number back. Nothing of the handle's may be in flight. */
  detach(number: number): void {
    this.#table[number] = undefined
    this.#inBackground.delete(number)
    this.#free.push(number)
    this.#outbox.schedule()
  }

  /** Says whether a handle keeps the process alive. */
  setBackground(number: number, background: boolean): void {
    if (background) this.#inBackground.add(number)
    else this.#inBackground.delete(number)
    this.#outbox.schedule()
  }

  /** The user data of an operation of a handle. @param kind 0 to 31, and {@link SILENT} */
  static userData(number: number, kind: number): number {
    return FIRST | (kind << KIND_SHIFT) | number
  }

  /** Whether user data was made by `userData()`. */
  static owns(userData: number): boolean {
    return userData >= FIRST && userData !== NOBODY
  }

  /** Whether entries wait for room, so that none may be prepared past them: `place()` them. */
  get blocked(): boolean {
    return this.#outbox.blocked
  }

  /** Prepares entries now, or as soon as there is room. @param attempt writes them all, or none and returns false */
  place(attempt: () => boolean): void {
    this.#outbox.place(attempt)
  }

  /** Sees to it that what has been prepared goes out with this turn. */
  schedule(): void {
    this.#outbox.schedule()
  }

  /**
   * Memory that the kernel picks from when data comes, so that what waits for data holds none.
   *
   * @returns undefined where the driver or this kernel has no such thing
   */
  blockRing(options: BlockRingOptions): BlockRing | undefined {
    return this.#driver.blockRing(options)
  }

  /** As `blockRing()`, memory that is given back. */
  bufferRing(options: BufferRingOptions): BufferRing | undefined {
    return this.#driver.bufferRing(options)
  }

  /**
   * Lets the entry prepared last succeed in silence. Its kind must have {@link SILENT}, and it must end within its
   * submission. It may complete all the same.
   */
  silence(): void {
    if (this.silences) this.#driver.silence()
  }

  /** Cancels the operations with this user data; they complete by themselves. */
  cancel(userData: number): void {
    this.place(() => prepareCancel(this.submissions, userData, 0, NOBODY))
  }

  /** Has `handle.flush()` called before this turn's submission. */
  flushLater(handle: Handle): void {
    this.#flushing[this.#toFlush++] = handle
    this.#outbox.schedule()
  }

  #flush(): void {
    const handles = this.#flushing
    const count = this.#toFlush
    this.#flushing = this.#flushed
    this.#flushed = handles
    this.#toFlush = 0
    for (let index = 0; index < count; index++) {
      const handle = handles[index] as Handle
      handles[index] = undefined
      handle.flush()
    }
  }

  /** All completions that there were have been handed out. */
  allSeen(): void {
    if (this.submissions.unconsumed === 0) this.round++
  }

  /** Hands a completion to its handle. */
  complete(userData: number, result: number, flags: number): void {
    const kind = (userData >>> KIND_SHIFT) & KIND_MASK
    if ((kind & SILENT) !== 0 && this.silences) this.#driver.discountSilent()
    this.#table[userData & NUMBER_MASK]?.complete(kind, result, flags)
  }

  /** Ends every handle; no further one is attached. */
  abandon(): void {
    this.#closed = true
    for (const handle of [...this.#table]) handle?.abandon()
  }
}
