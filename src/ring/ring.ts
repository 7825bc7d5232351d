import { availableParallelism } from 'node:os'
import { isMainThread } from 'node:worker_threads'
import {
  checkFunction,
  checkInteger,
  errnoOf,
  IORING_ENTER,
  IORING_FEAT,
  IORING_SETUP,
  IORING_SQ,
  invalidArgType,
  type NativeRing,
  native,
  outOfRange,
  PAGE_SIZE,
  SluiceError,
  syscall,
  systemError,
} from '../kernel/index.js'
import { alignedBuffer } from '../memory/index.js'
import { type CompletionCallback, CompletionQueue } from './completion-queue.js'
import { CONTROL, Control, KIND } from './control.js'
import { Registrar } from './registrar.js'
import {
  MAX_COMPLETIONS,
  MAX_ENTRIES,
  type RingMode,
  type RingOptions,
  setupRequest,
} from './ring-options.js'
import { RingMemory, setupRing } from './setup.js'
import { SubmissionQueue } from './submission-queue.js'

// V8 folds a constant of this module; what is imported it loads and checks at every use.
const { TO_SUBMIT, MIN_COMPLETE, FLAGS, RESULT } = CONTROL
const { max, min } = Math
const { GETEVENTS, SQ_WAIT, SQ_WAKEUP } = IORING_ENTER
/** The kernel has more completions than the queue shows. */
const MORE_COMPLETIONS = IORING_SQ.CQ_OVERFLOW | IORING_SQ.TASKRUN

const EAGAIN = -errnoOf('EAGAIN')
const EBUSY = -errnoOf('EBUSY')
const ETIME = -errnoOf('ETIME')
const EBADR = -errnoOf('EBADR')
/** How long a worker stays in the kernel at most. */
const SLICE_MS = 100
/** Rounds of running deferred completions in one reap; each runs 20 or more. */
const REAP_ROUNDS = 4096

function checkTime(value: unknown, name: string): void {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value)
  if (!(value >= 0)) throw outOfRange(name, '>= 0', value)
}

/**
 * io_uring(7): the two queues that this process shares with the kernel, and the calls that move them.
 *
 * A ring belongs to the thread that made it. It does not keep alive the memory that operations point to: whoever
 * prepares an operation holds its buffers until the last completion. (The engine does that for you.)
 *
 * ```ts
 * using ring = new Ring({ entries: 256, mode: 'dedicated' })
 * prepareRead(ring.submissions, fd, buffer, 0, 1)
 * ring.submit(1)
 * ring.reap((userData, result, flags) => {})
 * ```
 */
export class Ring extends Registrar {
  // What the hot path reads is set once, and only declared here; see SubmissionQueue.
  /** What `prepare*` functions fill. */
  declare readonly submissions: SubmissionQueue
  declare readonly completions: CompletionQueue
  /** One function for all rings of a thread: V8 calls it in 20 ns as long as it is the only one at that place, else in 50. */
  declare private readonly enterChosen: () => void
  /** Which ring it is about. */
  declare private readonly chosen: Float64Array
  declare private readonly address: number
  declare private readonly words: Int32Array
  declare private readonly messages: boolean
  /** With `IORING_SETUP.IOPOLL` a completion is found by entering the kernel only. */
  declare private readonly sought: boolean
  /** Not to be submitted to in the plain way: polled by a kernel thread, on a thread that can be ended, or closed. */
  private special = false
  readonly mode: RingMode
  /** The flags of `IORING_SETUP` that the ring got. */
  readonly flags: number
  /** Bits of `IORING_FEAT` that this kernel offers. */
  readonly features: number
  readonly #polled: boolean
  readonly #native: NativeRing
  readonly #control: Control
  #memory: RingMemory
  #open = true

