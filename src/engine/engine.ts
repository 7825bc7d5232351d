import { channel } from 'node:diagnostics_channel'
import { checkInteger, FdWatcher, IORING_CQE_F, SluiceError, systemError } from '../kernel/index.js'
import { type BufferTable, pin, regionOf, unpin } from '../memory/index.js'
import type { SubmissionQueue } from '../ring/index.js'
import { prepareCancel, prepareCancelAny, prepareReadAt, prepareWriteAt } from '../ring/index.js'
import { AbortError, settleAborted } from './abort.js'
import type { Driver, DriverName } from './driver.js'
import { Fifo } from './fifo.js'
import { Handles, NOBODY } from './handles.js'
import { type Multishot, MultishotOperation } from './multishot.js'
import type { ChainedOperation, EngineStats, OperationOptions, Prepare, PrepareMove } from './operation.js'
import { Outbox } from './outbox.js'
import { type EngineOptions, selectDriver } from './select-driver.js'
import { type Completion, type Finish, type Slot, SlotTable } from './slot.js'
import { endUse, type Usage } from './usage.js'

const { MORE, NOTIF } = IORING_CQE_F

const operations = channel('sluice:operation')
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
  readonly #watcher: FdWatcher
  readonly #outbox: Outbox
  readonly #waiting: Fifo<() => void>
  readonly #complete = (userData: number, result: number, flags: number) =>
    this.#settle(userData, result, flags)
  #background = 0
  #closing: Promise<void> | undefined
  #idle: (() => void) | undefined
  #completions = 0
  #waits = 0
  #bytes = 0

  /** @throws as `selectDriver()` does */
  constructor(options: EngineOptions = {}) {
    const { maxInFlight = 65536, maxWaiting = 2 ** 20 } = options
    checkInteger(maxInFlight, 'options.maxInFlight', 1, 2 ** 24)
    checkInteger(maxWaiting, 'options.maxWaiting', 0, 2 ** 24)
    const { driver, reason } = selectDriver(options)
    this.#driver = driver
    this.reason = reason
    this.#queue = driver.submissions
    this.#slots = new SlotTable(maxInFlight)
    this.#outbox = new Outbox(driver, maxInFlight * 2, () => this.#reap(false))
    this.handles = new Handles(driver, this.#outbox)
    this.#waiting = new Fifo(maxWaiting)
    this.#watcher = new FdWatcher(driver.fd, () => this.#reap(true))
    this.#watcher.start()
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
      bytes: this.#bytes,
      inFlight: this.#slots.used,
      handles: this.handles.attached,
      waiting: this.#waiting.length,
    }
  }

  /**
   * Reads into memory. The hot path of everything above: arguments are not checked here beyond what memory safety
   * needs.
   *
   * @param view must be attached; `offset + length` must lie within it
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
  ): Promise<unknown> {
    if (signal?.aborted === true) return Promise.reject(new AbortError(signal))
    const slot = this.#slots.take()
    if (slot === undefined || this.#closing !== undefined) {
      const start = () =>
        this.#move(prepare, syscall, fd, view, offset, length, position, finish, signal, usage)
      return this.#later(slot, start, usage)
    }
    const region = regionOf(view.buffer)
    pin(region)
    slot.region = region
    slot.held = view
    slot.finish = finish
    slot.syscall = syscall
    slot.moves = true
    if (usage !== undefined) {
      slot.usage = usage
      usage.inFlight++
    }
    const promise = slot.defer()
    if (signal !== undefined) this.#listen(slot, signal)
    const address = region.address + view.byteOffset + offset
    if (this.#outbox.blocked || !prepare(this.#queue, fd, address, length, position, slot.index)) {
      this.#outbox.place(() => prepare(this.#queue, fd, address, length, position, slot.index))
    }
    this.#outbox.schedule()
    return promise
  }

  /**
   * Any operation, as a promise.
   *
   * @param prepare writes its entry; called once, or again later when the queue was full
   * @returns what `finish` makes of the result; rejects with the system error, or `AbortError` after an abort once
   *   the kernel has let go
   */
  run<T = number>(prepare: Prepare, options: OperationOptions): Promise<T> {
    if (options.signal?.aborted === true) return Promise.reject(new AbortError(options.signal))
    const slot = this.#slots.take()
    if (slot === undefined || this.#closing !== undefined) {
      return this.#later(slot, () => this.run<T>(prepare, options), options.usage)
    }
    const promise = this.#occupy(slot, prepare, options)
    this.#outbox.place(() => prepare(this.#queue, slot.index))
    return promise as Promise<T>
  }

  #occupy(slot: Slot, prepare: Prepare, options: OperationOptions): Promise<unknown> {
    slot.prepare = prepare
    slot.held = options.held
    slot.syscall = options.syscall
    slot.details = options.details
    slot.finish = options.finish
    slot.discard = options.discard
    slot.moves = options.moves ?? false
    slot.usage = options.usage
    if (options.usage !== undefined) options.usage.inFlight++
    if (options.buffers !== undefined) {
      const regions = options.buffers.map(buffer => regionOf(buffer.buffer))
      for (const region of regions) pin(region)
      slot.held = [options.held, options.buffers]
      slot.regions = regions
    }
    const promise = slot.defer()
    if (options.signal !== undefined) this.#listen(slot, options.signal)
    return promise
  }

  /**
   * Operations that run one after the other; when one fails or comes up short, those after it fail with `ECANCELED`.
   * They are submitted together, never split.
   *
   * @param link the flag that ties each to the next: `IOSQE.IO_LINK`, or `IO_HARDLINK` to go on after a failure
   */
  chain(chained: readonly ChainedOperation[], link: number): Promise<unknown>[] {
    if (chained.length > this.#queue.capacity) {
      const text = `A chain of ${chained.length} does not fit a queue of ${this.#queue.capacity}`
      return chained.map(() => Promise.reject(new SluiceError('ERR_SLUICE_QUEUE_FULL', text)))
    }
    const aborted = chained.find(({ signal }) => signal?.aborted === true)?.signal
    if (aborted !== undefined) return chained.map(() => Promise.reject(new AbortError(aborted)))
    const slots: Slot[] = []
    while (slots.length < chained.length && this.#closing === undefined) {
      const slot = this.#slots.take()
      if (slot === undefined) break
      slots.push(slot)
    }
    if (slots.length < chained.length) {
      for (const slot of slots) this.#slots.release(slot)
      const usages = chained.map(operation => operation.usage)
      for (const usage of usages) if (usage !== undefined) usage.inFlight++
      const later = this.#later(undefined, async () => this.chain(chained, link))
      const letGo = () => usages.forEach(endUse)
      later.then(letGo, letGo)
      return chained.map((_, index) => later.then(promises => promises[index]))
    }
    const promises = slots.map((slot, index) => this.#occupy(slot, chained[index].prepare, chained[index]))
    this.#outbox.place(() => {
      if (!this.#queue.reserve(chained.length)) return false
      for (const [index, slot] of slots.entries()) {
        chained[index].prepare(this.#queue, slot.index)
        if (index < slots.length - 1) this.#queue.mark(link)
      }
      return true
    })
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
    if (this.#closing !== undefined) throw closed()
    const slot = this.#slots.take()
    if (slot === undefined) {
      throw new SluiceError('ERR_SLUICE_QUEUE_FULL', `${this.#slots.limit} operations are in flight`)
    }
    const operation = new MultishotOperation(completion, () => this.#cancel(slot.index))
    slot.prepare = prepare
    slot.held = held
    slot.background = background
    if (background) this.#background++
    slot.completion = operation.complete
    this.#outbox.place(() => prepare(this.#queue, slot.index))
    return operation
  }

  #cancel(index: number): void {
    this.#outbox.place(() => prepareCancel(this.#queue, index, 0, NOBODY))
  }

  #listen(slot: Slot, signal: AbortSignal): void {
    slot.signal = signal
    slot.onAbort = () => this.#cancel(slot.index)
    signal.addEventListener('abort', slot.onAbort, { once: true })
  }

  /** Waits for a slot; where the engine is closed, or too many wait, rejects. What waits counts as usage too. */
  #later<T>(slot: Slot | undefined, start: () => Promise<T>, usage?: Usage): Promise<T> {
    if (slot !== undefined) this.#slots.release(slot)
    if (this.#closing !== undefined) return Promise.reject(closed())
    this.#waits++
    return new Promise((resolve, reject) => {
      const begin = () => {
        resolve(start())
        endUse(usage)
      }
      if (this.#waiting.push(begin)) {
        if (usage !== undefined) usage.inFlight++
      } else {
        reject(new SluiceError('ERR_SLUICE_QUEUE_FULL', `${this.#waiting.limit} operations wait already`))
      }
    })
  }

  #reap(look: boolean): void {
    this.#completions += this.#driver.reap(this.#complete, look)
    this.#outbox.retry()
    while (this.#waiting.length > 0 && this.#slots.used < this.#slots.limit) this.#waiting.shift()?.()
    if (this.#slots.used > this.#background || this.handles.alive > 0) this.#watcher.ref()
    else this.#watcher.unref()
    if (this.#idle !== undefined && this.#isIdle) this.#idle()
  }

  get #isIdle(): boolean {
    return this.#slots.used === 0 && this.handles.attached === 0
  }

  #settle(userData: number, result: number, flags: number): void {
    if (Handles.owns(userData)) {
      this.handles.complete(userData, result, flags)
      return
    }
    if (userData === NOBODY) return
    const slot = this.#slots.at(userData)
    if (slot.completion !== undefined) {
      this.#settleMultishot(slot, result, flags)
      return
    }
    if ((flags & (MORE | NOTIF)) !== 0) {
      this.#settleZeroCopy(slot, result, flags)
      return
    }
    this.#settlePromise(slot, result)
    this.#release(slot)
  }

  #settlePromise(slot: Slot, result: number): void {
    if (operations.hasSubscribers) operations.publish({ syscall: slot.syscall, result, ...slot.details })
    if (slot.signal !== undefined && settleAborted(slot, slot.signal, result)) return
    if (result < 0) {
      slot.reject(systemError(result, slot.syscall, slot.details))
      return
    }
    if (slot.moves) this.#bytes += result
    const finish = slot.finish
    if (finish === undefined) {
      slot.resolve(result)
      return
    }
    // Whatever it throws must not keep the completions behind this one from being seen.
    try {
      slot.resolve(finish(result, slot.held))
    } catch (error) {
      slot.reject(error as Error)
    }
  }

  #settleMultishot(slot: Slot, result: number, flags: number): void {
    const completion = slot.completion as Completion
    if ((flags & MORE) === 0) this.#release(slot)
    completion(result, flags)
  }

  /** A zero-copy send: the result first, the notification that the memory is free again later. */
  #settleZeroCopy(slot: Slot, result: number, flags: number): void {
    if (!slot.settled) {
      slot.settled = true
      this.#settlePromise(slot, result)
    }
    if ((flags & MORE) === 0) this.#release(slot)
  }

  #release(slot: Slot): void {
    const region = slot.region
    const regions = slot.regions
    const usage = slot.usage
    if (slot.background) this.#background--
    this.#slots.release(slot)
    if (region !== undefined) unpin(region)
    if (regions !== undefined) for (const each of regions) unpin(each)
    if (usage !== undefined) endUse(usage)
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
    while (this.#waiting.length > 0) this.#waiting.shift()?.()
    if (!this.#isIdle) {
      this.#outbox.place(() => prepareCancelAny(this.#queue, NOBODY))
      this.handles.abandon()
      await new Promise<void>(resolve => {
        this.#idle = resolve
      })
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
