import { AsyncResource } from 'node:async_hooks'
import { IORING_CQE_F } from '../kernel/index.js'
import type { Completion } from './slot.js'

/** An operation with several completions. */
export interface Multishot {
  /** Ends it; its last completion still comes. */
  cancel(): void
  /** Whether the last completion has come. */
  readonly ended: boolean
}

/** A multishot operation's own state: whom its completions go to, in whose async context, and whether it is over. */
export class MultishotOperation implements Multishot {
  ended = false
  /** Whoever asked for it has it in hand. */
  began = false
  #cancelled = false
  readonly #resource = new AsyncResource('SluiceMultishot')
  readonly #callback: Completion
  readonly #cancel: () => void

  constructor(callback: Completion, cancel: () => void) {
    this.#callback = callback
    this.#cancel = cancel
  }

  /** Sees one completion. */
  readonly complete: Completion = (result, flags) => {
    if ((flags & IORING_CQE_F.MORE) === 0) this.ended = true
    try {
      this.#resource.runInAsyncScope(this.#callback, undefined, result, flags)
    } catch (error) {
      // An uncaught exception as any other, but after the completions behind this one have been seen.
      process.nextTick(rethrow, error)
    }
  }

  /** It could not be prepared. */
  readonly refuse = (error: Error) => {
    this.ended = true
    if (!this.began) throw error
    process.nextTick(rethrow, error)
  }

  cancel(): void {
    if (this.ended || this.#cancelled) return
    this.#cancelled = true
    this.#cancel()
  }
}

function rethrow(error: unknown): never {
  throw error
}
