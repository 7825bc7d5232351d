import type { SystemErrorDetails } from '../kernel/index.js'
import type { Region } from '../memory/index.js'
import type { Prepare, PrepareMove } from './prepare.js'
import type { Usage } from './usage.js'

/** Turns a result into what the promise gives. @param held what the operation was given to keep alive */
export type Finish = (result: number, held: unknown) => unknown

/** Sees each completion of an operation that has several. */
export type Completion = (result: number, flags: number) => void

const nothing = () => {}

let resolveOut: (value: unknown) => void = nothing
let rejectOut: (error: Error) => void = nothing
/** Shared by every promise, so that making one allocates no closure of ours. */
const capture = (resolve: (value: unknown) => void, reject: (error: Error) => void) => {
  resolveOut = resolve
  rejectOut = reject
}

/**
 * One operation in flight: who waits for it, and what must stay alive until its last completion.
 *
 * Slots are made once and used over and over; an operation's user data is its slot's index.
 */
export class Slot {
  readonly index: number
  resolve: (value: unknown) => void = nothing
  reject: (error: Error) => void = nothing
  /** Memory and whatever else the kernel may still touch. */
  held: unknown = undefined
  /** What wrote the entry, and with it what only the entry points to: on `epoll`, a path is read late. */
  prepare: Prepare | undefined = undefined
  /** The same of a read or write, and the numbers it takes. */
  move: PrepareMove | undefined = undefined
  fd = 0
  address = 0
  length = 0
  position = 0
  /** What must stay mapped: one piece on the hot path, several elsewhere. */
  region: Region | undefined = undefined
  regions: readonly Region[] | undefined = undefined
  finish: Finish | undefined = undefined
  /** What to do with a result that comes although the operation was aborted: close a descriptor. */
  discard: ((result: number) => void) | undefined = undefined
  /** Set for an operation with several completions; then there is no promise. */
  completion: Completion | undefined = undefined
  syscall = ''
  details: SystemErrorDetails | undefined = undefined
  signal: AbortSignal | undefined = undefined
  onAbort: (() => void) | undefined = undefined
  /** The promise has settled, but the kernel still holds the memory (zero-copy send). */
  settled = false
  /** Its result counts bytes. */
  moves = false
  /** It does not keep the process alive. */
  background = false
  /** `ECANCELED` is its own end: somebody has asked for that, or another of its chain may bring it about. */
  expectsCancel = false
  /** How often it was asked for anew. */
  asked = 0
  /** Until when it will be; the kernel knows nothing of it meanwhile. */
  pause: NodeJS.Timeout | undefined = undefined
  /** What counts it as in flight. */
  usage: Usage | undefined = undefined

  constructor(index: number) {
    this.index = index
  }

  /** It is a read or write. */
  moving(move: PrepareMove, fd: number, address: number, length: number, position: number): void {
    this.moves = true
    this.move = move
    this.fd = fd
    this.address = address
    this.length = length
    this.position = position
  }

  /** A promise that this slot's `resolve` and `reject` settle. */
  defer(): Promise<unknown> {
    const promise = new Promise(capture)
    this.resolve = resolveOut
    this.reject = rejectOut
    return promise
  }

  /** Lets go of everything. */
  clear(): void {
    this.resolve = nothing
    this.reject = nothing
    this.held = undefined
    this.prepare = undefined
    this.move = undefined
    this.region = undefined
    this.regions = undefined
    this.finish = undefined
    this.discard = undefined
    this.completion = undefined
    this.details = undefined
    this.signal = undefined
    this.onAbort = undefined
    this.settled = false
    this.moves = false
    this.background = false
    this.expectsCancel = false
    this.asked = 0
    this.usage = undefined
  }
}

/** The slots of an engine: as many as were ever in flight at once, up to a limit. */
export class SlotTable {
  /** Operations that can be in flight at once. */
  readonly limit: number
  readonly #slots: Slot[] = []
  readonly #free: Slot[] = []

  constructor(limit: number) {
    this.limit = limit
  }

  /** Operations in flight. */
  get used(): number {
    return this.#slots.length - this.#free.length
  }

  /** Operations that could be begun now. */
  get free(): number {
    return this.limit - this.used
  }

  /** The slots in use. It looks at every one: for rare occasions. */
  inUse(): Slot[] {
    const free = new Set(this.#free)
    return this.#slots.filter(slot => !free.has(slot))
  }

  /** A free slot; undefined when all are in use. */
  take(): Slot | undefined {
    let slot = this.#free.pop()
    if (slot === undefined) {
      if (this.#slots.length >= this.limit) return undefined
      slot = new Slot(this.#slots.length)
      this.#slots.push(slot)
    }
    return slot
  }

  /** The slot with that index. */
  at(index: number): Slot {
    return this.#slots[index]
  }

  /** Takes a slot back after its last completion. */
  release(slot: Slot): void {
    slot.clear()
    this.#free.push(slot)
  }
}
