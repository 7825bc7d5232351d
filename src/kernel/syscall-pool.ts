import { SluiceError, systemError } from './errors.js'
import { type NativeHandle, native } from './native.js'
import { OwnedDescriptor } from './owned-descriptor.js'
import { syscall } from './syscall.js'

/** Words of 32 bits in a job: the call's number, six arguments and the caller's mark, 64 bits each. */
export const JOB_WORDS = 16

const COMPLETION_WORDS = 4
const HIGH = 2 ** 32
const EFD_FLAGS = 0o2000000 | 0o4000 // EFD_CLOEXEC | EFD_NONBLOCK

/** The number of a job that stands for others: its arguments are their address and how many they are. */
export const RUN_JOBS = -1

/** Writes a job at `at`. Arguments are numbers: descriptors, lengths, addresses, flags. */
export function writeJob(
  words: Int32Array,
  at: number,
  number: number,
  mark: number,
  a0 = 0,
  a1 = 0,
  a2 = 0,
  a3 = 0,
  a4 = 0,
  a5 = 0,
): void {
  put(words, at, number)
  put(words, at + 2, a0)
  put(words, at + 4, a1)
  put(words, at + 6, a2)
  put(words, at + 8, a3)
  put(words, at + 10, a4)
  put(words, at + 12, a5)
  put(words, at + 14, mark)
}

function put(words: Int32Array, at: number, value: number): void {
  words[at] = value
  words[at + 1] = Math.floor(value / HIGH)
}

/** The 64-bit integer in two words, as a number. */
function get(words: Int32Array, at: number): number {
  return words[at + 1] * HIGH + (words[at] >>> 0)
}

const RESULT_OF = -(2 ** 52)

/**
 * As an argument of a job among several: the result of an earlier one, such as the descriptor that it opened. Where that
 * one failed, the job is not carried out, and its result is `-ECANCELED`.
 *
 * @param index of the earlier job
 */
export function resultOf(index: number): number {
  return RESULT_OF - index
}

/** Carries out `count` jobs on the calling thread in one crossing; `jobResult()` reads what came of each. */
export function runJobs(words: Int32Array, count: number): void {
  native().run(words, count)
}

/** What {@link runJobs} left of the job at `at`: the result, or -errno. */
export function jobResult(words: Int32Array, at: number): number {
  return get(words, at)
}

/** The eventfd is signalled when there is something to `reap()`. @see eventfd(2) */
export interface SyscallPoolOptions {
  /** Threads, 1 to 64. */
  threads: number
  /** Jobs under way at most, a power of two. */
  capacity: number
}

/**
 * Threads that carry out system calls. Jobs go in and results come out through shared memory; handing over any
 * number of jobs is one crossing, and hearing of any number of results is one wake-up.
 *
 * Nobody but the caller keeps the memory alive that a job points to.
 */
export class SyscallPool {
  /** Readable when completions wait: put it on an event loop. */
  readonly eventFd: number
  /** Jobs under way at most. */
  readonly capacity: number
  readonly #handle: NativeHandle
  readonly #event: OwnedDescriptor
  readonly #jobs: Int32Array
  readonly #completions: Int32Array
  readonly #control = new Int32Array(new ArrayBuffer(64))
  readonly #signal = new Uint8Array(new ArrayBuffer(8))
  readonly #mask: number
  #tail = 0
  #reaped = 0
  #unsubmitted = 0
  #underWay = 0
  #closed = false

  constructor(options: SyscallPoolOptions) {
    this.capacity = options.capacity
    this.#mask = options.capacity - 1
    this.#jobs = new Int32Array(new ArrayBuffer(options.capacity * JOB_WORDS * 4))
    this.#completions = new Int32Array(new ArrayBuffer(options.capacity * COMPLETION_WORDS * 4))
    // Owned before the threads are: when this thread ends, it must outlive them.
    this.#event = new OwnedDescriptor(syscall('eventfd2', 0, EFD_FLAGS), 'eventfd')
    this.eventFd = this.#event.fd
    const handle = native().pool(
      options.threads,
      options.capacity,
      this.#jobs,
      this.#completions,
      this.#control,
      this.eventFd,
    )
    if (typeof handle === 'number') {
      this.#event.close()
      throw systemError(handle, 'pthread_create')
    }
    this.#handle = handle
  }

  /** Jobs that have been taken and not yet reaped. */
  get underWay(): number {
    return this.#underWay
  }

  /**
   * Takes a place for a job and writes it.
   *
   * @param mark comes back with the result
   * @returns false when `capacity` jobs are under way
   */
  push(number: number, mark: number, a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0): boolean {
    if (this.#closed) throw new SluiceError('ERR_SLUICE_CLOSED', 'The pool is closed')
    if (this.#underWay === this.capacity) return false
    writeJob(this.#jobs, (this.#tail++ & this.#mask) * JOB_WORDS, number, mark, a0, a1, a2, a3, a4, a5)
    this.#underWay++
    this.#unsubmitted++
    return true
  }

  /** Hands every job pushed so far to the threads. */
  submit(): void {
    if (this.#unsubmitted === 0) return
    native().poolSubmit(this.#handle, this.#unsubmitted)
    this.#unsubmitted = 0
  }

  /** Whether results wait to be reaped. */
  get ready(): boolean {
    return Atomics.load(this.#control, 0) !== this.#reaped
  }

  /**
   * Gives every result there is to `callback`.
   *
   * @param quieten false where the eventfd is watched edge-triggered: then it need not be read
   * @returns how many there were
   */
  reap(callback: (mark: number, result: number) => void, quieten = true): number {
    // Quieten, say that we look, look: a thread that completes before the second step is seen by the third, and one
    // after it signals again. The other way round, quietening could swallow the signal of what is not seen yet.
    if (Atomics.load(this.#control, 1) !== 0) {
      if (quieten) syscall('read', this.eventFd, this.#signal, 8)
      Atomics.exchange(this.#control, 1, 0)
    }
    const end = Atomics.load(this.#control, 0)
    let count = 0
    try {
      while (this.#reaped !== end) {
        const at = (this.#reaped & this.#mask) * COMPLETION_WORDS
        this.#reaped = (this.#reaped + 1) | 0
        this.#underWay--
        count++
        callback(get(this.#completions, at), get(this.#completions, at + 2))
      }
    } finally {
      // The callback has thrown: nobody else would signal what it has not been given.
      if (this.#reaped !== end) this.#signalAgain()
    }
    return count
  }

  #signalAgain(): void {
    Atomics.store(this.#control, 1, 1)
    new BigUint64Array(this.#signal.buffer)[0] = 1n
    syscall('write', this.eventFd, this.#signal, 8)
  }

  /**
   * Has the thread that carries out a job leave a system call that waits: it ends with `EINTR`. The signal is lost
   * where the thread was not waiting yet, so that whoever insists repeats this.
   *
   * @returns false where no thread is at that job
   */
  interrupt(mark: number): boolean {
    return native().poolInterrupt(this.#handle, mark)
  }

  /** Waits for what is running, interrupting it after 100 ms; drops what is queued; ends the threads. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    native().poolClose(this.#handle)
    this.#event.close()
  }
}
