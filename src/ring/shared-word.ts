/**
 * x86 keeps loads in order among loads and stores among stores, and V8 keeps the order in which a program touches
 * typed arrays: there, a plain access is an acquire or a release. `Atomics` costs a call of about 10 ns on Node 20,
 * which at one operation a batch would be a tenth of the whole.
 */
const ORDERED = process.arch === 'x64' || process.arch === 'ia32'

/** Loads a word that the kernel writes; what is read afterwards is at least as new. */
export function loadAcquire(words: Int32Array, index: number): number {
  return ORDERED ? words[index] : Atomics.load(words, index)
}

/** Stores a word that the kernel reads, after everything that was stored before. */
export function storeRelease(words: Int32Array, index: number, value: number): void {
  if (ORDERED) words[index] = value
  else Atomics.store(words, index, value)
}

/**
 * Stores a word so that nothing is loaded before the kernel can see it: the only order that x86 does not keep by
 * itself, and the one that waking an SQPOLL thread depends on.
 */
export function storeFenced(words: Int32Array, index: number, value: number): void {
  Atomics.store(words, index, value)
}
