import { addressOf } from './syscall.js'

/** `struct futex_waitv` in bytes. */
export const FUTEX_WAITV = { VAL: 0, UADDR: 8, FLAGS: 16, SIZE: 24 } as const

/** Flags of a futex word, as futex2 and io_uring spell them. */
export const FUTEX2 = {
  SIZE_U8: 0,
  SIZE_U16: 1,
  SIZE_U32: 2,
  SIZE_U64: 3,
  /** The word is followed by the node it is kept on. */
  NUMA: 4,
  /** As NUMA, by the memory policy. */
  MPOL: 8,
  /** The word is not shared with other processes. */
  PRIVATE: 128,
} as const

/** Matches every waiter of a futex. */
export const FUTEX_BITSET_MATCH_ANY = 0xffffffff

/** A futex and the value it is expected to hold. */
export interface FutexWaiter {
  /** The word; must stay alive until the wait is over. */
  readonly futex: ArrayBufferView
  readonly value: number
  /** {@link FUTEX2} flags; 32-bit and private if left out. */
  readonly flags?: number
}

/**
 * Lays out futexes for a wait on any of them.
 *
 * @see futex_waitv(2)
 */
export function futexWaiters(waiters: readonly FutexWaiter[]): Uint32Array {
  const words = new Uint32Array(new ArrayBuffer(waiters.length * FUTEX_WAITV.SIZE))
  waiters.forEach((waiter, index) => {
    const at = (index * FUTEX_WAITV.SIZE) / 4
    const address = addressOf(waiter.futex)
    words[at] = waiter.value
    words[at + 1] = Math.floor(waiter.value / 2 ** 32)
    words[at + 2] = address
    words[at + 3] = Math.floor(address / 2 ** 32)
    words[at + 4] = waiter.flags ?? FUTEX2.SIZE_U32 | FUTEX2.PRIVATE
  })
  return words
}
