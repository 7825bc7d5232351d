import { Handles } from '../engine/index.js'
import { errnoOf, MSG, SHUT, systemError } from '../kernel/index.js'
import { prepareSendAt, prepareSendmsgAt, prepareShutdown } from '../ring/index.js'
import type { ConnectionSettings } from './connection-options.js'
import type { FixedBytes } from './fixed-bytes.js'
import { KIND } from './kind.js'
import { LastTry } from './last-try.js'
import { MessageBlock } from './message-block.js'
import type { NetResources } from './resources.js'
import { Segment } from './segment.js'
import { advance, append, settleSent } from './segments.js'
import { busy, full } from './send-refusals.js'
import type { SenderOwner } from './sender-owner.js'
import { COPIED_BYTES, TurnBytes } from './turn-bytes.js'
import { unlessAborted } from './unless-aborted.js'
import { ZeroCopy } from './zero-copy.js'

/** Of a send: another try will do. */
const AGAIN = new Set([-errnoOf('EAGAIN'), -errnoOf('EINTR')])

/** A send that the kernel goes on with until everything is taken. */
const SEND_FLAGS = MSG.NOSIGNAL | MSG.WAITALL
/** One that is tried at once or not at all. On the ring, MSG_WAITALL makes falling short a failure, so it is heard of. */
const TRY_FLAGS = SEND_FLAGS | MSG.DONTWAIT
/** Writes that may wait beyond the bound. */
const MAX_WAITING = 16384

const WRITTEN = Promise.resolve()

/**
 * The outgoing half of a connection.
 *
 * What is written in a turn is copied into the thread's arena and goes out with the turn as one send, which is tried
 * once and has no completion. Only what the socket does not take then, and what is too large to copy, is queued here
 * and sent by operations that wait.
 */
export class Sender {
  /** Bytes that the kernel has taken, and those in `#segments`. */
  bytes = 0
  /** What sending failed with; undefined where it did not, and where it was ended here. */
  failure: Error | undefined
  #queued = 0
  readonly #resources: NetResources
  readonly #owner: SenderOwner
  readonly #number: number
  readonly #fd: number
  readonly #settings: ConnectionSettings
  readonly #turn: TurnBytes
  readonly #last: LastTry
  /** What could not go out at once; undefined while everything does. */
  #segments: Segment[] | undefined
  #sending = false
  #message: MessageBlock | undefined
  /** Made at the first write that is too large to copy. */
  #zeroCopy: ZeroCopy | undefined
  #error: Error | undefined
  #stopped = false
  #end: { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } | undefined
  #shutting = false
  #hasEnded = false
  #lent = false
  #marks: ((error?: Error) => void)[] | undefined

  constructor(
    resources: NetResources,
    owner: SenderOwner,
    number: number,
    fd: number,
    settings: ConnectionSettings,
  ) {
    this.#resources = resources
    this.#owner = owner
    this.#number = number
    this.#fd = fd
    this.#settings = settings
    this.#turn = new TurnBytes(resources.arena)
    this.#last = new LastTry(resources.handles, this.#turn.memory)
  }

  /** Bytes written that the kernel has not taken yet. */
  get queued(): number {
    return this.#queued + this.#turn.length
  }

  /** Whether anything is in flight. */
  get busy(): boolean {
    return this.#sending || this.#shutting
  }

  /** Whether the peer has been told that nothing more comes. */
  get ended(): boolean {
    return this.#hasEnded
  }

  /** @returns when the bytes are the caller's again and there is room for more */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#error !== undefined || this.#end !== undefined || this.#lent) {
      return Promise.reject(this.#refusal())
    }
    const length = bytes.length
    if (length === 0) return WRITTEN
    if (length <= COPIED_BYTES && this.#segments === undefined && this.#gather(bytes, length)) return WRITTEN
    return this.#enqueue(bytes, length, false)
  }

