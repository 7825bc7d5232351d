import { channel } from 'node:diagnostics_channel'
import {
  AbortError,
  checkAbortSignal,
  checkFunction,
  checkInteger,
  checkObject,
  FdWatcher,
  IORING_SQ,
  invalidArgType,
  SluiceError,
} from '../kernel/index.js'
import { type BufferTable, pin, type Region, regionOf } from '../memory/index.js'
import type { SubmissionQueue } from '../ring/index.js'
import { prepareReadAt, prepareWriteAt } from '../ring/index.js'
import { complain, isSound, regionsOf, regionsOfAll } from './arguments.js'
import type { Driver, DriverName } from './driver.js'
import { Handles } from './handles.js'
import { Intake } from './intake.js'
import type { Multishot } from './multishot.js'
import type { ChainedOperation, EngineStats, Move, OperationOptions } from './operation.js'
import { Outbox } from './outbox.js'
import type { Prepare, PrepareMove } from './prepare.js'
import { type EngineOptions, selectDriver } from './select-driver.js'
import { Settlement } from './settlement.js'
import { type Completion, type Finish, type Slot, SlotTable } from './slot.js'
import type { Usage } from './usage.js'
import { type Waiter, WaitingLine } from './waiting.js'

/** How often what is in flight is cancelled while the engine closes. */
const CANCEL_AGAIN_MS = 50

const engines = channel('sluice:engine')

/**
 * Operations as promises. What is asked for during one turn of the event loop goes to the kernel in one call.
 *
 * An engine belongs to its thread and keeps the process alive only while an operation is pending. It holds the
 * memory of every operation until the last completion, also after an abort.
 */
export class Engine {
  /** Why it is this driver. */
  readonly reason: string
  /** Sockets and the like, which have operations in flight again and again. */
  readonly handles: Handles
  readonly #driver: Driver
  readonly #queue: SubmissionQueue
  readonly #slots: SlotTable
  readonly #settlement: Settlement
  readonly #watcher: FdWatcher
  readonly #outbox: Outbox
  readonly #waiting: WaitingLine
  readonly #intake: Intake
  #closing: Promise<void> | undefined
  #idle: (() => void) | undefined
  #completions = 0
  #waits = 0

