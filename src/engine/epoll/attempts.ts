import {
  addressOf,
  IORING_OP,
  IORING_RECVSEND,
  JOB_WORDS,
  MSG,
  MSGHDR,
  RWF,
  runJobs,
  SQE_WORD,
  SYSCALL,
} from '../../kernel/index.js'
import type { Pending } from './pending.js'
import { setWide } from './words.js'

/** Attempts in one crossing at most. */
const BATCH = 256
/** Memory beside each job for the iovec or header that its call points to. */
const SCRATCH_WORDS = 16
/** Descriptors are told apart by their lower bits; a power of two. */
const MARKS = 1024
const { OFF, ADDR, LEN, OP_FLAGS, FILE_INDEX } = SQE_WORD

/**
 * System calls that do not block, carried out together in one crossing of the native boundary. An operation stands
 * in it as its entry in the submission queue, which costs nothing to remember, or as a {@link Pending}.
 */
export class Attempts {
  /** How many there are. */
  count = 0
  /** Crossings so far. */
  crossings = 0
  readonly #jobs = new Int32Array(new ArrayBuffer(BATCH * JOB_WORDS * 4))
  readonly #scratch = new Int32Array(new ArrayBuffer(BATCH * SCRATCH_WORDS * 4))
  /** Address of each job's scratch memory, in two words. */
  readonly #address = new Int32Array(BATCH * 2)
  readonly #entries = new Int32Array(BATCH)
  readonly #pending: (Pending | undefined)[] = new Array(BATCH).fill(undefined)
  readonly #marks = new Uint32Array(MARKS)
  #batch = 1

  constructor() {
    const base = addressOf(this.#scratch)
    for (let job = 0; job < BATCH; job++) setWide(this.#address, job * 2, base + job * SCRATCH_WORDS * 4)
  }

  /** Whether no more can be added before `run()`. */
  get full(): boolean {
    return this.count === BATCH
  }

  /**
   * Notes that one direction of a descriptor is tried in this batch, where order matters.
   *
   * @param direction 0 reading, 1 writing
   * @returns false when another attempt may already be in it: that must be over first
   */
  claim(fd: number, direction: number): boolean {
    const mark = ((fd << 1) | direction) & (MARKS - 1)
    if (this.#marks[mark] === this.#batch) return false
    this.#marks[mark] = this.#batch
    return true
  }

  /** Adds the entry at `at`; there must be room. */
  addEntry(words: Int32Array, at: number): void {
    this.#entries[this.count] = at
    this.#write(words, at)
  }

  /** Adds an operation that is under way. */
  addPending(pending: Pending): void {
    this.#pending[this.count] = pending
    this.#write(pending.words, 0)
  }

  /** Carries them out, and hands over to `conclude` what came of each. */
  run(conclude: (pending: Pending | undefined, entry: number, result: number) => void): void {
    const { count } = this
    if (count === 0) return
    const jobs = this.#jobs
    this.crossings++
    runJobs(jobs, count)
    for (let job = 0; job < count; job++) {
      const pending = this.#pending[job]
      if (pending !== undefined) this.#pending[job] = undefined
      conclude(pending, this.#entries[job], jobs[job * JOB_WORDS])
    }
    this.count = 0
    this.#batch = (this.#batch + 1) >>> 0
  }

  #write(words: Int32Array, at: number): void {
    const operation = words[at] & 0xff
    switch (operation) {
      case IORING_OP.READ:
        this.#vectored(SYSCALL.preadv2, words, at, true)
        break
      case IORING_OP.READV:
        this.#vectored(SYSCALL.preadv2, words, at, false)
        break
      case IORING_OP.WRITE:
        this.#vectored(SYSCALL.pwritev2, words, at, true)
        break
      case IORING_OP.WRITEV:
        this.#vectored(SYSCALL.pwritev2, words, at, false)
        break
      case IORING_OP.SEND:
      case IORING_OP.SEND_ZC:
        this.#send(words, at)
        break
      case IORING_OP.RECV:
        this.#start(SYSCALL.recvfrom, words, at)
        this.#move(words[at + LEN], words[at + OP_FLAGS])
        break
      case IORING_OP.RECVMSG:
        this.#start(SYSCALL.recvmsg, words, at)
        this.#message(words[at + OP_FLAGS])
        break
      case IORING_OP.SENDMSG:
      case IORING_OP.SENDMSG_ZC:
        this.#start(SYSCALL.sendmsg, words, at)
        this.#message(words[at + OP_FLAGS] | MSG.NOSIGNAL)
        break
      case IORING_OP.ACCEPT:
        this.#start(SYSCALL.accept4, words, at)
        this.#argument(2, words[at + OFF], words[at + OFF + 1])
        this.#argument(3, words[at + OP_FLAGS], 0)
        break
      default:
        // EPOLL_WAIT: the events, how many, no waiting, no signal mask.
        this.#start(SYSCALL.epoll_pwait, words, at)
        this.#argument(2, words[at + LEN], 0)
        this.#argument(3, 0, 0)
        this.#argument(4, 0, 0)
    }
    this.count++
  }

  /** Number, descriptor and address. */
  #start(number: number, words: Int32Array, at: number): void {
    const job = this.count * JOB_WORDS
    const jobs = this.#jobs
    jobs[job] = number
    jobs[job + 1] = 0
    jobs[job + 2] = words[at + SQE_WORD.FD]
    jobs[job + 3] = 0
    jobs[job + 4] = words[at + ADDR]
    jobs[job + 5] = words[at + ADDR + 1]
  }

  #argument(index: number, low: number, high: number): void {
    const at = this.count * JOB_WORDS + 2 + index * 2
    this.#jobs[at] = low
    this.#jobs[at + 1] = high
  }

  #move(length: number, flags: number): void {
    this.#argument(2, length, 0)
    this.#argument(3, flags | MSG.DONTWAIT, 0)
    this.#argument(4, 0, 0)
    this.#argument(5, 0, 0)
  }

