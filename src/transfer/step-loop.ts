import { engine } from '../engine/index.js'
import { POLL, WATCH } from '../kernel/index.js'
import { preparePollAdd } from '../ring/index.js'
import { ReadyWatch, type Watchable } from './ready-watch.js'
import { allowance, atNextTurn, othersWait } from './turns.js'

/** What a step wants: to be called again when the sink takes bytes, or when the source has some; or to be called no more. */
export type Next = 'writable' | 'readable' | 'leave'

/** An end that a step works on. */
export interface SteppedEnd extends Watchable {
  /** Its calls may block, so it must not be put on the event loop: that would change the open file, which others share. */
  readonly blocks: boolean
}

/** Who has steps taken. */
export interface Stepped {
  readonly source?: SteppedEnd | undefined
  readonly sink: SteppedEnd
  /** Ends waiting where an end cannot be watched. */
  readonly signal?: AbortSignal | undefined
  /** @throws why no further step may be taken */
  check(): void
}

/** @param most bytes it may move at once: more than the turn's allowance as long as the event loop has nothing else to do */
export type Step = (most: number) => Next

/**
 * A turn of the event loop is a millisecond or so of moving bytes. So many may follow each other as long as nothing else is
 * due, which is looked at after each MiB. What the loop has fetched and not called yet is seen, too, since it stays ready;
 * but newer ones of libuv tell of other threads' messages only once.
 */
const MOST_TURNS = 8

/** One end, and how it is waited for. */
class Gate {
  readonly end: SteppedEnd
  readonly #events: number
  readonly #poll: number
  #watch: ReadyWatch | undefined
  #blind: boolean

  constructor(end: SteppedEnd, events: number, poll: number) {
    this.end = end
    this.#events = events
    this.#poll = poll
    this.#blind = end.blocks
  }

  /** @returns undefined where `callback` will be called; else the operation that waits in its place */
  arm(callback: (events: number) => void, stepped: Stepped): Promise<number> | undefined {
    if (!this.#blind) {
      this.#watch ??= ReadyWatch.open(this.end, callback)
      this.#blind = this.#watch === undefined
    }
    if (this.#watch === undefined) return this.#elsewhere(stepped.signal)
    this.#watch.arm(this.#events)
    return undefined
  }

  #elsewhere(signal: AbortSignal | undefined): Promise<number> {
    const { fd } = this.end
    return engine().run((queue, userData) => preparePollAdd(queue, fd, this.#poll, userData), {
      syscall: 'poll',
      signal,
    })
  }

  stopped(): void {
    this.#watch?.stopped()
  }

  disarm(): void {
    this.#watch?.disarm()
  }

  close(): void {
    this.#watch?.close()
    this.#watch = undefined
  }
}

/**
 * Takes steps, none of which waits, whenever one of two descriptors is ready.
 *
 * Nothing is awaited in between. A wait costs what the event loop's epoll costs: both ends stay on it, and the one that is
 * waited for stays armed while the other has nothing to say.
 */
export class StepLoop {
  readonly #stepped: Stepped
  readonly #sink: Gate
  readonly #source: Gate | undefined
  #armed: Gate | undefined
  #step: Step | undefined
  /** The last step used up its turn, so both ends are likely to be ready. */
  #flows = false
  #resolve = () => {}
  #reject = (_error: unknown) => {}
  /** It waits for its turn, or for an operation of the engine. */
  #away = false
  readonly #onReady = (events: number) => {
    if (events < 0) this.#armed?.stopped()
    if (!this.#away) this.#go(true)
  }
  readonly #onReturn = () => {
    this.#away = false
    this.#go(false)
  }
  readonly #onFailure = (error: unknown) => {
    this.#away = false
    this.#settle(() => this.#reject(error))
  }

  constructor(stepped: Stepped) {
    this.#stepped = stepped
    this.#sink = new Gate(stepped.sink, WATCH.WRITABLE, POLL.OUT)
    if (stepped.source !== undefined) {
      this.#source = new Gate(stepped.source, WATCH.READABLE, POLL.IN | POLL.RDHUP)
    }
  }

  /**
   * Takes steps, the first one at once, until one wants no more. A step spends this thread's allowance, and wants to be
   * called again when that is used up.
   *
   * @returns rejects with what a step throws, or the check before it
   */
  run(step: Step): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#step = step
      this.#go(false)
    })
  }

  /** Checks at once whether it may go on. */
  wake(): void {
    if (this.#step === undefined) return
    try {
      this.#stepped.check()
    } catch (error) {
      this.#settle(() => this.#reject(error))
    }
  }

  /** Takes both ends off the event loop. */
  close(): void {
    this.#sink.close()
    this.#source?.close()
  }

  /** @param fromLoop by the event loop, when all else that was to be called at once has been */
  #go(fromLoop: boolean): void {
    if (this.#step === undefined) return
    try {
      this.#stepped.check()
      if (allowance() === 0) {
        this.#wait()
        return
      }
      const next = this.#step(this.#most(fromLoop))
      this.#flows = allowance() === 0
      if (next === 'leave') this.#settle(this.#resolve)
      else if (this.#flows && othersWait()) this.#wait()
      else this.#arm(next === 'writable' ? this.#sink : (this.#source as Gate))
    } catch (error) {
      this.#settle(() => this.#reject(error))
    }
  }

  #most(fromLoop: boolean): number {
    if (!fromLoop || !this.#flows || othersWait()) return allowance()
    // It is ready, and would make the loop look busy.
    this.#disarm()
    return MOST_TURNS * allowance()
  }

  #wait(): void {
    this.#away = true
    atNextTurn(this.#onReturn)
  }

  #arm(gate: Gate): void {
    if (this.#armed !== gate) this.#disarm()
    const elsewhere = gate.arm(this.#onReady, this.#stepped)
    if (elsewhere === undefined) {
      this.#armed = gate
      return
    }
    this.#away = true
    void elsewhere.then(this.#onReturn, this.#onFailure)
  }

  #disarm(): void {
    this.#armed?.disarm()
    this.#armed = undefined
  }

  #settle(tell: () => void): void {
    this.#step = undefined
    this.#disarm()
    tell()
  }
}
