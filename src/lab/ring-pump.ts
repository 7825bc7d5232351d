import { closeSync } from 'node:fs'
import { addressOf, SluiceError, systemError } from '../kernel/index.js'
import { alignedBuffer } from '../memory/index.js'
import { Ring, type RingMode, type SubmissionQueue } from '../ring/index.js'
import type { Lap } from './lap.js'
import type { Setting, Workload } from './mechanism.js'
import { whole } from './short-transfer.js'

/** Writes the entry of one operation. @returns false when the queue is full */
export type PrepareBlock = (
  queue: SubmissionQueue,
  address: number,
  position: number,
  slot: number,
) => boolean

/** How a {@link RingPump} is made. */
export interface PumpOptions {
  setting: Setting
  /** The file; the pump's to close. */
  fd: number
  mode: RingMode
  /** System call that errors name. */
  syscall: string
  /** Called once, with every slot's memory. @returns what writes an entry */
  ready(ring: Ring, memory: readonly Uint8Array[]): PrepareBlock
}

/** Of the operations in flight, how many must have ended before the thread is woken: a part of 4. */
const WAKE_AT = 4
const LEAST_ENTRIES = 8
/** Room for the next round while a kernel thread takes the last: a full queue would have to be waited for. */
const ENTRIES_EACH = 2
/** Looks at the completion queue before the thread sleeps: some 200 microseconds, more than a round takes. */
const SPINS = 20_000
/** Longer than any pause within a lap; then the kernel's thread stops spinning. */
const SQ_THREAD_IDLE_MS = 50

/**
 * Makes a ring.
 *
 * @throws `ERR_SLUICE_UNSUPPORTED` where io_uring is refused, in the words of the lab
 */
export function makeRing(entries: number, mode: RingMode): Ring {
  try {
    return new Ring({ entries, mode, sqThreadIdle: SQ_THREAD_IDLE_MS })
  } catch (error) {
    const text = `io_uring is refused here (${(error as Error).message}); "sluice probe" says why`
    throw new SluiceError('ERR_SLUICE_UNSUPPORTED', text, { cause: error })
  }
}

/** A ring kept full: as many operations in flight as the setting's depth, each in memory of its own. */
export class RingPump implements Workload {
  readonly ring: Ring
  readonly #options: PumpOptions
  /** Kept alive here while the kernel reads or writes it. */
  readonly #memory: Uint8Array[]
  readonly #addresses: Float64Array
  readonly #prepare: PrepareBlock
  readonly #stamps: Float64Array
  readonly #free: number[] = []

  /** @throws `ERR_SLUICE_UNSUPPORTED` where io_uring is refused; what `ready` throws */
  constructor(options: PumpOptions) {
    const { depth, size } = options.setting
    this.#options = options
    try {
      this.ring = makeRing(Math.max(LEAST_ENTRIES, ENTRIES_EACH * depth), options.mode)
    } catch (error) {
      closeSync(options.fd)
      throw error
    }
    this.#memory = Array.from({ length: depth }, () => alignedBuffer(size))
    this.#addresses = Float64Array.from(this.#memory, addressOf)
    this.#stamps = new Float64Array(depth)
    for (let slot = depth - 1; slot >= 0; slot--) this.#free.push(slot)
    try {
      this.#prepare = options.ready(this.ring, this.#memory)
    } catch (error) {
      this.close()
      throw error
    }
  }

  run(lap: Lap): void {
    const { ring } = this
    const { depth, size } = this.#options.setting
    const completed = (slot: number, result: number) => {
      if (result < 0) throw systemError(result, this.#options.syscall)
      this.#free.push(slot)
      lap.end(this.#stamps[slot] as number, whole(result, size))
    }
    const wake = Math.max(1, Math.floor(depth / WAKE_AT))
    const polled = ring.mode === 'sqpoll'
    for (this.#fill(lap); this.#free.length < depth; this.#fill(lap)) {
      if (!polled || !this.#spin()) ring.submit(wake)
      ring.reap(completed)
    }
  }

  /** Lets the kernel's thread see what there is, and watches for completions. @returns whether any came soon */
  #spin(): boolean {
    const { ring } = this
    ring.submit()
    for (let turn = 0; turn < SPINS; turn++) if (ring.completions.ready > 0) return true
    return false
  }

  #fill(lap: Lap): void {
    while (this.#free.length > 0) {
      const position = lap.next()
      if (position < 0) return
      const slot = this.#free.pop() as number
      this.#stamps[slot] = lap.begin()
      this.#prepare(this.ring.submissions, this.#addresses[slot] as number, position, slot)
    }
  }

  enters(): number {
    return this.ring.enters
  }

  close(): void {
    this.ring.close()
    closeSync(this.#options.fd)
  }
}
