import { availableParallelism } from 'node:os'
import { IORING_OP, SQE_WORD, SYSCALL, SyscallPool } from '../../kernel/index.js'
import { DiskReads } from './disk-reads.js'
import type { Pending, PendingTable } from './pending.js'
import { PendingList } from './pending-list.js'
import type { Readiness } from './readiness.js'
import { threadCall } from './thread-call.js'
import { wide } from './words.js'

const MAX_THREADS = 64
/** Jobs handed over beyond those that run: enough to keep threads busy; what is not handed over can be cancelled. */
const JOBS_A_THREAD = 16
/** How often a call that was to be interrupted is interrupted again, in milliseconds. */
const INSIST_MS = 20

const { FD, OFF, ADDR, LEN, OP_FLAGS, FILE_INDEX } = SQE_WORD

/** What may wait for something that never comes: the other end of a FIFO, above all. */
const PATIENT: ReadonlySet<number> = new Set([
  IORING_OP.OPENAT,
  IORING_OP.OPENAT2,
  IORING_OP.SPLICE,
  IORING_OP.TEE,
  IORING_OP.ACCEPT,
  IORING_OP.CONNECT,
])

/** The default number of threads: 4 for each CPU, 64 at most. */
export function defaultThreads(): number {
  return Math.min(4 * availableParallelism(), MAX_THREADS)
}

/**
 * Operations on threads. What may wait for ever never takes more than half of them, so that the rest goes on; with
 * a single thread there is no such protection.
 */
export class Threads {
  #calls = 0
  readonly #threads: number
  readonly #table: PendingTable
  readonly #readiness: Readiness
  readonly #queue = new PendingList()
  readonly #patient = new PendingList()
  readonly #disk: DiskReads
  readonly #patience: number
  /** Jobs of each descriptor, handed over or not; and who waits to close it. */
  readonly #jobs = new Map<number, number>()
  readonly #closing = new Map<number, PendingList>()
  readonly #interrupted = new Set<Pending>()
  #pool: SyscallPool | undefined
  #woken = false
  #waiting = 0
  #patientRunning = 0
  #insist: NodeJS.Timeout | undefined

  constructor(count: number, table: PendingTable, readiness: Readiness) {
    this.#threads = count
    this.#table = table
    this.#readiness = readiness
    this.#patience = Math.max(1, count >> 1)
    this.#disk = new DiskReads(table, readiness)
  }

  /** Times that jobs were handed over, and system calls for those that need no thread. */
  get calls(): number {
    return this.#calls + this.#disk.calls
  }

  /** Queues an operation. @param direct it reads from a file that was opened with `O_DIRECT` */
  add(pending: Pending, direct = false): void {
    pending.state = 'queued'
    this.#count(pending.fd, 1)
    if (hasSource(pending)) this.#count(pending.words[FILE_INDEX], 1)
    if (direct && this.#disk.takes(pending)) {
      this.#disk.queue.push(pending)
      return
    }
    const list = isPatient(pending) ? this.#patient : this.#queue
    list.push(pending)
    this.#waiting++
  }

