import type { Handle, Handles } from '../engine/index.js'
import { FixedBytes } from './fixed-bytes.js'

/** Bytes that connections can write in one turn by way of the arena; more goes by way of each one's own queue. */
const ARENA_BYTES = 512 * 1024

function memory(): FixedBytes {
  return new FixedBytes(new Uint8Array(new ArrayBuffer(ARENA_BYTES)))
}

/**
 * Where small writes are copied to until the turn ends.
 *
 * The sends of a turn go out together, are tried at once and never wait (`MSG_DONTWAIT`), so after the submission
 * none of them reads this memory any more. Two pieces take turns: one that is being written, one that was just sent
 * from, whose rests are still needed for sends that failed.
 */
export class SendArena implements Handle {
  /** What is written to in this turn. */
  current = memory()
  /** Bytes of it that are in use. */
  used = 0
  /** Sends of an earlier turn are still to be tried: none may be prepared past them. */
  stuck = false
  #begun = false
  readonly #handles: Handles
  #other = memory()
  #parked: FixedBytes[] = []

  constructor(handles: Handles) {
    this.#handles = handles
  }

  /**
   * Finds room for bytes, to be written at once.
   *
   * @returns where in `current` they go, or -1 when this turn's room is used up
   */
  take(length: number): number {
    const start = this.used
    if (start + length > ARENA_BYTES) return -1
    this.begin()
    this.used = start + length
    return start
  }

  /** Something is sent in this turn. The first to be flushed is the arena itself, so that the sends leave it alone. */
  begin(): void {
    if (this.#begun) return
    this.#begun = true
    this.#handles.flushLater(this)
  }

  /** The turn ends: what follows is written to the other piece. */
  flush(): void {
    this.used = 0
    this.#begun = false
    this.stuck = this.#handles.submissions.unconsumed > 0
    const spent = this.current
    if (this.stuck) {
      this.#parked.push(this.#other)
      this.current = memory()
    } else {
      this.#parked.length = 0
      this.current = this.#other
    }
    this.#other = spent
  }

  complete(): void {}

  abandon(): void {}
}
