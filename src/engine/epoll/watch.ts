import { POLL } from '../../kernel/index.js'
import type { Pending } from './pending.js'
import { PendingList } from './pending-list.js'

/** What an operation waits for on its descriptor. */
export type Direction = 'read' | 'write' | 'poll'

/** Events that let a reader go on; errors show themselves to whoever tries. */
const READ_EVENTS = POLL.IN | POLL.PRI | POLL.RDHUP | POLL.HUP | POLL.ERR
const WRITE_EVENTS = POLL.OUT | POLL.HUP | POLL.ERR

/** The events that a poll asks for. */
export function pollMask(pending: Pending): number {
  return pending.words[7] & 0xffff
}

/** One descriptor in the epoll set, and who waits for it. */
export class Watch {
  readonly fd: number
  readonly readers = new PendingList()
  readonly writers = new PendingList()
  readonly polls = new PendingList()
  /** Told of every event, for a descriptor of the driver's own. */
  readonly notify: (() => void) | undefined
  /** The kernel knows the descriptor, as far as we know. */
  registered = false
  /** Armed for good, for the one operation that waits: a multishot poll. */
  kept = false
  /** A duplicate of ours, for those who waited when their descriptor was closed. */
  heir = false
  /** To be armed: somebody waits whom the kernel has not been told of. */
  dirty = false
  /** Among those to be served. */
  woken = false
  /** The last event said so, and no attempt since has been told otherwise. */
  readable = false
  writable = false

  constructor(fd: number, notify?: () => void) {
    this.fd = fd
    this.notify = notify
  }

  /** Those who wait for one thing. */
  list(direction: Direction): PendingList {
    if (direction === 'read') return this.readers
    return direction === 'write' ? this.writers : this.polls
  }

  /** What the kernel is to tell of. */
  get interest(): number {
    let events = 0
    if (this.readers.first !== undefined) events |= POLL.IN
    if (this.writers.first !== undefined) events |= POLL.OUT
    for (const poll of this.polls) events |= pollMask(poll)
    return events
  }

  /** Nobody waits. */
  get idle(): boolean {
    return (
      this.readers.first === undefined && this.writers.first === undefined && this.polls.first === undefined
    )
  }

  /** Takes note of events. */
  wake(events: number): void {
    if ((events & READ_EVENTS) !== 0) this.readable = true
    if ((events & WRITE_EVENTS) !== 0) this.writable = true
  }
}
