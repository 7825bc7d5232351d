import { checkInteger, IORING_OP, POLL, SluiceError, SQE_WORD } from '../kernel/index.js'
import type { CompletionCallback, SubmissionQueue } from '../ring/index.js'
import type { Driver, DriverStats } from './driver.js'
import { Attempts } from './epoll/attempts.js'
import { begin, place, placeOf } from './epoll/begin.js'
import { takeChain } from './epoll/chain.js'
import { CompletionList } from './epoll/completion-list.js'
import { announce, finish, start } from './epoll/ending.js'
import { EntryQueue } from './epoll/entry-queue.js'
import { FdFacts } from './epoll/fd-facts.js'
import { WAY, wayOf } from './epoll/offered.js'
import { isFinal } from './epoll/outcome.js'
import type { Parts } from './epoll/parts.js'
import { type Pending, PendingTable } from './epoll/pending.js'
import { PendingList } from './epoll/pending-list.js'
import { Readiness } from './epoll/readiness.js'
import { defaultThreads, Threads } from './epoll/threads.js'
import { countDown, expired } from './epoll/time-outs.js'
import { Timers } from './epoll/timers.js'
import { attempted, carriedOut, ready, unpollable } from './epoll/transfer.js'
import { pollMask, type Watch } from './epoll/watch.js'

const { USER_DATA, USER_DATA_HIGH } = SQE_WORD
/** An entry without flags and priority is its operation and nothing else. */
const PLAIN = 256

/**
 * Operations where io_uring is refused: non-blocking system calls, epoll, and threads for what would block.
 *
 * See docs/internals/epoll-driver.md.
 */
export class EpollDriver implements Driver {
  readonly name = 'epoll'
  readonly buffers = undefined
  readonly silences = false
  readonly submissions: SubmissionQueue
  readonly fd: number
  readonly #queue: EntryQueue
  readonly #parts: Parts
  readonly #woken: Watch[] = []
  #open = true
  readonly #conclude = (pending: Pending | undefined, entry: number, result: number) =>
    this.#attempted(pending, entry, result)

  /** @throws the system error where descriptors are exhausted */
  constructor(options: { entries: number; threads: number | undefined }) {
    const { entries, threads = defaultThreads() } = options
    checkInteger(threads, 'options.threads', 1, 64)
    this.#queue = new EntryQueue(entries)
    this.submissions = this.#queue.submissions
    const table = new PendingTable()
    const readiness = new Readiness((pending, error) => unpollable(this.#parts, pending, error))
    this.fd = readiness.fd
    this.#parts = {
      table,
      readiness,
      completions: new CompletionList(4 * this.submissions.capacity),
      attempts: new Attempts(),
      threads: new Threads(threads, table, readiness),
      timers: new Timers(readiness),
      facts: new FdFacts(),
      starting: new PendingList(),
      counting: new Set(),
      flush: () => this.#parts.attempts.run(this.#conclude),
    }
  }

  submit(): number {
    if (!this.#open) return 0
    const queue = this.#queue
    const { completions, facts } = this.#parts
    this.submissions.publish()
    facts.forget()
    const { head, tail } = queue
    let at = head
    while (at !== tail && !completions.full) at = this.#take(at, tail)
    this.#settle()
    queue.consume(at)
    return (at - head) | 0
  }

  /** Takes up the entry at a position, with its chain. @returns the next position */
  #take(position: number, tail: number): number {
    const parts = this.#parts
    const { words, mask } = this.#queue
    const at = (position & mask) * 16
    const head = words[at]
    if (head >= 0 && head < PLAIN && wayOf(head) === WAY.ATTEMPT) {
      const where = placeOf(parts, words, at)
      if (where === 'attempt') {
        if (parts.attempts.full) parts.flush()
        parts.attempts.addEntry(words, at)
      } else {
        place(parts, parts.table.take(words, at), where)
      }
      return (position + 1) | 0
    }
    const chain = takeChain(parts, words, mask, position, tail)
    if (chain.head !== undefined) begin(parts, chain.head)
    return chain.next
  }

  #attempted(pending: Pending | undefined, entry: number, result: number): void {
    const parts = this.#parts
    if (pending !== undefined) {
      attempted(parts, pending, result)
      return
    }
    const { words } = this.#queue
    if (isFinal(words, entry, result)) {
      parts.completions.post(words[entry + USER_DATA], words[entry + USER_DATA_HIGH], result, 0)
    } else attempted(parts, parts.table.take(words, entry), result)
  }