  #message(flags: number): void {
    this.#argument(2, flags | MSG.DONTWAIT, 0)
  }

  /** preadv2 or pwritev2 with RWF_NOWAIT. @param single the address is the memory itself: it takes an iovec */
  #vectored(number: number, words: Int32Array, at: number, single: boolean): void {
    const { count } = this
    const jobs = this.#jobs
    const job = count * JOB_WORDS
    jobs[job] = number
    jobs[job + 1] = 0
    jobs[job + 2] = words[at + SQE_WORD.FD]
    jobs[job + 3] = 0
    if (single) {
      const vector = count * SCRATCH_WORDS
      const scratch = this.#scratch
      scratch[vector] = words[at + ADDR]
      scratch[vector + 1] = words[at + ADDR + 1]
      scratch[vector + 2] = words[at + LEN]
      scratch[vector + 3] = 0
      jobs[job + 4] = this.#address[count * 2]
      jobs[job + 5] = this.#address[count * 2 + 1]
      jobs[job + 6] = 1
    } else {
      jobs[job + 4] = words[at + ADDR]
      jobs[job + 5] = words[at + ADDR + 1]
      jobs[job + 6] = words[at + LEN]
    }
    jobs[job + 7] = 0
    jobs[job + 8] = words[at + OFF]
    jobs[job + 9] = words[at + OFF + 1]
    jobs[job + 10] = 0
    jobs[job + 11] = 0
    jobs[job + 12] = words[at + OP_FLAGS] | RWF.NOWAIT
    jobs[job + 13] = 0
  }

  #send(words: Int32Array, at: number): void {
    const { count } = this
    const flags = words[at + OP_FLAGS] | MSG.NOSIGNAL
    const nameLength = words[at + FILE_INDEX] & 0xffff
    if (((words[at] >>> 16) & IORING_RECVSEND.SEND_VECTORIZED) === 0) {
      this.#start(SYSCALL.sendto, words, at)
      this.#move(words[at + LEN], flags)
      this.#argument(4, words[at + OFF], words[at + OFF + 1])
      this.#argument(5, nameLength, 0)
      return
    }
    const header = count * SCRATCH_WORDS
    const scratch = this.#scratch
    scratch.fill(0, header, header + SCRATCH_WORDS)
    scratch[header + MSGHDR.NAME / 4] = words[at + OFF]
    scratch[header + MSGHDR.NAME / 4 + 1] = words[at + OFF + 1]
    scratch[header + MSGHDR.NAMELEN / 4] = nameLength
    scratch[header + MSGHDR.IOV / 4] = words[at + ADDR]
    scratch[header + MSGHDR.IOV / 4 + 1] = words[at + ADDR + 1]
    scratch[header + MSGHDR.IOVLEN / 4] = words[at + LEN]
    this.#start(SYSCALL.sendmsg, words, at)
    this.#argument(1, this.#address[count * 2], this.#address[count * 2 + 1])
    this.#message(flags)
  }
}
