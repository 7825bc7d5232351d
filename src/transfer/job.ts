import { engine } from '../engine/index.js'
import { AbortError, POLL, type SyscallArgument, type SyscallName, syscall } from '../kernel/index.js'
import { preparePollAdd } from '../ring/index.js'
import type { Endpoint } from './endpoint.js'
import { Residency } from './residency.js'
import { unwatchSink, watchSink } from './sink-watch.js'
import { type Step, StepLoop } from './step-loop.js'
import { allowance, nextTurn, spend } from './turns.js'

/** What a transfer is to move. */
export interface Range {
  /** Where in the source it begins; -1 where it has no positions. */
  position: number
  /** Where in the sink it goes; -1 where that has no positions, or appends. */
  target: number
  /** Bytes; `Infinity` for all until the source ends. */
  length: number
}

/** One transfer under way: its two ends, how far it has come, and what ends it early. Mechanisms work on it. */
export class Job {
  readonly source: Endpoint
  readonly sink: Endpoint
  /** Bytes that have reached the sink. */
  bytes = 0
  /** Of the source, the first byte that has not reached the sink; -1 where it has no positions. */
  position: number
  /** Where in the sink that byte goes; -1 where it has no positions. */
  target: number
  /** Bytes yet to reach the sink; `Infinity` until the end. */
  remaining: number
  /** What it moves is counted as the source's: of several that share one, by the first alone. */
  countsSource = true
  /** The source has no more. */
  ended = false
  /** What the sink failed with while the source was silent. */
  sinkFailure: Error | undefined
  /** Called when it does. */
  onSinkFailed: (() => void) | undefined
  /** Bytes that a source without positions has given and the sink has not taken yet: they come before all others. */
  undelivered: Uint8Array[] = []
  /** This mechanism and no other: it rather waits for what it needs than gives way. */
  readonly forced: boolean
  /** Of a file, what can be read without waiting for the device. */
  readonly residency: Residency
  readonly #user: AbortSignal | undefined
  #abort: AbortController | undefined
  #aborted = false
  #loop: StepLoop | undefined
  readonly #onAbort = () => {
    this.#aborted = true
    this.#abort?.abort()
    this.#loop?.wake()
  }
  readonly #watched: readonly AbortSignal[]

  constructor(source: Endpoint, sink: Endpoint, range: Range, signal?: AbortSignal, forced = false) {
    this.source = source
    this.sink = sink
    this.forced = forced
    this.position = range.position
    this.target = range.target
    this.remaining = range.length
    this.residency = new Residency(source)
    this.#user = signal
    const watched = [signal, source.backing.gone, sink.backing.gone]
    this.#watched = watched.filter(each => each !== undefined)
    for (const each of this.#watched) each.addEventListener('abort', this.#onAbort, { once: true })
    this.#aborted = this.#watched.some(each => each.aborted)
    if (!source.seekable && (sink.kind === 'socket' || sink.kind === 'pipe')) watchSink(this)
  }

  /** Ends it: whatever the source may give, nobody will take it. */
  sinkFailed(error: Error): void {
    this.sinkFailure = error
    this.#onAbort()
    this.onSinkFailed?.()
  }

  /** Ends waiting: when the caller aborts, when an end of it goes away or fails, or on `interrupt()`. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#aborted) this.#abort.abort()
    return this.#abort.signal
  }

  /** Ends what is waiting now. What is begun afterwards is not concerned. */
  interrupt(): void {
    const abort = this.#abort
    this.#abort = undefined
    abort?.abort()
  }

  /** Whether there is nothing left to do. */
  get done(): boolean {
    return this.ended || this.remaining <= 0
  }

  /** @throws `AbortError` after an abort; what the sink failed with; what an end has to say that has gone away */
  check(): void {
    if (this.#user?.aborted) throw new AbortError(this.#user)
    if (this.sinkFailure !== undefined) throw this.sinkFailure
    this.source.backing.check?.()
    this.sink.backing.check?.()
  }

  /** Counts bytes that have reached the sink. */
  moved(bytes: number): void {
    this.bytes += bytes
    this.remaining -= bytes
    if (this.position >= 0) this.position += bytes
    if (this.target >= 0) this.target += bytes
    if (this.countsSource) this.source.backing.touch?.(bytes)
    this.sink.backing.touch?.(bytes)
  }

  /** Takes steps that never wait, whenever an end is ready, until one wants no more. @throws as the steps and `check()` do */
  steps(step: Step): Promise<void> {
    this.#loop ??= new StepLoop(this)
    return this.#loop.run(step)
  }

  /**
   * Gets leave to move bytes on this thread: at most `most`, now or in a later turn of the event loop.
   *
   * @returns some while any remain, since a call of none would look like the source's end
   */
  async grant(most: number): Promise<number> {
    return Math.min(await this.turn(), most, this.remaining)
  }

  /** Waits until bytes may be moved on this thread. @returns how many then; who else waited may have moved some of them since */
  async turn(): Promise<number> {
    let allowed = allowance()
    while (allowed === 0) {
      await nextTurn()
      this.check()
      allowed = allowance()
    }
    return allowed
  }

  /** A system call on both ends, none of which waits. @returns its result, or -errno */
  burst(name: SyscallName, ...args: SyscallArgument[]): number {
    this.enterBurst()
    const result = syscall(name, ...args)
    this.leaveBurst()
    if (result > 0) spend(result)
    return result
  }

  /** Makes calls on both ends return rather than wait, until `leaveBurst()`. */
  enterBurst(): void {
    this.source.enterBurst()
    this.sink.enterBurst()
  }

  /** Undoes `enterBurst()`. */
  leaveBurst(): void {
    this.sink.leaveBurst()
    this.source.leaveBurst()
  }

  /** Waits until an end can be read from, has ended, or has failed. */
  readable(fd: number = this.source.fd): Promise<void> {
    // Without anybody who could end the wait there is no need for what ends it; but a silent source's sink may fail.
    const ends = this.#watched.length > 0 || !this.source.seekable
    return this.#ready(fd, POLL.IN | POLL.RDHUP, ends ? this.signal : undefined)
  }

  /** Waits until an end can be written to, or has failed. */
  writable(fd: number = this.sink.fd): Promise<void> {
    return this.#ready(fd, POLL.OUT, this.#watched.length > 0 ? this.signal : undefined)
  }

  async #ready(fd: number, events: number, signal: AbortSignal | undefined): Promise<void> {
    this.check()
    await this.settle(
      engine().run((queue, userData) => preparePollAdd(queue, fd, events, userData), {
        syscall: 'poll',
        signal,
      }),
    )
    this.residency.expire()
  }

  /** Awaits something that moves no bytes, and checks that it has not been ended meanwhile. */
  async settle<T>(operation: Promise<T>): Promise<T> {
    const result = await operation
    this.check()
    return result
  }

  /** What a failure comes from: an operation that was ended knows only that it was. */
  explain(error: Error): Error {
    if ((error as NodeJS.ErrnoException).code !== 'ABORT_ERR') return error
    try {
      this.check()
    } catch (reason) {
      return reason as Error
    }
    return error
  }

  /** Stops listening, to signals and to descriptors. */
  finish(): void {
    unwatchSink(this)
    this.#loop?.close()
    for (const each of this.#watched) each.removeEventListener('abort', this.#onAbort)
  }
}
