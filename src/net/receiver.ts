import { Handles } from '../engine/index.js'
import { errnoOf, SluiceError, systemError } from '../kernel/index.js'
import { pin, regionOf, unpin } from '../memory/index.js'
import { prepareRecvAt } from '../ring/index.js'
import { KIND } from './kind.js'
import type { NetResources } from './resources.js'

const ECANCELED = -errnoOf('ECANCELED')
const EINTR = -errnoOf('EINTR')

/** Who waits for bytes: nobody, `read()`, `next()` of an iteration, or `readInto()`; or it is lent. */
const WAIT = { NOBODY: 0, READ: 1, NEXT: 2, INTO: 3, LENT: 4 } as const

let resolveOut: (value: unknown) => void = () => {}
let rejectOut: (error: Error) => void = () => {}
/** Shared by every promise, so that making one allocates no closure of ours. */
const capture = (resolve: (value: unknown) => void, reject: (error: Error) => void) => {
  resolveOut = resolve
  rejectOut = reject
}

/** Sees bytes before the `read()` that waits for them is given any. */
export interface Tap {
  /**
   * Uses what it can use at once. It is called while completions are handed out, so it must neither wait nor throw.
   *
   * @param bytes what came lies there from `start` to `end`; only lent
   * @returns how many of the bytes it has used, from the first one on; the read is given the others
   */
  take(bytes: Buffer, start: number, end: number): number
}

/** What a receiver tells its connection. */
export interface ReceiverOwner {
  /** The peer has ended its side, or the connection has failed. */
  receiveEnded(error: Error | undefined): void
  /** Nothing of the receiver's is in flight any more. */
  receiverIdle(): void
}

/**
 * The incoming half of a connection: bytes that came and were not read yet, up to a bound, and the one read that
 * waits for more. How bytes are got is up to the classes on top.
 */
export abstract class Receiver {
  /** Bytes received so far. */
  bytes = 0
  /** Bytes received and not read yet. */
  queued = 0
  /** Waits of reads that were aborted so far. */
  aborts = 0
  /** Undefined while more may come. */
  end: 'ended' | Error | undefined
  /** Who is shown what a `read()` waits for. */
  tap: Tap | undefined
  protected readonly resources: NetResources
  protected readonly fd: number
  protected readonly number: number
  /** Bytes that may be queued. */
  protected readonly bound: number
  /** Where `readInto()` wants the bytes. */
  protected into: Uint8Array | undefined
  protected stopped = false
  readonly #owner: ReceiverOwner
  #first: Uint8Array | undefined
  #rest: Uint8Array[] | undefined
  #wait: number = WAIT.NOBODY
  #resolve = resolveOut
  #reject = rejectOut
  #direct = false
  /** What to reject a direct receive with if it comes back empty-handed. */
  #abort: Error | undefined
  /** Told when nothing is in flight any more. */
  #idle: (() => void) | undefined

  constructor(resources: NetResources, owner: ReceiverOwner, number: number, fd: number, bound: number) {
    this.resources = resources
    this.#owner = owner
    this.number = number
    this.fd = fd
    this.bound = bound
  }

  /** Somebody waits, or there is room again: start what brings bytes, unless it is under way. */
  protected abstract want(): void
  /** Cancels what is in flight in the subclass. */
  protected abstract cancel(): void
  /** Whether the subclass has something in flight. */
  protected abstract get receiving(): boolean
  /** Sees a completion of a kind that is the subclass's own. */
  protected abstract received(kind: number, result: number, flags: number): void

  /** Whether a read waits. */
  get waiting(): boolean {
    return this.#wait !== WAIT.NOBODY && this.#wait !== WAIT.LENT
  }

  /** Whether anything is in flight. */
  get busy(): boolean {
    return this.#direct || this.receiving
  }

  protected get direct(): boolean {
    return this.#direct
  }

