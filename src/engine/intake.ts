import { pin, type Region } from '../memory/index.js'
import { prepareCancel, type SubmissionQueue } from '../ring/index.js'
import { NOBODY } from './handles.js'
import { type Multishot, MultishotOperation } from './multishot.js'
import type { OperationOptions } from './operation.js'
import type { Outbox } from './outbox.js'
import type { Prepare, PrepareMove } from './prepare.js'
import type { Settlement } from './settlement.js'
import type { Completion, Slot } from './slot.js'

/**
 * How operations get under way: what each holds in its slot, whom its abort goes to, its entry in the queue. Where any
 * of that fails, the slot and all that it holds are let go, and the failure is the operation's.
 */
export class Intake {
  readonly #queue: SubmissionQueue
  readonly #outbox: Outbox
  readonly #settlement: Settlement

  constructor(queue: SubmissionQueue, outbox: Outbox, settlement: Settlement) {
    this.#queue = queue
    this.#outbox = outbox
    this.#settlement = settlement
  }

  /** Fills a slot. @returns its promise */
  occupy(
    slot: Slot,
    prepare: Prepare,
    options: OperationOptions,
    regions: readonly Region[],
  ): Promise<unknown> {
    slot.prepare = prepare
    slot.held = options.held
    slot.syscall = options.syscall
    slot.details = options.details
    slot.finish = options.finish
    slot.discard = options.discard
    slot.moves = options.moves ?? false
    slot.usage = options.usage
    if (options.usage !== undefined) options.usage.inFlight++
    if (regions.length > 0) {
      for (const region of regions) pin(region)
      slot.held = [options.held, options.buffers]
      slot.regions = regions
    }
    return slot.defer()
  }

  /** Fills a slot with an operation of several completions, and has its entry written. */
  multishot(
    slot: Slot,
    prepare: Prepare,
    completion: Completion,
    held: unknown,
    background: boolean,
  ): Multishot {
    const operation = new MultishotOperation(completion, () => this.cancel(slot))
    slot.prepare = prepare
    slot.held = held
    slot.background = background
    if (background) this.#settlement.background++
    slot.completion = operation.complete
    slot.reject = operation.refuse
    this.placeOne(slot, prepare)
    operation.began = true
    return operation
  }

  /** Has aborts cancel what is in the slots. @returns false when a signal cannot be listened to: none is under way then */
  listen(slots: readonly Slot[], signals: readonly (AbortSignal | undefined)[]): boolean {
    try {
      for (const [index, signal] of signals.entries())
        if (signal !== undefined) this.#listen(slots[index], signal)
      return true
    } catch (error) {
      for (const slot of slots) this.#refuse(slot, error)
      return false
    }
  }

  /** As `listen()`, for one: an operation that is on its own makes no arrays. */
  listenOne(slot: Slot, signal: AbortSignal): boolean {
    try {
      this.#listen(slot, signal)
      return true
    } catch (error) {
      this.#refuse(slot, error)
      return false
    }
  }

  #listen(slot: Slot, signal: AbortSignal): void {
    slot.onAbort = () => this.cancel(slot)
    signal.addEventListener('abort', slot.onAbort, { once: true })
    slot.signal = signal
  }

  /** Has the entries of a chain written, now or when there is room. @param write as of `Outbox.place()`; may throw */
  place(slots: readonly Slot[], write: () => boolean): void {
    for (const slot of slots) slot.expectsCancel = true
    this.#outbox.place(() => this.#write(slots, write))
  }

  /** As `place()`, for an operation on its own: where there is room it allocates nothing. */
  placeOne(slot: Slot, prepare: Prepare): void {
    if (this.#outbox.blocked || !this.#writeOne(slot, prepare)) this.#placeLater(slot, prepare)
    else this.#outbox.schedule()
  }

  /** On its own: a closure costs whoever has it in it, also where it is not come to. */
  #placeLater(slot: Slot, prepare: Prepare): void {
    this.#outbox.place(() => this.#writeOne(slot, prepare))
  }

  /** Has the entry of a read or write written when there is room. None of its numbers is anything else. */
  placeMove(
    prepare: PrepareMove,
    fd: number,
    address: number,
    length: number,
    position: number,
    index: number,
  ): void {
    this.#outbox.place(() => prepare(this.#queue, fd, address, length, position, index))
  }

  /** Has the entry of an operation on its own written once more. */
  placeAgain(slot: Slot): void {
    const { move, fd, address, length, position, index } = slot
    if (move !== undefined) this.placeMove(move, fd, address, length, position, index)
    else this.placeOne(slot, slot.prepare as Prepare)
  }

  /** Writes entries. Where that throws, none is written, and it is the failure of the operations. */
  #write(slots: readonly Slot[], write: () => boolean): boolean {
    const before = this.#queue.unpublished
    try {
      return write()
    } catch (error) {
      this.#queue.takeBack(this.#queue.unpublished - before)
      for (const slot of slots) this.#refuse(slot, error)
      return true
    }
  }

  #writeOne(slot: Slot, prepare: Prepare): boolean {
    const before = this.#queue.unpublished
    try {
      return prepare(this.#queue, slot.index)
    } catch (error) {
      this.#queue.takeBack(this.#queue.unpublished - before)
      this.#refuse(slot, error)
      return true
    }
  }

  /** Ends an operation that did not get under way. */
  #refuse(slot: Slot, error: unknown): void {
    const { reject, signal, onAbort } = slot
    if (signal !== undefined) signal.removeEventListener('abort', onAbort as () => void)
    this.#settlement.release(slot)
    reject(error as Error)
  }

  /** Asks for an operation's end; its completion still comes. One that the kernel does not have has ended with this. */
  cancel(slot: Slot): void {
    slot.expectsCancel = true
    if (this.#settlement.interrupt(slot)) this.#outbox.schedule()
    else this.#outbox.place(() => prepareCancel(this.#queue, slot.index, 0, NOBODY))
  }

  /** Asks for the end of each, as far as there is room. One by one: kernels before 5.19 know no other way. */
  cancelAll(slots: readonly Slot[]): void {
    for (const slot of slots) if (!this.#outbox.blocked) this.cancel(slot)
  }
}
