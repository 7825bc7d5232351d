/** `struct __kernel_timespec` in bytes. */
export const TIMESPEC = { SEC: 0, NSEC: 8, SIZE: 16 } as const

const WORD_RANGE = 2 ** 32

/**
 * Lays out a time: a span, or a point on a clock.
 *
 * @param milliseconds not negative; fractions count down to the nanosecond
 */
export function timespec(milliseconds: number): Uint32Array {
  const words = new Uint32Array(new ArrayBuffer(TIMESPEC.SIZE))
  setTimespec(words, milliseconds)
  return words
}

/** Sets a block from {@link timespec} anew. */
export function setTimespec(words: Uint32Array, milliseconds: number): void {
  let seconds = Math.floor(milliseconds / 1000)
  let nanoseconds = Math.round((milliseconds - seconds * 1000) * 1e6)
  // Rounding can reach the full second, which the kernel refuses.
  if (nanoseconds === 1e9) {
    seconds += 1
    nanoseconds = 0
  }
  words[0] = seconds
  words[1] = Math.floor(seconds / WORD_RANGE)
  words[2] = nanoseconds
  words[3] = 0
}
