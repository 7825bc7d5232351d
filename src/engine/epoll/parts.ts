import type { Attempts } from './attempts.js'
import type { CompletionList } from './completion-list.js'
import type { FdFacts } from './fd-facts.js'
import type { Pending, PendingTable } from './pending.js'
import type { PendingList } from './pending-list.js'
import type { Readiness } from './readiness.js'
import type { Threads } from './threads.js'
import type { Timers } from './timers.js'

/** What the driver is made of. Each step of an operation works on these; none calls the next, but leaves it here. */
export interface Parts {
  readonly table: PendingTable
  readonly completions: CompletionList
  readonly attempts: Attempts
  readonly readiness: Readiness
  readonly threads: Threads
  readonly timers: Timers
  readonly facts: FdFacts
  /** Operations to be begun, or tried again, in this round. */
  readonly starting: PendingList
  /** Time-outs that also end after a number of completions: `wanted` of them. */
  readonly counting: Set<Pending>
  /** Carries out what has been collected in `attempts`. */
  readonly flush: () => void
}
