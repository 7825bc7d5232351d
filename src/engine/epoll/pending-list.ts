import type { Pending } from './pending.js'

/** Operations that wait for the same thing, in order. One that is cancelled leaves from the middle in O(1). */
export class PendingList {
  first: Pending | undefined
  #last: Pending | undefined

  /** Adds one at the end; it must be in no other list. */
  push(pending: Pending): void {
    pending.list = this
    pending.previous = this.#last
    if (this.#last === undefined) this.first = pending
    else this.#last.next = pending
    this.#last = pending
  }

  /** Takes one out, wherever it stands. */
  remove(pending: Pending): void {
    const { previous, next } = pending
    if (previous === undefined) this.first = next
    else previous.next = next
    if (next === undefined) this.#last = previous
    else next.previous = previous
    pending.list = undefined
    pending.previous = undefined
    pending.next = undefined
  }

  /** Takes the first. */
  shift(): Pending | undefined {
    const { first } = this
    if (first !== undefined) this.remove(first)
    return first
  }

  /** Every member, from the first on; the one being looked at may leave meanwhile. */
  *[Symbol.iterator](): Generator<Pending> {
    let pending = this.first
    while (pending !== undefined) {
      const { next } = pending
      yield pending
      pending = next
    }
  }
}
