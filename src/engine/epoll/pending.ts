import { IORING_OP, SQE_WORD } from '../../kernel/index.js'

const ENTRY_WORDS = 16

/**
 * Where an operation is.
 *
 * - `starting`: about to be carried out
 * - `linked`: behind others of its chain, or the time limit of one of them
 * - `waiting`: for its descriptor to become ready
 * - `queued`: for a thread, or for the threads to have done with its descriptor
 * - `running`: on a thread
 * - `timing`: for a point in time
 */
export type PendingState = 'starting' | 'linked' | 'waiting' | 'queued' | 'running' | 'timing'

/** An operation that did not end with its first, non-blocking attempt, or that is part of a chain. */
export class Pending {
  /** Its place in the table. */
  readonly index: number
  /** Its entry, copied; what has been moved already is taken off. */
  readonly words = new Int32Array(ENTRY_WORDS)
  userData = 0
  state: PendingState = 'starting'
  /** The descriptor it was given; a duplicate of ours may have taken its place in the entry. */
  original = 0
  /** Bytes asked for in the beginning, where the entry says so. */
  wanted = 0
  /** Bytes moved by earlier attempts. */
  done = 0
  /** Completions of a multishot since it was last ready; how far a splice has got. */
  step = 0
  /** Waits for readiness before its call, since that call cannot be told not to block. */
  blind = false
  /** Somebody has asked for its end while it was on a thread. */
  cancelled = false
  /** Memory of ours that its call points to. */
  scratch: ArrayBufferView | undefined
  /** The next of its chain. */
  link: Pending | undefined
  /** Its running time limit. */
  limit: Pending | undefined
  /** What it is the time limit of. */
  limited: Pending | undefined
  /** When it is due, in nanoseconds of its clock, and where it stands among the others; -1 for nowhere. */
  deadline = 0
  span = 0
  clock = 0
  place = -1
  /** The list it stands in. */
  list: { remove(pending: Pending): void } | undefined
  previous: Pending | undefined
  next: Pending | undefined
  /** An older operation with the same user data. */
  twin: Pending | undefined

  constructor(index: number) {
    this.index = index
  }

  /** Of `IORING_OP`. */
  get operation(): number {
    return this.words[0] & 0xff
  }

  /** Of `IOSQE`. */
  get flags(): number {
    return (this.words[0] >>> 8) & 0xff
  }

  /** The field that other operations keep flags in: multishot, poll first. */
  get priority(): number {
    return this.words[0] >>> 16
  }

  /** It limits the time of the entry before it. */
  get isLimit(): boolean {
    return this.operation === IORING_OP.LINK_TIMEOUT
  }

  get fd(): number {
    return this.words[SQE_WORD.FD]
  }

  fill(words: Int32Array, at: number): void {
    for (let word = 0; word < ENTRY_WORDS; word++) this.words[word] = words[at + word]
    // Of a silent operation the top bit is set: the completion queue's own mark.
    const high = words[at + SQE_WORD.USER_DATA_HIGH] & 0x7fffffff
    this.userData = high * 2 ** 32 + (words[at + SQE_WORD.USER_DATA] >>> 0)
    this.wanted = words[at + SQE_WORD.LEN] >>> 0
    this.original = words[at + SQE_WORD.FD]
    this.state = 'starting'
    this.done = 0
    this.step = 0
    this.blind = false
    this.cancelled = false
  }

  clear(): void {
    this.scratch = undefined
    this.link = undefined
    this.limit = undefined
    this.limited = undefined
    this.twin = undefined
  }
}

/**
 * The operations that are under way, by index and by user data. As many as the engine has slots can be in it;
 * they are made once and used over and over.
 */
export class PendingTable {
  readonly #all: Pending[] = []
  readonly #free: Pending[] = []
  readonly #byUserData = new Map<number, Pending>()

  /** How many are under way. */
  get size(): number {
    return this.#all.length - this.#free.length
  }

  /** Takes up the entry at `at`. */
  take(words: Int32Array, at: number): Pending {
    let pending = this.#free.pop()
    if (pending === undefined) {
      pending = new Pending(this.#all.length)
      this.#all.push(pending)
    }
    pending.fill(words, at)
    this.#enter(pending)
    return pending
  }

  #enter(pending: Pending): void {
    pending.twin = this.#byUserData.get(pending.userData)
    this.#byUserData.set(pending.userData, pending)
  }

  #leave(pending: Pending): void {
    const { userData, twin } = pending
    let other = this.#byUserData.get(userData)
    if (other === pending) {
      if (twin === undefined) this.#byUserData.delete(userData)
      else this.#byUserData.set(userData, twin)
      return
    }
    while (other !== undefined && other.twin !== pending) other = other.twin
    if (other !== undefined) other.twin = twin
  }

  /** The operation with that index. */
  at(index: number): Pending {
    return this.#all[index]
  }

  /** Every operation, or every one with that user data; collected, so that they may end meanwhile. */
  list(userData?: number): Pending[] {
    const heads =
      userData === undefined ? this.#byUserData.values() : [this.#byUserData.get(userData)].values()
    const found: Pending[] = []
    for (let pending of heads) {
      for (; pending !== undefined; pending = pending.twin) found.push(pending)
    }
    return found
  }

  /** Gives an operation other user data. */
  rename(pending: Pending, userData: number): void {
    this.#leave(pending)
    pending.userData = userData
    this.#enter(pending)
  }

  /** Takes back an operation that has ended. */
  release(pending: Pending): void {
    this.#leave(pending)
    pending.clear()
    this.#free.push(pending)
  }
}