  /** Carries on with everything that can go on without waiting. */
  #settle(): void {
    const parts = this.#parts
    do {
      this.#advance()
      parts.readiness.arm()
      parts.threads.submit(
        (pending, error) => finish(parts, pending, error),
        closer => start(parts, closer),
      )
    } while (parts.starting.first !== undefined || this.#woken.length > 0)
    parts.timers.program()
  }

  /** Every round ends an operation, has it wait, or moves bytes: there is an end to it. */
  #advance(): void {
    const parts = this.#parts
    do {
      for (let next = parts.starting.shift(); next !== undefined; next = parts.starting.shift())
        begin(parts, next)
      this.#serve()
      parts.flush()
      if (parts.counting.size > 0) countDown(parts)
    } while (parts.starting.first !== undefined || this.#woken.length > 0)
  }

  /** Tries the first of those who wait for each descriptor that is ready. */
  #serve(): void {
    const woken = this.#woken
    let kept = 0
    for (const watch of woken) {
      const reader = watch.readable ? watch.readers.first : undefined
      const writer = watch.writable ? watch.writers.first : undefined
      if (reader === undefined && writer === undefined) {
        this.#rest(watch)
        continue
      }
      if (reader !== undefined) this.#retry(reader)
      if (writer !== undefined) this.#retry(writer)
      woken[kept++] = watch
    }
    woken.length = kept
  }

  #retry(pending: Pending): void {
    const parts = this.#parts
    const { fd, operation } = pending
    // Who else has the socket may have made it blocking since.
    if (operation === IORING_OP.ACCEPT) pending.blind = !parts.facts.isNonBlocking(fd)
    if (pending.blind) ready(parts, pending)
    else place(parts, pending, 'attempt')
  }

  /** A descriptor has given what it had; who waits still is told of more. */
  #rest(watch: Watch): void {
    watch.woken = false
    watch.readable = false
    watch.writable = false
    if (!watch.idle) this.#parts.readiness.rearm(watch)
  }

  #wake(watch: Watch, events: number): void {
    if (watch.notify !== undefined) {
      watch.notify()
      return
    }
    this.#tellPolls(watch, events)
    if (watch.kept) return
    watch.wake(events)
    if (watch.woken) return
    watch.woken = true
    this.#woken.push(watch)
  }

  #tellPolls(watch: Watch, events: number): void {
    const parts = this.#parts
    for (const poll of watch.polls) {
      const told = events & (pollMask(poll) | POLL.ERR | POLL.HUP)
      if (told === 0) continue
      if (watch.kept) {
        announce(parts, poll, told)
      } else {
        parts.readiness.remove(poll)
        finish(parts, poll, told)
      }
    }
  }

  reap(callback: CompletionCallback, look = true): number {
    const parts = this.#parts
    if (!this.#open) return 0
    // First what is there: a multishot receive has one buffer, which its next round overwrites.
    const seen = parts.completions.drain(callback)
    parts.facts.forget()
    if (look) {
      parts.readiness.look((watch, events) => this.#wake(watch, events))
      parts.timers.expire(pending => expired(parts, pending))
    }
    parts.threads.reap(
      (pending, result) => carriedOut(parts, pending, result),
      closer => start(parts, closer),
    )
    this.#settle()
    return seen + parts.completions.drain(callback)
  }

  supports(operation: number): boolean {
    return wayOf(operation) !== WAY.NONE
  }

  /** Never: only io_uring picks from registered memory. */
  blockRing(): undefined {
    return undefined
  }

  /** As `blockRing()`. */
  bufferRing(): undefined {
    return undefined
  }

  /** Here a completion costs next to nothing, so every operation has one. */
  silence(): void {}

  discountSilent(): void {}

  stats(): DriverStats {
    const { attempts, readiness, threads, completions } = this.#parts
    return {
      enters: attempts.crossings + readiness.calls + threads.calls,
      overflows: completions.overflows,
    }
  }

  close(): void {
    const { table, threads, timers, readiness } = this.#parts
    if (table.size > 0)
      throw new SluiceError('ERR_SLUICE_IN_FLIGHT', `${table.size} operations are in flight`)
    this.#open = false
    threads.close()
    timers.close()
    readiness.close()
  }
}
