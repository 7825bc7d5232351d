/** A first-in, first-out queue with a stated limit. Taking is O(1), whatever its length. */
export class Fifo<T> {
  /** Items it can hold. */
  readonly limit: number
  #items: (T | undefined)[] = []
  #head = 0

  constructor(limit: number) {
    this.limit = limit
  }

  /** Items in it. */
  get length(): number {
    return this.#items.length - this.#head
  }

  /** Adds an item at the end. @returns false when it is full */
  push(item: T): boolean {
    if (this.length >= this.limit) return false
    this.#items.push(item)
    return true
  }

  /** The first item, left where it is. */
  peek(): T | undefined {
    return this.#items[this.#head]
  }

  /** Takes the first item. */
  shift(): T | undefined {
    if (this.length === 0) return undefined
    const item = this.#items[this.#head]
    this.#items[this.#head++] = undefined
    if (this.#head === this.#items.length) {
      this.#items.length = 0
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return item
  }
}
