import type { Handles } from '../engine/index.js'
import type { FixedBytes } from './fixed-bytes.js'
import type { TurnBytes } from './turn-bytes.js'

/**
 * The send that one connection has tried last. It may fall short, so nothing may be sent behind it before it is over:
 * since it says nothing where it succeeds, that is when the completions after its submission have been seen.
 */
export class LastTry {
  memory: FixedBytes
  start = 0
  length = 0
  readonly #handles: Handles
  #round = -1

  constructor(handles: Handles, memory: FixedBytes) {
    this.#handles = handles
    this.memory = memory
  }

  /** Begins with the bytes of a turn, which are no longer the turn's. */
  begin(turn: TurnBytes): void {
    this.memory = turn.memory
    this.start = turn.start
    this.length = turn.length
    turn.length = 0
    this.#round = this.#handles.round
  }

  /** Whether it is known how it ended. */
  get isOver(): boolean {
    return this.#round !== this.#handles.round
  }

  /** It has completed. @param taken bytes @returns what is left, if anything */
  end(taken: number): Uint8Array | undefined {
    this.#round = -1
    if (taken === this.length) return undefined
    return this.memory.bytes.subarray(this.start + taken, this.start + this.length)
  }
}