  /**
   * @throws the system error of io_uring_setup(2): `EPERM`, `ENOSYS`, `EACCES`, `ENOMEM`, …; with `registerWaits` that of
   *   io_uring_register(2): `EINVAL` before kernel 6.13
   */
  constructor(options: RingOptions = {}) {
    const { fd, flags, features, memory } = setupRing(setupRequest(options))
    super(fd)
    this.mode = options.mode ?? 'hosted'
    this.enterChosen = native().enter
    this.chosen = new Float64Array(native().chosen)
    this.flags = flags
    this.features = features
    this.#polled = (flags & IORING_SETUP.SQPOLL) !== 0
    this.messages = options.messages ?? false
    this.sought = (flags & IORING_SETUP.IOPOLL) !== 0 && !this.#polled
    this.#memory = memory
    this.submissions = new SubmissionQueue(this.#memory.submission)
    this.#control = new Control(fd)
    this.words = this.#control.words
    this.completions = new CompletionQueue(this.#memory.completion, this.words)
    this.words[CONTROL.KIND] = (this.#polled ? KIND.POLLED : 0) | (this.messages ? KIND.MESSAGES : 0)
    for (const buffer of memory.buffers) this.kept.add(buffer)
    const handle = native().ring(this.words, memory.guard, this.kept)
    if (typeof handle === 'number') {
      memory.unmap()
      syscall('close', fd)
      throw systemError(handle, 'io_uring_setup')
    }
    this.#native = handle
    this.address = handle.address
    this.special = this.#polled || !isMainThread
    try {
      this.#settle(options)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** What a new ring is told before its first operation. */
  #settle(options: RingOptions): void {
    if ((this.features & IORING_FEAT.NO_IOWAIT) !== 0) this.words[FLAGS] |= IORING_ENTER.NO_IOWAIT
    if (options.registerWaits) this.#registerWaits(options.flags ?? 0)
    const index = this.registerRingDescriptor()
    if (index >= 0) {
      this.words[CONTROL.ENTER_FD] = index
      this.words[FLAGS] |= IORING_ENTER.REGISTERED_RING
    }
    // Without a limit, the kernel makes workers up to RLIMIT_NPROC.
    const { bounded, unbounded } = options.workers ?? { bounded: 4 * availableParallelism(), unbounded: 64 }
    if (options.share === undefined) this.limitWorkers(bounded, unbounded)
  }

  /** @param flags those that were asked for: a ring that was to start disabled stays so */
  #registerWaits(flags: number): void {
    const page = alignedBuffer(PAGE_SIZE)
    this.registerWaitRegion(page)
    this.#control.useRegistered(page)
    if ((flags & IORING_SETUP.R_DISABLED) === 0) this.enable()
  }

  /** Whether `close()` has not been called. */
  get isOpen(): boolean {
    return this.#open
  }

  /** Operations published whose last completion has not been reaped. */
  get inFlight(): number {
    return (this.submissions.published - this.completions.ended) | 0
  }

  /** How often io_uring_enter(2) has been called. */
  get enters(): number {
    return this.#control.enters
  }

  /**
   * Calls io_uring_enter(2); after a signal again, unless the wait is limited and what is left of it must be told anew.
   *
   * @returns entries consumed
   */
  private enter(toSubmit: number, waitFor: number): number {
    const words = this.words
    words[TO_SUBMIT] = toSubmit
    words[MIN_COMPLETE] = waitFor
    this.chosen[0] = this.address
    this.enterChosen()
    const result = words[RESULT]
    return result < 0 ? this.#obstructed(result) : result
  }

  #enterWith(flags: number, toSubmit: number, waitFor: number): number {
    const before = this.words[FLAGS]
    this.words[FLAGS] |= flags
    try {
      return this.enter(toSubmit, waitFor)
    } finally {
      this.words[FLAGS] = before
    }
  }

  /**
   * Hands every prepared entry to the kernel, and waits.
   *
   * @param waitFor completions to wait for; no more than are in flight, so that it cannot wait for ever. While a
   *   completion is being handed out, those handed out before it count as well
   * @param timeoutMs how long to wait at most
   * @param minWaitUs with a limit: how long to hold out for all before one completion suffices (kernel 6.12)
   * @returns entries consumed. Fewer than were prepared when the completion queue must be reaped first
   * @throws the system error of io_uring_enter(2); `ERR_SLUICE_CLOSED`; `ERR_SLUICE_COMPLETION_LOST`
   */
  submit(waitFor = 0, timeoutMs?: number, minWaitUs = 0): number {
    if (this.special === true || timeoutMs !== undefined) {
      return this.#submitSpecially(waitFor, timeoutMs, minWaitUs)
    }
    const left = this.submissions.publish()
    const wait = waitFor === 0 ? 0 : this.worthWaitingFor(waitFor)
    return left === 0 && wait === 0 ? 0 : this.enter(left, wait)
  }

  private worthWaitingFor(count: number): number {
    const inFlight = this.inFlight
    return count > 0 && count <= inFlight ? count : this.unusualWait(count, inFlight)
  }

  /** To the kernel a negative number is a huge one: it would wait for ever. */
  private unusualWait(count: number, inFlight: number): number {
    checkInteger(count, 'waitFor', 0, 2 ** 31 - 1)
    return this.messages === true ? count : min(count, max(inFlight, 0))
  }

  #submitSpecially(waitFor: number, timeoutMs = Infinity, minWaitUs: number): number {
    if (!this.#open) throw new SluiceError('ERR_SLUICE_CLOSED', 'The ring is closed')
    const limited = timeoutMs !== Infinity
    if (limited) {
      checkTime(timeoutMs, 'timeoutMs')
      checkInteger(minWaitUs, 'minWaitUs', 0, 2 ** 32 - 1)
    }
    if (waitFor > 0 && (limited || !isMainThread)) {
      return this.#submitInSlices(waitFor, timeoutMs, limited ? minWaitUs : 0)
    }
    return this.#submitOnce(waitFor, 0)
  }

  /**
   * A limited wait ends at a signal, and at what other rings of the thread have to do: it goes on with what is left of
   * it. And a worker that blocks in the kernel cannot be terminated, and holds up the end of the process: now and then
   * it must come back to JavaScript, where V8 ends it.
   */
  #submitInSlices(waitFor: number, timeoutMs: number, minWaitUs: number): number {
    const longest = isMainThread ? timeoutMs : SLICE_MS
    const start = performance.now()
    let consumed = 0
    for (let spentMs = 0; ; ) {
      const slice = Math.min(Math.max(0, timeoutMs - spentMs), longest)
      // The kernel waits for the least wait first, also where the limit is shorter.
      const minWait = Math.min(Math.max(0, minWaitUs - spentMs * 1000), slice * 1000)
      this.#control.setTimeout(slice, minWait)
      const taken = this.#submitOnce(waitFor, this.#control.limited)
      // A kernel thread takes entries while this one waits, so that some may be left at a signal: the same ones again.
      consumed = this.#polled ? max(consumed, taken) : consumed + taken
      const { ready } = this.completions
      if (ready >= this.worthWaitingFor(waitFor)) return consumed
      if (!this.#polled && this.submissions.unconsumed > 0) return consumed
      spentMs = performance.now() - start
      if (spentMs >= timeoutMs || (minWaitUs > 0 && spentMs * 1000 >= minWaitUs && ready > 0)) return consumed
    }
  }

  #submitOnce(waitFor: number, extended: number): number {
    if (this.#polled) return this.#submitPolled(waitFor, extended)
    const left = this.submissions.publish()
    const wait = this.worthWaitingFor(waitFor)
    return left === 0 && wait === 0 ? 0 : this.#enterWith(extended, left, wait)
  }

  #submitPolled(waitFor: number, extended: number): number {
    const left = this.submissions.publishPolled()
    const wait = this.worthWaitingFor(waitFor)
    const waits = wait > this.completions.ready
    let flags = waits ? extended : 0
    if ((this.submissions.flags & IORING_SQ.NEED_WAKEUP) !== 0) flags |= SQ_WAKEUP
    if (this.submissions.space === 0) flags |= SQ_WAIT
    if (flags !== 0 || waits) this.#enterWith(flags, left, waits ? wait : 0)
    return left
  }

  /**
   * To be called once for each completion without `MORE` that another ring posted here (`prepareMsgRing`,
   * `prepareMsgRingFd`): it ended nothing that this ring submitted, and only the receiver can tell.
   */
  discountMessage(): void {
    this.completions.discount()
  }

  /** What an `enter` that failed means. @returns 0 where reaping helps */
  #obstructed(result: number): number {
    if (result === ETIME) return 0
    if (result === EBADR) {
      throw new SluiceError('ERR_SLUICE_COMPLETION_LOST', 'The kernel had no memory to keep a completion')
    }
    if (result !== EAGAIN && result !== EBUSY) throw systemError(result, 'io_uring_enter')
    if (this.completions.ready > 0) return 0
    // With nothing in flight no completion will make room: the machine is short of memory.
    if (this.inFlight - this.submissions.unconsumed <= 0 && result === EAGAIN) {
      throw systemError(result, 'io_uring_enter')
    }
    // Who did not ask to wait must not be made to: completions are fetched, and it is for the caller to come again.
    this.#enterWith(GETEVENTS, 0, Math.min(1, this.words[MIN_COMPLETE]))
    return 0
  }