  /** As `write()`, several pieces one behind the other: at the bound all of them are taken, or none. */
  writev(pieces: readonly Uint8Array[]): Promise<void> {
    if (this.#error !== undefined || this.#end !== undefined || this.#lent) {
      return Promise.reject(this.#refusal())
    }
    let length = 0
    for (const piece of pieces) length += piece.length
    const { queued } = this
    const fits = queued === 0 || queued + length <= this.#settings.sendBound
    if (!fits && this.#isFull(pieces.length)) return Promise.reject(full(queued))
    const waits: Promise<void>[] = []
    for (const piece of pieces) {
      const { length } = piece
      if (length === 0) continue
      if (length <= COPIED_BYTES && this.#segments === undefined && this.#gather(piece, length)) continue
      const written = this.#enqueue(piece, length, true)
      if (written !== WRITTEN) waits.push(written)
    }
    return waits.length === 0 ? WRITTEN : Promise.all(waits).then(() => undefined)
  }

  /** As `write()`, bytes that do not change in this turn: they are sent from there, and only what is left over is copied. */
  writeFixed(fixed: FixedBytes): Promise<void> {
    const turn = this.#turn
    if (turn.length > 0 || this.#segments !== undefined) {
      return this.write(fixed.bytes.length > COPIED_BYTES ? Buffer.from(fixed.bytes) : fixed.bytes)
    }
    if (this.#error !== undefined || this.#end !== undefined || this.#lent) {
      return Promise.reject(this.#refusal())
    }
    turn.point(fixed)
    this.#resources.handles.flushLater(this.#owner)
    return WRITTEN
  }

  /** Copies bytes into the arena, behind those of this turn. @returns false where they do not fit */
  #gather(bytes: Uint8Array, length: number): boolean {
    const held = this.#turn.length
    if (held > 0 && held + length > this.#settings.sendBound) return false
    if (!this.#turn.gather(bytes, length)) return false
    if (held === 0) this.#resources.handles.flushLater(this.#owner)
    return true
  }

  /** Whether a queue at its bound takes no more. */
  #isFull(pieces: number): boolean {
    return this.#settings.full === 'reject' || (this.#segments?.length ?? 0) + pieces > MAX_WAITING
  }

  /** @param admitted whether the bound has been looked at */
  #enqueue(bytes: Uint8Array, length: number, admitted: boolean): Promise<void> {
    const segments = this.#openQueue()
    const fits = this.#queued === 0 || this.#queued + length <= this.#settings.sendBound
    if (fits && length <= COPIED_BYTES) {
      this.#append(segments, bytes)
      return WRITTEN
    }
    if (!fits && !admitted && this.#isFull(1)) return Promise.reject(full(this.#queued))
    this.#queued += length
    this.#zeroCopy ??= new ZeroCopy(this.#resources.engine, this.#fd, this.#settings.zeroCopy)
    return new Promise((resolve, reject) => {
      segments.push(Segment.borrowing(bytes, error => (error === undefined ? resolve() : reject(error))))
    })
  }

  /** The queue, behind which everything written from now on goes; this turn's piece of the arena moves there. */
  #openQueue(): Segment[] {
    let segments = this.#segments
    if (segments === undefined) {
      segments = []
      this.#segments = segments
      if (this.#turn.length > 0) this.#append(segments, this.#turn.take())
      else this.#resources.handles.flushLater(this.#owner)
    }
    return segments
  }

  #append(segments: Segment[], bytes: Uint8Array): void {
    this.#queued += bytes.length
    append(segments, bytes)
  }

  /** The turn ends: out with it. */
  flush(): void {
    if (this.#error !== undefined) return
    if (!this.#last.isOver) this.#putOff()
    else if (this.#segments !== undefined) this.#sendQueue()
    else if (this.#turn.length === 0) this.#drained()
    else if (this.#resources.arena.stuck) this.#putOff()
    else this.#try()
  }

  /** A send of the turn before may still be untried, and none may overtake it: what there is goes with a later turn. */
  #putOff(): void {
    if (this.#turn.length > 0) this.#openQueue()
    this.#resources.handles.flushLater(this.#owner)
  }

  #try(): void {
    const { handles } = this.#resources
    this.#last.begin(this.#turn)
    const { memory, start, length } = this.#last
    this.bytes += length
    // What waits for this turn's bytes looks again when they have been tried.
    if (this.#end !== undefined || this.#marks !== undefined) handles.flushLater(this.#owner)
    const data = Handles.userData(this.#number, KIND.TRY)
    const address = memory.address + start
    if (handles.blocked || !prepareSendAt(handles.submissions, this.#fd, address, length, TRY_FLAGS, data)) {
      this.tried(-errnoOf('EAGAIN'))
    } else {
      handles.silence()
    }
  }

  /** Whether the kernel is known to have taken everything written, so that somebody else may send at once. */
  get clear(): boolean {
    if (this.queued > 0 || this.#segments !== undefined || this.#lent) return false
    return (this.#error ?? this.#end) === undefined && this.#last.isOver
  }

  /** Sees how a send that was tried has failed. @param result bytes taken, or -errno */
  tried(result: number): void {
    const rest = this.#last.end(Math.max(result, 0))
    if (rest === undefined || this.#error !== undefined) return
    if (result < 0 && !AGAIN.has(result)) {
      this.#fail(systemError(result, 'write'))
      return
    }
    this.bytes -= rest.length
    // It goes before whatever has been written meanwhile.
    const segments: Segment[] = []
    this.#append(segments, rest)
    if (this.#turn.length > 0) this.#append(segments, this.#turn.take())
    this.#segments = this.#segments === undefined ? segments : segments.concat(this.#segments)
    this.#sendQueue()
  }

  #sendQueue(): void {
    const segments = this.#segments
    if (this.#sending || segments === undefined) return
    settleSent(segments)
    if (segments.length === 0) {
      this.#segments = undefined
      this.#drained()
      return
    }
    const { handles } = this.#resources
    const data = Handles.userData(this.#number, KIND.SEND)
    this.#sending = true
    if (this.#zeroCopy?.send(segments[0], result => this.sent(result))) return
    if (segments.length === 1) {
      const { address, length } = segments[0]
      handles.place(() => prepareSendAt(handles.submissions, this.#fd, address, length, SEND_FLAGS, data))
    } else {
      const message = MessageBlock.take()
      message.gather(segments)
      this.#message = message
      handles.place(() => prepareSendmsgAt(handles.submissions, this.#fd, message.address, SEND_FLAGS, data))
    }
  }

  /** Sees the completion of a send that waited. */
  sent(result: number): void {
    this.#sending = false
    this.#message?.release()
    this.#message = undefined
    const segments = this.#segments as Segment[]
    if (result > 0) {
      this.bytes += result
      this.#queued -= result
      advance(segments, result)
    }
    if (this.#error !== undefined) this.#drop(this.#error)
    else if (result < 0 && !AGAIN.has(result)) this.#fail(systemError(result, 'write'))
    else this.#sendQueue()
    if (this.#stopped && !this.busy) this.#owner.senderIdle()
  }

  /** @returns when the kernel has taken everything written so far */
  drain(): Promise<void> {
    if (this.#error !== undefined) return Promise.reject(this.#error)
    if (this.queued === 0 && this.#segments === undefined) {
      if (this.#last.isOver) return WRITTEN
      this.#resources.handles.flushLater(this.#owner)
    }
    return new Promise((resolve, reject) => {
      const done = (error?: Error) => (error === undefined ? resolve() : reject(error))
      if (this.#segments !== undefined) this.#segments.push(Segment.mark(done))
      else if (this.#marks !== undefined) this.#marks.push(done)
      else this.#marks = [done]
    })
  }

  /** Everything written has been taken by the kernel. */
  #drained(): void {
    const marks = this.#marks
    if (marks !== undefined) {
      this.#marks = undefined
      for (const mark of marks) mark()
    }
    if (this.#end !== undefined && !this.#shutting && !this.#stopped && !this.#lent) this.#shutDown()
  }

  /**
   * Sends everything, so that somebody else can send on the descriptor. Writes are refused until `resume()`.
   *
   * @param signal calls it off while a peer keeps what was written waiting: then nothing was lent
   */
  async lend(signal: AbortSignal | undefined): Promise<void> {
    if (this.#lent || this.#end !== undefined) throw this.#refusal()
    this.#lent = true
    const drained = this.drain()
    try {
      await (signal === undefined ? drained : unlessAborted(signal, drained))
    } catch (error) {
      this.resume()
      throw error
    }
  }

  /** Takes writes again. */
  resume(): void {
    this.#lent = false
    if (this.#end !== undefined) this.#resources.handles.flushLater(this.#owner)
  }

  /** Ends this half once everything is sent. @returns when the peer has been told */
  end(): Promise<void> {
    if (this.#end !== undefined) return this.#end.promise
    if (this.#error !== undefined) return Promise.reject(this.#error)
    const told = {} as { resolve: () => void; reject: (error: Error) => void }
    const promise = new Promise<void>((resolve, reject) => Object.assign(told, { resolve, reject }))
    this.#end = { promise, ...told }
    if (this.queued === 0 && this.#segments === undefined) this.#resources.handles.flushLater(this.#owner)
    return promise
  }

  #shutDown(): void {
    this.#shutting = true
    const { handles } = this.#resources
    const data = Handles.userData(this.#number, KIND.SHUTDOWN)
    handles.place(() => prepareShutdown(handles.submissions, this.#fd, SHUT.WR, data))
  }

  /** Sees the completion of the shutdown. */
  shut(result: number): void {
    this.#shutting = false
    // A peer that has reset the connection needs no telling.
    this.#hasEnded = true
    if (result < 0 && result !== -errnoOf('ENOTCONN')) this.#end?.reject(systemError(result, 'shutdown'))
    else this.#end?.resolve()
    if (this.#stopped && !this.busy) this.#owner.senderIdle()
  }

  #fail(error: Error): void {
    this.failure = error
    this.#error = error
    this.#drop(error)
    this.#owner.sendFailed(error)
  }

  /** Tells everybody who waits that nothing more is sent. */
  #drop(error: Error): void {
    const segments = this.#segments ?? []
    const marks = this.#marks ?? []
    this.#segments = undefined
    this.#marks = undefined
    this.#queued = 0
    this.#turn.length = 0
    for (const segment of segments) segment.settle(error)
    for (const mark of marks) mark(error)
    if (!this.#shutting) this.#end?.reject(error)
  }

  #refusal(): Error {
    return this.#lent ? busy() : (this.#error ?? systemError(errnoOf('EPIPE'), 'write'))
  }

  /** Ends what is in flight and drops what is queued; `senderIdle()` says when. */
  stop(error: Error): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#error ??= error
    this.#zeroCopy?.cancel()
    if (this.#sending) this.#resources.handles.cancel(Handles.userData(this.#number, KIND.SEND))
    else this.#drop(error)
    if (!this.busy) this.#owner.senderIdle()
  }
}
