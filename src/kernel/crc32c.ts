import { native } from './native.js'

/** Words of a row: offset, length, where the checksum stands, seed. */
const ROW_WORDS = 4

/**
 * The CRC-32C (Castagnoli) of bytes, by the processor's own instruction where it has one.
 *
 * @param seed the checksum of what came before, 0 at the beginning
 * @see RFC 3720, appendix B.4
 */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return native().crc32c(bytes, seed)
}

/**
 * Many ranges of one buffer, each with its little-endian CRC-32C somewhere in the same buffer: written or checked in
 * one crossing, since for a short range the crossing costs more than the checksum.
 */
export class ChecksumRows {
  #rows = new Uint32Array(new ArrayBuffer(256 * ROW_WORDS * 4))
  #count = 0

  /** Rows added since `clear()`. */
  get count(): number {
    return this.#count
  }

  /** Forgets every row. */
  clear(): void {
    this.#count = 0
  }

  /** @param at where the checksum stands, in bytes as `offset` */
  add(offset: number, length: number, at: number, seed: number): void {
    let rows = this.#rows
    const index = this.#count++ * ROW_WORDS
    if (index === rows.length) {
      rows = new Uint32Array(new ArrayBuffer(rows.byteLength * 2))
      rows.set(this.#rows)
      this.#rows = rows
    }
    rows[index] = offset
    rows[index + 1] = length
    rows[index + 2] = at
    rows[index + 3] = seed
  }

  /** Writes every checksum, in the order of adding: a later range may include an earlier checksum. */
  store(bytes: Uint8Array): void {
    const stored = native().crc32cRows(bytes, this.#rows, this.#count, true)
    if (stored < this.#count) throw new RangeError(`Row ${stored} leaves a buffer of ${bytes.length} bytes`)
  }

  /** Compares every checksum. @returns how many rows, from the first, are right */
  check(bytes: Uint8Array): number {
    return native().crc32cRows(bytes, this.#rows, this.#count, false)
  }
}