  /**
   * Hands out every completion there is, also those that the kernel had to keep aside while the queue was full
   * and those it deferred. On a ring with `IORING_SETUP.IOPOLL` it asks the devices. Never blocks.
   *
   * @returns how many completions the callback saw
   */
  reap(callback: CompletionCallback): number {
    if (typeof callback !== 'function') checkFunction(callback, 'callback')
    const seen = this.completions.drain(callback)
    if ((this.submissions.flags & MORE_COMPLETIONS) !== 0) return seen + this.#reapMore(callback)
    return this.sought === true && this.inFlight > 0 ? seen + this.#reapMore(callback) : seen
  }

  #reapMore(callback: CompletionCallback): number {
    let seen = 0
    for (let round = 0; round < REAP_ROUNDS && this.#open; round++) {
      this.#enterWith(GETEVENTS, 0, 0)
      seen += this.completions.drain(callback)
      if ((this.submissions.flags & MORE_COMPLETIONS) === 0) break
    }
    return seen
  }

  /**
   * Gives both queues another size, without losing what is in flight. `dedicated` rings only; kernel 6.13.
   *
   * @throws the system error of io_uring_register(2); `EINVAL` on a ring of another mode or an older kernel
   */
  resize(entries: number, completionEntries = Math.min(entries * 4, MAX_COMPLETIONS)): void {
    checkInteger(entries, 'entries', 1, MAX_ENTRIES)
    checkInteger(completionEntries, 'completionEntries', 1, MAX_COMPLETIONS)
    this.submit()
    this.completions.settle()
    const params = this.registerResize(entries, completionEntries)
    const old = this.#memory
    this.#memory = new RingMemory(this.fd, this.flags, params)
    this.submissions.relocate(this.#memory.submission)
    this.completions.relocate(this.#memory.completion)
    this.#native.move(this.#memory.guard)
    for (const buffer of this.#memory.buffers) this.kept.add(buffer)
    for (const buffer of old.buffers) this.kept.delete(buffer)
    old.unmap()
  }

  /**
   * Ends the ring: what was not submitted is dropped, what is in flight is cancelled and waited for, and only then
   * is the descriptor closed and the memory unmapped. Completions not reaped before are lost. Idempotent.
   *
   * @throws `ERR_SLUICE_IN_FLIGHT` if after 10 seconds something still is (a device that hangs); the ring stays open
   */
  close(): void {
    if (!this.#open) return
    this.completions.settle()
    const left = this.#native.close()
    if (left > 0) {
      this.submissions.resume()
      this.completions.resume()
      throw new SluiceError('ERR_SLUICE_IN_FLIGHT', `${left} operations do not come back`)
    }
    this.#open = false
    this.special = true
    this.submissions.retire()
    this.completions.retire()
    this.releaseRegistrations()
    this.#memory.unmap()
  }

  /** As `close()`. */
  [Symbol.dispose](): void {
    this.close()
  }
}
