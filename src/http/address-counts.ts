/** Addresses are told apart by a hash of so many values; a power of two. */
const SLOTS = 16_384

/** Memory to count the connections of so many threads in. */
export function addressMemory(threads: number): SharedArrayBuffer {
  return new SharedArrayBuffer(threads * SLOTS * Int32Array.BYTES_PER_ELEMENT)
}

/**
 * Whose connections are counted together: an address, or of IPv6 the first 64 bits of it, which is what one customer
 * has at least. IPv4 within IPv6 counts as IPv4.
 */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const [head, tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const behind = tail === '' ? 0 : tail.split(':').length
    while (groups.length < 8 - behind) groups.push('0')
  }
  return `${groups.slice(0, 4).join(':')}::`
}

/** FNV-1a. */
function slotOf(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  return (hash ^ (hash >>> 15)) & (SLOTS - 1)
}

/**
 * Counts the connections of each address, over all threads of a server: exactly within a thread, by a hash across
 * threads, where two addresses in one of 16,384 slots count together.
 */
export class AddressCounts {
  readonly #most: number
  readonly #own = new Map<string, number>()
  readonly #rows: readonly Int32Array[]
  readonly #row: Int32Array

  /** @param most connections of one address; 0 for any number */
  constructor(most: number, memory: SharedArrayBuffer = addressMemory(1), thread = 0) {
    const bytes = SLOTS * Int32Array.BYTES_PER_ELEMENT
    this.#most = most
    this.#rows = Array.from(
      { length: memory.byteLength / bytes },
      (_, index) => new Int32Array(memory, index * bytes, SLOTS),
    )
    this.#row = this.#rows[thread]
    // What a thread left that ended in the middle of its work.
    this.#row.fill(0)
  }

  /** One more connection. @returns whose it is, to be given to `leave()`; undefined where that would be too many */
  enter(address: string): string | undefined {
    const key = addressKey(address)
    const own = this.#own.get(key) ?? 0
    const slot = slotOf(key)
    let others = 0
    for (const row of this.#rows) if (row !== this.#row) others += Atomics.load(row, slot)
    if (own + others >= this.#most) return undefined
    this.#own.set(key, own + 1)
    Atomics.add(this.#row, slot, 1)
    return key
  }

  /** One less. */
  leave(key: string): void {
    const own = (this.#own.get(key) ?? 1) - 1
    if (own === 0) this.#own.delete(key)
    else this.#own.set(key, own)
    Atomics.sub(this.#row, slotOf(key), 1)
  }
}