  /** @throws as `selectDriver()` does */
  constructor(options: EngineOptions = {}) {
    checkObject(options)
    const { maxInFlight = 65536, maxWaiting = 2 ** 20 } = options
    checkInteger(maxInFlight, 'options.maxInFlight', 1, 2 ** 24)
    checkInteger(maxWaiting, 'options.maxWaiting', 0, 2 ** 24)
    const { driver, reason } = selectDriver(options)
    this.#driver = driver
    this.reason = reason
    this.#queue = driver.submissions
    this.#slots = new SlotTable(maxInFlight)
    this.#outbox = new Outbox(driver, maxInFlight * 2, look => this.#reap(look))
    this.handles = new Handles(driver, this.#outbox)
    this.#settlement = new Settlement(this.#slots, this.handles, slot => this.#intake.placeAgain(slot))
    this.#waiting = new WaitingLine(maxWaiting)
    this.#intake = new Intake(this.#queue, this.#outbox, this.#settlement)
    try {
      this.#watcher = FdWatcher.started(driver.fd, events => this.#outbox.watched(events !== 0))
    } catch (error) {
      driver.close()
      throw error
    }
    if (engines.hasSubscribers) engines.publish({ event: 'open', driver: driver.name, reason })
  }

  /** The mechanism underneath. */
  get driver(): DriverName {
    return this.#driver.name
  }

  /** Whether operations are still taken. */
  get isOpen(): boolean {
    return this.#closing === undefined
  }

  /** Whether this kernel and driver have an operation. @param operation of `IORING_OP` */
  supports(operation: number): boolean {
    return this.#driver.supports(operation)
  }

  /**
   * The table of registered memory, which `Arena.register()` takes: operations on it need not pin its pages. Undefined on
   * `epoll`. It is one table for everything on this thread.
   */
  get buffers(): BufferTable | undefined {
    return this.#driver.buffers
  }

  /** What it has cost so far. */
  stats(): EngineStats {
    const { enters, overflows } = this.#driver.stats()
    return {
      driver: this.#driver.name,
      enters,
      submissions: this.#outbox.submissions,
      completions: this.#completions,
      batches: this.#outbox.batches,
      overflows,
      waits: this.#waits + this.#outbox.waits,
      bytes: this.#settlement.bytes,
      inFlight: this.#slots.used,
      capacity: this.#slots.limit,
      handles: this.handles.attached,
      waiting: this.#waiting.length,
    }
  }

  /**
   * Reads into memory. The hot path of everything above: arguments are checked here no further than that nothing is
   * read past the view, and nothing taken for what cannot be submitted.
   *
   * @param view must be attached; rejects with `ERR_OUT_OF_RANGE` where `offset + length` does not lie within it
   * @param position -1 for the descriptor's own
   * @param finish as in {@link OperationOptions}; it is given `view`
   */
  read(
    fd: number,
    view: ArrayBufferView,
    offset: number,
    length: number,
    position: number,
    finish?: Finish,
    signal?: AbortSignal,
    usage?: Usage,
  ): Promise<unknown> {
    return this.#move(prepareReadAt, 'read', fd, view, offset, length, position, finish, signal, usage)
  }

  /** Writes from memory; otherwise as `read()`. */
  write(
    fd: number,
    view: ArrayBufferView,
    offset: number,
    length: number,
    position: number,
    finish?: Finish,
    signal?: AbortSignal,
    usage?: Usage,
  ): Promise<unknown> {
    return this.#move(prepareWriteAt, 'write', fd, view, offset, length, position, finish, signal, usage)
  }

  /** @param waited where the bytes are, of an operation that has been through all checks; `offset` is an address then */
  #move(
    prepare: PrepareMove,
    syscall: string,
    fd: number,
    view: ArrayBufferView,
    offset: number,
    length: number,
    position: number,
    finish: Finish | undefined,
    signal: AbortSignal | undefined,
    usage: Usage | undefined,
    waited?: Region,
  ): Promise<unknown> {
    let region = waited as Region
    let address = offset
    if (waited === undefined) {
      try {
        if (!isSound(fd, view, offset, length, position, finish, usage)) {
          complain(fd, view, offset, length, position, finish, usage)
        }
        if (signal !== undefined) checkAbortSignal(signal, 'signal')
        region = regionOf(view.buffer)
      } catch (error) {
        return Promise.reject(error)
      }
      // Now: memory that is unmapped while the operation waits is kept, but its views know no longer where they were.
      address += region.address + view.byteOffset
    }
    if (signal?.aborted === true) return Promise.reject(new AbortError(signal))
    const slot = this.#slots.take()
    if (slot === undefined || this.#closing !== undefined) {
      const move = { prepare, syscall, fd, view, region, address, length, position, finish, signal, usage }
      return this.#moveLater(move, slot)
    }
    pin(region)
    slot.region = region
    slot.held = view
    slot.finish = finish
    slot.syscall = syscall
    slot.moving(prepare, fd, address, length, position)
    if (usage !== undefined) {
      slot.usage = usage
      usage.inFlight++
    }
    const promise = slot.defer()
    if (signal !== undefined && !this.#intake.listenOne(slot, signal)) return promise
    if (this.#outbox.blocked || !prepare(this.#queue, fd, address, length, position, slot.index)) {
      this.#intake.placeMove(prepare, fd, address, length, position, slot.index)
    }
    this.#outbox.schedule()
    return promise
  }

  /** On its own: with a closure in it, `#move()` would allocate for every operation, not only for those that wait. */
  #moveLater(move: Move, slot: Slot | undefined): Promise<unknown> {
    const { prepare, syscall, fd, view, region, address, length, position, finish, signal, usage } = move
    const start = () =>
      this.#move(prepare, syscall, fd, view, address, length, position, finish, signal, usage, region)
    return this.#later({ slots: 1, start, signals: [signal], regions: [region], usages: [usage] }, slot)
  }

  /**
   * Any operation, as a promise.
   *
   * @param prepare writes its entry; called once, or again later when the queue was full or the kernel had no thread for it
   * @returns what `finish` makes of the result; rejects with the system error, or `AbortError` after an abort once
   *   the kernel has let go
   */
  run<T = number>(prepare: Prepare, options: OperationOptions): Promise<T> {
    let regions: readonly Region[]
    try {
      checkFunction(prepare, 'prepare')
      regions = regionsOf(options)
    } catch (error) {
      return Promise.reject(error)
    }
    const { signal } = options
    if (signal?.aborted === true) return Promise.reject(new AbortError(signal))
    const slot = this.#slots.take()
    if (slot === undefined || this.#closing !== undefined) {
      return this.#runLater(prepare, options, regions, slot) as Promise<T>
    }
    const promise = this.#intake.occupy(slot, prepare, options, regions) as Promise<T>
    if (signal !== undefined && !this.#intake.listenOne(slot, signal)) return promise
    this.#intake.placeOne(slot, prepare)
    return promise
  }

  /** On its own, as `#moveLater()`. */
  #runLater(prepare: Prepare, options: OperationOptions, regions: readonly Region[], slot?: Slot) {
    const waits = { slots: 1, signals: [options.signal], regions, usages: [options.usage] }
    return this.#later({ ...waits, start: () => this.run(prepare, options) }, slot)
  }

