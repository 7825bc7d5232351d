import { channel } from 'node:diagnostics_channel'
import { AbortError, checkInteger, invalidArgType, invalidArgValue, SluiceError } from '../kernel/index.js'
import { PIPE_CAPACITY, Pipe } from './pipe.js'

/** How a {@link PipePool} is made. */
export interface PipePoolOptions {
  /** Pipes that may be out and idle together; 32 by default. */
  pipes?: number
  /** Bytes that each should hold; 1 MiB by default. */
  capacity?: number
  /** Callers that may wait for one; 1024 by default. */
  maxWaiting?: number
}

/** What a pool has, and has been through. */
export interface PipePoolStats {
  /** Pipes that are open, in use or not. */
  open: number
  /** Of those, the ones that nobody uses. */
  idle: number
  /** Callers that wait for one. */
  waiting: number
  /** Pipes made so far. */
  made: number
  /** Pipes that came back with bytes in them, and were closed. */
  discarded: number
  /** Why the last pipe that is smaller than it should be is so; undefined while there was none. */
  reduced: string | undefined
}

interface Waiter {
  resolve(pipe: Pipe): void
  reject(error: Error): void
}

const events = channel('sluice:pipe')

/**
 * Pipes that are used over and over: making one and enlarging it costs more than moving a megabyte through it.
 *
 * Only an empty pipe comes back into the pool, so nobody ever gets the bytes of somebody else. At its bound `take()`
 * gives nothing and `acquire()` waits its turn.
 */
export class PipePool {
  /** Pipes that may be open. */
  readonly pipes: number
  /** Bytes that each should hold. */
  readonly capacity: number
  readonly #idle: Pipe[] = []
  readonly #out = new Set<Pipe>()
  readonly #waiting = new Set<Waiter>()
  readonly #maxWaiting: number
  #made = 0
  #discarded = 0
  #reduced: string | undefined
  #closed = false

  /** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
  constructor(options: PipePoolOptions = {}) {
    if (typeof options !== 'object' || options === null)
      throw invalidArgType('options', 'of type object', options)
    const { pipes = 32, capacity = PIPE_CAPACITY, maxWaiting = 1024 } = options
    checkInteger(pipes, 'options.pipes', 1, 2 ** 16)
    checkInteger(capacity, 'options.capacity', 1, 2 ** 31 - 1)
    checkInteger(maxWaiting, 'options.maxWaiting', 0, 2 ** 20)
    this.pipes = pipes
    this.capacity = capacity
    this.#maxWaiting = maxWaiting
  }

  /** What it has, and has been through. */
  stats(): PipePoolStats {
    return {
      open: this.#idle.length + this.#out.size,
      idle: this.#idle.length,
      waiting: this.#waiting.size,
      made: this.#made,
      discarded: this.#discarded,
      reduced: this.#reduced,
    }
  }

  /**
   * An empty pipe; undefined while all are out.
   *
   * @throws `ERR_SLUICE_CLOSED`; the system error of pipe2(2): `EMFILE`, `ENFILE`
   */
  take(): Pipe | undefined {
    if (this.#closed) throw closedError()
    const kept = this.#idle.pop()
    // It would stay small for ever.
    if (kept?.reduced !== undefined) kept.enlarge()
    const pipe = kept ?? (this.#out.size < this.pipes ? this.#make() : undefined)
    if (pipe !== undefined) this.#out.add(pipe)
    return pipe
  }

  /**
   * An empty pipe, as soon as there is one.
   *
   * @returns rejects with `ERR_SLUICE_CLOSED`, with `ERR_SLUICE_QUEUE_FULL` where too many wait, with `AbortError`; with
   *   `EMFILE` or `ENFILE` where none can be made and none is out that could come back
   */
  async acquire(signal?: AbortSignal): Promise<Pipe> {
    if (signal?.aborted) throw new AbortError(signal)
    try {
      const pipe = this.take()
      if (pipe !== undefined) return pipe
    } catch (error) {
      if (this.#closed || this.#out.size === 0) throw error
    }
    if (this.#waiting.size < this.#maxWaiting) return this.#wait(signal)
    const text = `All ${this.pipes} pipes are out and ${this.#waiting.size} callers wait`
    throw new SluiceError('ERR_SLUICE_QUEUE_FULL', text)
  }

  #wait(signal: AbortSignal | undefined): Promise<Pipe> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.delete(waiter)
        reject(new AbortError(signal as AbortSignal))
      }
      const settled = () => signal?.removeEventListener('abort', abort)
      const waiter: Waiter = {
        resolve: pipe => {
          settled()
          resolve(pipe)
        },
        reject: error => {
          settled()
          reject(error)
        },
      }
      this.#waiting.add(waiter)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  #make(): Pipe {
    const pipe = new Pipe({ capacity: this.capacity })
    this.#made++
    if (pipe.reduced !== undefined) this.#reduced = pipe.reduced
    if (events.hasSubscribers)
      events.publish({ event: 'open', capacity: pipe.capacity, reduced: pipe.reduced })
    return pipe
  }

  /**
   * Takes a pipe back. One that is not empty is closed. No operation on it may be in flight.
   *
   * @throws `ERR_INVALID_ARG_VALUE` for a pipe that is not out of this pool
   */
  release(pipe: Pipe): void {
    if (!this.#out.delete(pipe)) throw invalidArgValue('pipe', pipe, 'is not out of this pool')
    const clean = !pipe.closed && pipe.pending === 0
    if (!clean) {
      this.#discarded++
      pipe.close()
    }
    if (clean && !this.#closed) this.#idle.push(pipe)
    else pipe.close()
    this.#serve()
  }

  /** Gives whoever waits a pipe. */
  #serve(): void {
    for (const waiter of this.#waiting) {
      try {
        const pipe = this.take()
        if (pipe === undefined) return
        this.#waiting.delete(waiter)
        waiter.resolve(pipe)
      } catch (error) {
        // While others are out, theirs will do later.
        if (!this.#closed && this.#out.size > 0) return
        this.#waiting.delete(waiter)
        waiter.reject(error as Error)
      }
    }
  }

  /** Closes the pipes that nobody uses. @returns how many */
  trim(): number {
    const pipes = this.#idle.splice(0)
    for (const pipe of pipes) pipe.close()
    return pipes.length
  }

  /** Hands out no more pipes, rejects who waits, closes the idle ones now and the others as they come back. */
  close(): void {
    this.#closed = true
    this.trim()
    this.#serve()
  }

  /** As `close()`. */
  [Symbol.dispose](): void {
    this.close()
  }
}

let own: PipePool | undefined

/** This thread's pool, made at first use: what transfers take their pipes from. */
export function pipePool(): PipePool {
  own ??= new PipePool()
  return own
}

function closedError(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'The pool is closed')
}
