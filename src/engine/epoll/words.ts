const HIGH = 2 ** 32

/** The 64-bit integer in two words of an entry or a job, the low one at `at`, as a number. */
export function wide(words: Int32Array, at: number): number {
  return words[at + 1] * HIGH + (words[at] >>> 0)
}

/** Stores a 64-bit integer in two words, the low one at `at`. */
export function setWide(words: Int32Array, at: number, value: number): void {
  words[at] = value
  words[at + 1] = Math.floor(value / HIGH)
}
