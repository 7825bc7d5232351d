import type { FixedBytes } from './fixed-bytes.js'
import type { SendArena } from './send-arena.js'

/** Writes up to here are copied, so that their memory is the caller's again at once. */
export const COPIED_BYTES = 8192

/** What one connection has written in this turn, in one piece: of the thread's arena, or of somebody's fixed bytes. */
export class TurnBytes {
  memory: FixedBytes
  start = 0
  /** 0 where nothing has been written. */
  length = 0
  readonly #arena: SendArena

  constructor(arena: SendArena) {
    this.#arena = arena
    this.memory = arena.current
  }

  /** Begins with bytes where they are. Nothing may have been written. */
  point(fixed: FixedBytes): void {
    this.#arena.begin()
    this.memory = fixed
    this.start = 0
    this.length = fixed.bytes.length
  }

  /** Copies bytes behind those that are there. @returns false where the arena has no room for them */
  gather(bytes: Uint8Array, length: number): boolean {
    const arena = this.#arena
    const held = this.length
    const joins = held > 0 && this.memory === arena.current && this.start + held === arena.used
    // Where others have written since, those of this turn move behind theirs.
    const moved = joins ? 0 : held
    if (moved > COPIED_BYTES) return false
    const start = arena.take(moved + length)
    if (start < 0) return false
    if (!joins) {
      if (moved > 0) arena.current.bytes.set(this.take(), start)
      this.memory = arena.current
      this.start = start
    }
    this.memory.bytes.set(bytes, this.start + held)
    this.length = held + length
    return true
  }

  /** The bytes, which are then no longer this turn's. */
  take(): Uint8Array {
    const { start, length } = this
    this.length = 0
    return this.memory.bytes.subarray(start, start + length)
  }
}
