import type { Pending } from './pending.js'

/** Operations by deadline, the earliest first; those of one deadline in the order of their taking up. */
export class TimerHeap {
  readonly #heap: Pending[] = []
  readonly #order: number[] = []
  #taken = 0

  /** The one that is due first. */
  get first(): Pending | undefined {
    return this.#heap[0]
  }

  /** Adds one by its `deadline`. */
  push(pending: Pending): void {
    this.#heap.push(pending)
    this.#order.push(this.#taken++)
    pending.place = this.#heap.length - 1
    this.#up(pending.place)
  }

  /** Takes one out, wherever it stands. */
  remove(pending: Pending): void {
    const { place } = pending
    if (place < 0) return
    this.#swap(place, this.#heap.length - 1)
    this.#heap.pop()
    this.#order.pop()
    pending.place = -1
    if (place === this.#heap.length) return
    this.#up(place)
    this.#down(place)
  }

  #before(a: number, b: number): boolean {
    const difference = this.#heap[a].deadline - this.#heap[b].deadline
    return difference === 0 ? this.#order[a] < this.#order[b] : difference < 0
  }

  #swap(a: number, b: number): void {
    const heap = this.#heap
    const order = this.#order
    const pending = heap[a]
    heap[a] = heap[b]
    heap[b] = pending
    const taken = order[a]
    order[a] = order[b]
    order[b] = taken
    heap[a].place = a
    heap[b].place = b
  }

  #up(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1
      if (!this.#before(at, parent)) return
      this.#swap(at, parent)
      at = parent
    }
  }

  #down(from: number): void {
    for (let at = from; ; ) {
      const left = 2 * at + 1
      if (left >= this.#heap.length) return
      const right = left + 1
      const least = right < this.#heap.length && this.#before(right, left) ? right : left
      if (!this.#before(least, at)) return
      this.#swap(at, least)
      at = least
    }
  }
}