  /** The next bytes, whatever came together; null at the end. */
  read(): Promise<Uint8Array | null> {
    if (this.#first !== undefined) return Promise.resolve(this.#take())
    if (this.#isOver) return this.#atEnd(null)
    return this.#await(WAIT.READ) as Promise<Uint8Array | null>
  }

  /** As `read()`, for an iteration. */
  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (this.#first !== undefined) return Promise.resolve({ done: false, value: this.#take() })
    if (this.#isOver) return this.#atEnd<IteratorReturnResult<undefined>>({ done: true, value: undefined })
    return this.#await(WAIT.NEXT) as Promise<IteratorResult<Uint8Array, undefined>>
  }

  /** Bytes into the caller's memory. @returns how many; 0 at the end */
  readInto(into: Uint8Array): Promise<number> {
    if (this.#first !== undefined) return Promise.resolve(this.#copy(into))
    if (this.#isOver) return this.#atEnd(0)
    if (this.#wait !== WAIT.NOBODY) return Promise.reject(busy())
    this.into = into
    return this.#await(WAIT.INTO) as Promise<number>
  }

  get #isOver(): boolean {
    return this.end !== undefined || this.#wait !== WAIT.NOBODY
  }

  /** Why nothing more can be read. */
  #atEnd<T>(end: T): Promise<T> {
    if (this.end instanceof Error) return Promise.reject(this.end)
    // What was lent may come back before the end.
    const isHere = this.end === 'ended' && this.#wait !== WAIT.LENT
    return isHere ? Promise.resolve(end) : Promise.reject(busy())
  }

  #await(wait: number): Promise<unknown> {
    const promise = new Promise(capture)
    this.#resolve = resolveOut
    this.#reject = rejectOut
    this.#wait = wait
    this.want()
    return promise
  }

  #take(): Uint8Array {
    const chunk = this.#first as Uint8Array
    this.#first = this.#rest?.shift()
    this.queued -= chunk.length
    this.want()
    return chunk
  }

  #copy(into: Uint8Array): number {
    let length = 0
    while (this.#first !== undefined && length < into.length) {
      const chunk: Uint8Array = this.#first
      const part = Math.min(chunk.length, into.length - length)
      into.set(part === chunk.length ? chunk : chunk.subarray(0, part), length)
      length += part
      this.queued -= part
      this.#first = part === chunk.length ? this.#rest?.shift() : chunk.subarray(part)
    }
    this.want()
    return length
  }

  /** Hands bytes that lie in a shared block to the tap and to whoever waits, or keeps them. */
  protected deliverFrom(block: Buffer, start: number, length: number): void {
    const end = start + length
    const rest =
      this.tap !== undefined && this.#wait === WAIT.READ ? this.#offer(this.tap, block, start, end) : start
    if (rest < end)
      this.deliver(new Uint8Array(block.buffer as ArrayBuffer, block.byteOffset + rest, end - rest))
  }

  #offer(tap: Tap, block: Buffer, start: number, end: number): number {
    const used = tap.take(block, start, end)
    this.bytes += used
    return start + used
  }

  /** Hands bytes to whoever waits, or keeps them. */
  protected deliver(chunk: Uint8Array): void {
    this.bytes += chunk.length
    const wait = this.#wait
    if (wait === WAIT.NEXT) {
      this.#wait = WAIT.NOBODY
      this.#resolve({ done: false, value: chunk })
    } else if (wait === WAIT.READ) {
      this.#wait = WAIT.NOBODY
      this.#resolve(chunk)
    } else {
      this.#keep(chunk)
      if (wait === WAIT.INTO) this.#settleInto()
    }
  }

