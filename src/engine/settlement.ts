import { channel } from 'node:diagnostics_channel'
import { errnoOf, IORING_CQE_F, systemError } from '../kernel/index.js'
import { unpin } from '../memory/index.js'
import type { CompletionCallback } from '../ring/index.js'
import { settleAborted } from './abort.js'
import { Handles, NOBODY } from './handles.js'
import type { Completion, Slot, SlotTable } from './slot.js'
import { outOfThreads, ThreadShortage } from './thread-shortage.js'
import { endUse } from './usage.js'

const { MORE, NOTIF } = IORING_CQE_F

const EAGAIN = -errnoOf('EAGAIN')
const ECANCELED = -errnoOf('ECANCELED')
const EINTR = -errnoOf('EINTR')
/** What the kernel says to itself of an interrupted call (ERESTARTSYS and on), and a cancelled splice lets out. */
const RESTARTS = { FIRST: -512, LAST: -516 } as const

const operations = channel('sluice:operation')

/** What completions come to: promises settled, callbacks called, slots and memory let go. */
export class Settlement {
  /** Bytes read and written so far. */
  bytes = 0
  /** Operations in flight that do not keep the process alive. */
  background = 0
  readonly #slots: SlotTable
  readonly #handles: Handles
  readonly #shortage: ThreadShortage
  /** Sees each completion of the driver. */
  readonly complete: CompletionCallback = (userData, result, flags) => {
    const restarts = result <= RESTARTS.FIRST && result >= RESTARTS.LAST
    this.#settle(userData, restarts ? EINTR : result, flags)
  }

  /** @param ask has the entry of an operation written once more */
  constructor(slots: SlotTable, handles: Handles, ask: (slot: Slot) => void) {
    this.#slots = slots
    this.#handles = handles
    this.#shortage = new ThreadShortage(slot => this.#askAnew(slot, ask))
  }

  #settle(userData: number, result: number, flags: number): void {
    if (Handles.owns(userData)) {
      this.#handles.complete(userData, result, flags)
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
    if (result === ECANCELED && !slot.expectsCancel) {
      this.#settleUnbegun(slot)
      return
    }
    this.#settlePromise(slot, result)
    this.release(slot)
  }

  /** @param error what it fails with, where that is not just the system error */
  #settlePromise(slot: Slot, result: number, error?: Error): void {
    if (operations.hasSubscribers) operations.publish({ syscall: slot.syscall, result, ...slot.details })
    if (slot.signal !== undefined && settleAborted(slot, slot.signal, result)) return
    if (result < 0) {
      slot.reject(error ?? systemError(result, slot.syscall, slot.details))
      return
    }
    if (slot.moves) this.bytes += result
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

  /** One that was cancelled and by nobody. */
  #settleUnbegun(slot: Slot): void {
    if (this.#shortage.postpone(slot)) return
    this.#settlePromise(slot, EAGAIN, outOfThreads(slot))
    this.release(slot)
  }

  /** In a timer, where nobody would catch what it throws: too many entries wait already. */
  #askAnew(slot: Slot, ask: (slot: Slot) => void): void {
    try {
      ask(slot)
    } catch (error) {
      this.#settlePromise(slot, EAGAIN, error as Error)
      this.release(slot)
    }
  }

  /** Ends an operation that is to be asked for anew. @returns false where it is not: the kernel has it */
  interrupt(slot: Slot): boolean {
    if (!this.#shortage.interrupt(slot)) return false
    this.#settlePromise(slot, ECANCELED)
    this.release(slot)
    return true
  }

  #settleMultishot(slot: Slot, result: number, flags: number): void {
    const completion = slot.completion as Completion
    if ((flags & MORE) === 0) this.release(slot)
    completion(result, flags)
  }

  /** A zero-copy send: the result first, the notification that the memory is free again later. */
  #settleZeroCopy(slot: Slot, result: number, flags: number): void {
    if (!slot.settled) {
      slot.settled = true
      this.#settlePromise(slot, result)
    }
    if ((flags & MORE) === 0) this.release(slot)
  }

  /** Lets go of everything that an operation held, after its last completion. */
  release(slot: Slot): void {
    const region = slot.region
    const regions = slot.regions
    const usage = slot.usage
    if (slot.background) this.background--
    this.#slots.release(slot)
    if (region !== undefined) unpin(region)
    if (regions !== undefined) for (const each of regions) unpin(each)
    if (usage !== undefined) endUse(usage)
  }
}
