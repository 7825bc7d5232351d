/**
 * x86 keeps loads in order among loads and stores among stores, and V8 keeps the order in which a program touches
 * typed arrays: there, a plain access is an acquire or a release. `Atomics` costs a call of about 10 ns on Node 20,
 * which at one operation a batch would be a tenth of the whole.
 */
const ORDERED = process.arch === 'x64' || process.arch === 'ia32'

const loadPlain = (words: Int32Array, index: number): number => words[index]
const loadAtomic = (words: Int32Array, index: number): number => Atomics.load(words, index)

/** Loads a word that the kernel writes; what is read afterwards is at least as new. */
export const loadAcquire = ORDERED ? loadPlain : loadAtomic

function storePlain(words: Int32Array, index: number, value: number): void {
  words[index] = value
}

/**
 * Stores a word so that nothing is loaded before the kernel can see it: the only order that x86 does not keep by
 * itself, and the one that waking an SQPOLL thread depends on.
 */
export function storeFenced(words: Int32Array, index: number, value: number): void {
  Atomics.store(words, index, value)
}

/** Stores a word that the kernel reads, after everything that was stored before. */
export const storeRelease = ORDERED ? storePlain : storeFenced