  /** What the kernel would not read without waiting goes to a thread after all. */
  readonly #refused = (pending: Pending): void => {
    pending.state = 'queued'
    this.#queue.push(pending)
    this.#waiting++
  }

  /** Whether operations on a descriptor are with the threads. */
  busy(fd: number): boolean {
    return this.#jobs.has(fd)
  }

  /** Has an operation wait until the threads have done with its descriptor. */
  afterwards(pending: Pending): void {
    pending.state = 'queued'
    let list = this.#closing.get(pending.fd)
    if (list === undefined) {
      list = new PendingList()
      this.#closing.set(pending.fd, list)
    }
    list.push(pending)
  }

  /**
   * Hands over as much as there is room for.
   *
   * @param failed is given what cannot be handed over since threads cannot be had
   */
  submit(failed: (pending: Pending, error: number) => void, free: (pending: Pending) => void): void {
    this.#disk.submit(this.#refused)
    if (this.#waiting === 0) return
    const pool = this.#open()
    if (typeof pool === 'number') {
      for (const list of [this.#queue, this.#patient]) {
        for (const pending of list) {
          this.stop(pending, free)
          failed(pending, pool)
        }
      }
      return
    }
    let handed = 0
    while (pool.underWay < pool.capacity) {
      const patient = this.#patientRunning < this.#patience ? this.#patient.first : undefined
      const pending = patient ?? this.#queue.first
      if (pending === undefined) break
      pending.list?.remove(pending)
      pending.state = 'running'
      if (patient !== undefined) this.#patientRunning++
      this.#waiting--
      handed++
      push(pool, pending)
    }
    if (handed > 0) {
      this.#calls++
      pool.submit()
    }
  }

  /** Threads are made when they are first needed; a set of sockets never needs them. */
  #open(): SyscallPool | number {
    if (this.#pool === undefined) {
      const capacity = 2 ** Math.ceil(Math.log2(this.#threads * JOBS_A_THREAD))
      try {
        this.#pool = new SyscallPool({ threads: this.#threads, capacity })
      } catch (error) {
        const { errno } = error as NodeJS.ErrnoException
        if (errno === undefined) throw error
        return errno
      }
      this.#readiness.watch(this.#pool.eventFd, () => {
        this.#woken = true
      })
    }
    return this.#pool
  }

  /**
   * Gives what the threads have done, and the operations that waited for that.
   *
   * @param done is given each operation and its result
   * @param free is given each operation that waited until its descriptor was free
   */
  reap(done: (pending: Pending, result: number) => void, free: (pending: Pending) => void): void {
    this.#disk.reap((pending, result) => this.#ended(pending, result, done, free), this.#refused)
    const pool = this.#pool
    if (pool === undefined || !(this.#woken || pool.ready)) return
    this.#woken = false
    pool.reap((mark, result) => {
      const pending = this.#table.at(mark)
      if (isPatient(pending)) this.#patientRunning--
      this.#ended(pending, result, done, free)
    }, false)
  }

  #ended(
    pending: Pending,
    result: number,
    done: (pending: Pending, result: number) => void,
    free: (pending: Pending) => void,
  ): void {
    this.#interrupted.delete(pending)
    const { fd } = pending
    const source = hasSource(pending) ? pending.words[FILE_INDEX] : fd
    this.#left(pending)
    done(pending, result)
    this.#release(fd, free)
    if (source !== fd) this.#release(source, free)
  }

  #count(fd: number, change: number): void {
    const jobs = (this.#jobs.get(fd) ?? 0) + change
    if (jobs > 0) this.#jobs.set(fd, jobs)
    else this.#jobs.delete(fd)
  }

  #left(pending: Pending): void {
    this.#count(pending.fd, -1)
    if (hasSource(pending)) this.#count(pending.words[FILE_INDEX], -1)
  }

  #release(fd: number, free: (pending: Pending) => void): void {
    const list = this.#closing.get(fd)
    if (list === undefined || this.#jobs.has(fd)) return
    this.#closing.delete(fd)
    for (const pending of list) {
      list.remove(pending)
      free(pending)
    }
  }

  /**
   * Takes back an operation, or interrupts it.
   *
   * @returns false where it runs: it will end by itself, interrupted if its call waits for something
   */
  stop(pending: Pending, free: (pending: Pending) => void): boolean {
    if (pending.state === 'running') {
      pending.cancelled = true
      this.#interrupted.add(pending)
      this.#pool?.interrupt(pending.index)
      this.#insist ??= setInterval(() => this.#interruptAgain(), INSIST_MS).unref()
      return false
    }
    const { list } = pending
    list?.remove(pending)
    if (list !== this.#queue && list !== this.#patient && list !== this.#disk.queue) return true
    if (list !== this.#disk.queue) this.#waiting--
    this.#left(pending)
    this.#release(pending.fd, free)
    if (hasSource(pending)) this.#release(pending.words[FILE_INDEX], free)
    return true
  }

  /** A signal that came before its call had begun to wait was lost. */
  #interruptAgain(): void {
    for (const pending of this.#interrupted) this.#pool?.interrupt(pending.index)
    if (this.#interrupted.size > 0) return
    clearInterval(this.#insist)
    this.#insist = undefined
  }

  /** Ends the threads; nothing may be with them. */
  close(): void {
    clearInterval(this.#insist)
    this.#disk.close()
    this.#pool?.close()
  }
}

/** A splice or tee has a second descriptor. */
function hasSource(pending: Pending): boolean {
  return pending.operation === IORING_OP.SPLICE || pending.operation === IORING_OP.TEE
}

function isPatient(pending: Pending): boolean {
  return pending.blind || PATIENT.has(pending.operation)
}

/** Writes the job of an operation. The common ones are spared the detour. */
function push(pool: SyscallPool, pending: Pending): void {
  const { words, index } = pending
  const head = words[0] & 0xff
  const position = wide(words, OFF)
  if ((head === IORING_OP.WRITE || head === IORING_OP.READ) && words[OP_FLAGS] === 0 && position !== -1) {
    const number = head === IORING_OP.READ ? SYSCALL.pread64 : SYSCALL.pwrite64
    pool.push(number, index, words[FD], wide(words, ADDR), words[LEN] >>> 0, position)
    return
  }
  const { number, args } = threadCall(pending)
  pool.push(number, index, ...args)
}