  #keep(chunk: Uint8Array): void {
    this.queued += chunk.length
    if (this.#first === undefined) {
      this.#first = chunk
    } else {
      this.#rest ??= []
      this.#rest.push(chunk)
    }
  }

  #settleInto(): void {
    // A direct receive that is on its way out will come back first.
    if (this.#direct) return
    const into = this.into as Uint8Array
    this.#wait = WAIT.NOBODY
    this.into = undefined
    this.#resolve(this.#copy(into))
  }

  /** What came and was not read; it is no longer queued here. */
  takeAll(): Uint8Array[] {
    const all = this.#first === undefined ? [] : [this.#first, ...(this.#rest ?? [])]
    this.#first = undefined
    this.#rest = undefined
    this.queued = 0
    return all
  }

  /** Receives into the memory of `readInto()`, as it waits there. */
  protected receiveDirectly(): void {
    const into = this.into as Uint8Array
    const { handles } = this.resources
    const region = regionOf(into.buffer)
    pin(region)
    this.#direct = true
    const address = region.address + into.byteOffset
    const data = Handles.userData(this.number, KIND.DIRECT)
    handles.place(() => prepareRecvAt(handles.submissions, this.fd, address, into.byteLength, 0, data))
  }

  /** @returns how many bytes came; 0 or less if none */
  protected directDone(result: number): void {
    const into = this.into as Uint8Array
    unpin(regionOf(into.buffer))
    this.#direct = false
    const abort = this.#abort
    this.#abort = undefined
    if (result > 0) {
      this.bytes += result
      this.#wait = WAIT.NOBODY
      this.into = undefined
      this.#resolve(result)
    } else if (result !== ECANCELED && result !== EINTR) {
      this.over(result)
    } else if (this.end !== undefined) {
      this.#settleEnd()
    } else if (abort !== undefined) {
      this.#rejectWait(abort)
    } else {
      this.want()
    }
  }

  /** Sees a completion of an operation of this half. */
  complete(kind: number, result: number, flags: number): void {
    if (kind === KIND.DIRECT) this.directDone(result)
    else this.received(kind, result, flags)
    if (!this.stopped || this.busy) return
    this.#idle?.()
    this.#idle = undefined
    this.#owner.receiverIdle()
  }

  /** Nothing more comes. @param result 0 at the peer's end, else -errno */
  protected over(result: number): void {
    if (this.end !== undefined) return
    const error = result === 0 ? undefined : systemError(result, 'read')
    this.finish(error)
    this.#owner.receiveEnded(error)
  }

  /** Nothing more comes: what is queued can still be read at the peer's end, but not after a failure. */
  finish(error: Error | undefined): void {
    if (this.end !== undefined) return
    this.end = error ?? 'ended'
    if (!this.#direct) this.#settleEnd()
  }

  #settleEnd(): void {
    const wait = this.#wait
    if (wait === WAIT.NOBODY || wait === WAIT.LENT) return
    if (this.end !== 'ended') {
      this.#rejectWait(this.end as Error)
      return
    }
    this.#wait = WAIT.NOBODY
    this.into = undefined
    this.#resolve(wait === WAIT.READ ? null : wait === WAIT.INTO ? 0 : { done: true, value: undefined })
  }

  #rejectWait(error: Error): void {
    this.#wait = WAIT.NOBODY
    this.into = undefined
    this.#reject(error)
  }

  /** Ends the wait of a read, which rejects; no byte is lost. */
  abortWait(error: Error): void {
    if (!this.waiting) return
    this.aborts++
    if (!this.#direct) {
      this.#rejectWait(error)
    } else if (this.#abort === undefined) {
      this.#abort = error
      this.resources.handles.cancel(Handles.userData(this.number, KIND.DIRECT))
    }
  }

  /** Ends what is in flight; `receiverIdle()` says when. */
  stop(): void {
    this.stopped = true
    if (this.#direct) this.resources.handles.cancel(Handles.userData(this.number, KIND.DIRECT))
    this.cancel()
    if (!this.busy) this.#owner.receiverIdle()
  }

  /**
   * Ends receiving, so that somebody else can receive from the descriptor. Reads are refused until `resume()`.
   *
   * @throws `ERR_SLUICE_BUSY` while a read waits
   */
  async lend(): Promise<void> {
    if (this.#wait !== WAIT.NOBODY) throw busy()
    this.#wait = WAIT.LENT
    this.stopped = true
    this.cancel()
    if (!this.receiving) return
    await new Promise<void>(resolve => {
      this.#idle = resolve
    })
  }

  /** Receives again. @param unread what came meanwhile and was not used */
  resume(unread: readonly Uint8Array[]): void {
    this.#wait = WAIT.NOBODY
    for (const chunk of unread) if (chunk.length > 0) this.#keep(chunk)
    this.stopped = this.end !== undefined
  }
}

function busy(): SluiceError {
  return new SluiceError('ERR_SLUICE_BUSY', 'Another read waits on this connection')
}
