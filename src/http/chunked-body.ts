import { CLASS, TOKEN, VALUE } from './character-class.js'

const CR = 13
const LF = 10
const COLON = 58
const SEMICOLON = 59

const State = {
  SIZE: 0,
  EXTENSION: 1,
  SIZE_LF: 2,
  DATA: 3,
  DATA_CR: 4,
  DATA_LF: 5,
  /** The beginning of a line behind the last chunk. */
  TRAILER: 6,
  TRAILER_NAME: 7,
  TRAILER_VALUE: 8,
  TRAILER_LF: 9,
  END_LF: 10,
  END: 11,
} as const

/** A chunk size of more digits than this is an attack: 2^52 bytes. */
const SIZE_DIGITS = 13
/** Bytes of extensions and trailers in a whole body. */
const OVERHEAD_LIMIT = 8192

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const letter = byte | 0x20
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}

/**
 * A chunked body, read as it comes: where its data lies and where it ends. Nothing is copied.
 *
 * Strict: sizes are bare hexadecimal digits, every line ends in CRLF, trailers are fields, and what extensions and
 * trailers may take up is bounded. Both are skipped: a file server has no use for them.
 *
 * @see RFC 9112, section 7.1
 */
export class ChunkedBody {
  /** Bytes of data so far. */
  length = 0
  #state: number = State.SIZE
  #left = 0
  #digits = 0
  #overhead = 0

  /** Whether the whole body, with its trailers, has been read. */
  get ended(): boolean {
    return this.#state === State.END
  }

  /**
   * Reads on.
   *
   * @param data sees each piece of data as a range of `bytes`
   * @returns where reading stopped: `end`, or just behind the body; -400 for a malformed one
   */
  read(bytes: Uint8Array, start: number, end: number, data?: (start: number, end: number) => void): number {
    let at = start
    while (at < end && this.#state !== State.END) {
      if (this.#state === State.DATA) {
        const piece = Math.min(this.#left, end - at)
        data?.(at, at + piece)
        this.length += piece
        this.#left -= piece
        at += piece
        if (this.#left === 0) this.#state = State.DATA_CR
      } else if (!this.#step(bytes[at++])) {
        return -400
      }
    }
    return at
  }

  #step(byte: number): boolean {
    switch (this.#state) {
      case State.SIZE:
        return this.#size(byte)
      case State.EXTENSION:
        return this.#extension(byte)
      case State.SIZE_LF:
        return this.#sizeEnd(byte)
      case State.DATA_CR:
        return this.#expect(byte, CR, State.DATA_LF)
      case State.DATA_LF:
        return this.#expect(byte, LF, State.SIZE)
      default:
        return this.#trailer(byte)
    }
  }

  #expect(byte: number, expected: number, next: number): boolean {
    this.#state = next
    return byte === expected
  }

  #size(byte: number): boolean {
    const digit = hexDigit(byte)
    if (digit >= 0) {
      this.#left = this.#left * 16 + digit
      return ++this.#digits <= SIZE_DIGITS
    }
    if (this.#digits === 0) return false
    if (byte === CR) return this.#expect(CR, CR, State.SIZE_LF)
    this.#state = State.EXTENSION
    return byte === SEMICOLON
  }

  #extension(byte: number): boolean {
    if (byte === CR) return this.#expect(CR, CR, State.SIZE_LF)
    return (CLASS[byte] & VALUE) !== 0 && ++this.#overhead <= OVERHEAD_LIMIT
  }

  #sizeEnd(byte: number): boolean {
    if (byte !== LF) return false
    this.#digits = 0
    this.#state = this.#left === 0 ? State.TRAILER : State.DATA
    return true
  }

  /** Trailer fields, up to an empty line. */
  #trailer(byte: number): boolean {
    if (++this.#overhead > OVERHEAD_LIMIT) return false
    switch (this.#state) {
      case State.TRAILER:
        if (byte === CR) return this.#expect(CR, CR, State.END_LF)
        this.#state = State.TRAILER_NAME
        return (CLASS[byte] & TOKEN) !== 0
      case State.TRAILER_NAME:
        if (byte !== COLON) return (CLASS[byte] & TOKEN) !== 0
        this.#state = State.TRAILER_VALUE
        return true
      case State.TRAILER_VALUE:
        if (byte !== CR) return (CLASS[byte] & VALUE) !== 0
        this.#state = State.TRAILER_LF
        return true
      case State.TRAILER_LF:
        return this.#expect(byte, LF, State.TRAILER)
      default:
        return this.#expect(byte, LF, State.END)
    }
  }
}