  /**
   * Operations that run one after the other; when one fails or comes up short, those after it fail with `ECANCELED`.
   * They are submitted together, never split.
   *
   * @param link the flag that ties each to the next: `IOSQE.IO_LINK`, or `IO_HARDLINK` to go on after a failure
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` where there are no operations to reject
   */
  chain(chained: readonly ChainedOperation[], link: number): Promise<unknown>[] {
    if (!Array.isArray(chained)) throw invalidArgType('chained', 'an instance of Array', chained)
    checkInteger(link, 'link', 0, 255)
    const most = Math.min(this.#queue.capacity, this.#slots.limit)
    if (chained.length > most) {
      const text = `A chain of ${chained.length} does not fit a queue of ${most}`
      return chained.map(() => Promise.reject(new SluiceError('ERR_SLUICE_QUEUE_FULL', text)))
    }
    let regions: (readonly Region[])[]
    try {
      regions = regionsOfAll(chained)
    } catch (error) {
      return chained.map(() => Promise.reject(error))
    }
    const signals = chained.map(operation => operation.signal)
    const aborted = signals.find(signal => signal?.aborted === true)
    if (aborted !== undefined) return chained.map(() => Promise.reject(new AbortError(aborted)))
    if (this.#closing !== undefined || this.#slots.free < chained.length) {
      const later = this.#later({
        slots: chained.length,
        start: async () => this.chain(chained, link),
        signals,
        regions: regions.flat(),
        usages: chained.map(operation => operation.usage),
      }) as Promise<Promise<unknown>[]>
      return chained.map((_, index) => later.then(promises => promises[index]))
    }
    const slots = chained.map(() => this.#slots.take() as Slot)
    const promises = slots.map((slot, index) =>
      this.#intake.occupy(slot, chained[index].prepare, chained[index], regions[index]),
    )
    if (!this.#intake.listen(slots, signals)) return promises
    const write = () => {
      if (!this.#queue.reserve(chained.length)) return false
      for (const [index, slot] of slots.entries()) {
        chained[index].prepare(this.#queue, slot.index)
        if (index < slots.length - 1) this.#queue.mark(link)
      }
      return true
    }
    this.#intake.place(slots, write)
    return promises
  }

  /**
   * An operation with several completions: a multishot receive or accept, a poll, a time-out that repeats.
   *
   * @param completion sees each of them, in the caller's async context, until one without `IORING_CQE_F.MORE`
   * @param background it alone does not keep the process alive
   * @throws `ERR_SLUICE_CLOSED`, or `ERR_SLUICE_QUEUE_FULL` when everything is in flight that may be
   */
  multishot(prepare: Prepare, completion: Completion, held?: unknown, background = false): Multishot {
    checkFunction(prepare, 'prepare')
    checkFunction(completion, 'completion')
    if (this.#closing !== undefined) throw closed()
    const slot = this.#slots.take()
    if (slot === undefined) {
      throw new SluiceError('ERR_SLUICE_QUEUE_FULL', `${this.#slots.limit} operations are in flight`)
    }
    return this.#intake.multishot(slot, prepare, completion, held, background)
  }

  /** Ends all that a usage counts. */
  cancelUsage(usage: Usage): void {
    this.#intake.cancelAll(this.#slots.inUse().filter(slot => slot.usage === usage))
  }

  /** Waits for slots; rejects where the engine is closed, or too many wait. @param slot not needed after all */
  #later(waiter: Waiter, slot?: Slot): Promise<unknown> {
    if (slot !== undefined) this.#slots.release(slot)
    if (this.#closing !== undefined) return Promise.reject(closed())
    this.#waits++
    return this.#waiting.wait(waiter)
  }

  #reap(look: boolean): void {
    const seen = this.#driver.reap(this.#settlement.complete, look)
    this.#completions += seen
    if ((this.#queue.flags & IORING_SQ.CQ_OVERFLOW) === 0) this.handles.allSeen()
    if (seen > 0) this.#outbox.follow()
    this.#outbox.retry()
    if (this.#waiting.length > 0) this.#waiting.admit(() => this.#slots.free)
    const waits = this.#waiting.length > 0
    if (waits || this.#slots.used > this.#settlement.background || this.handles.alive > 0) this.#watcher.ref()
    else this.#watcher.unref()
    if (this.#idle !== undefined && this.#isIdle) this.#idle()
  }

  get #isIdle(): boolean {
    return this.#slots.used === 0 && this.handles.attached === 0
  }

  /**
   * Ends the engine: no new operation is taken, those in flight are cancelled and waited for, then the driver is
   * closed. Their promises settle.
   */
  close(): Promise<void> {
    // Not before it is known to be closing: what waits would queue up again.
    this.#closing ??= Promise.resolve().then(() => this.#drain())
    return this.#closing
  }

  async #drain(): Promise<void> {
    this.#waiting.admit(() => Infinity)
    if (!this.#isIdle) {
      this.#intake.cancelAll(this.#slots.inUse())
      this.handles.abandon()
      // A cancellation can miss what is on its way between two of the kernel's queues, and ends of a hard chain the
      // first only.
      const again = setInterval(() => this.#intake.cancelAll(this.#slots.inUse()), CANCEL_AGAIN_MS)
      await new Promise<void>(resolve => {
        this.#idle = resolve
      })
      clearInterval(again)
    }
    this.#watcher.close()
    this.#outbox.close()
    this.#driver.close()
    if (engines.hasSubscribers)
      engines.publish({ event: 'close', driver: this.#driver.name, reason: this.reason })
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function closed(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'The engine is closed')
}
