import { errnoOf, SQE_WORD } from '../../kernel/index.js'
import { isLinked } from './ending.js'
import { refusal, WAY, wayOf } from './offered.js'
import type { Parts } from './parts.js'
import type { Pending } from './pending.js'
import { readTime } from './time-outs.js'
import { bytesWanted, isVectored } from './vectors.js'

const EINVAL = -errnoOf('EINVAL')
const ECANCELED = -errnoOf('ECANCELED')
const IOSQE_BITS = 0xff00

/** Why an entry cannot be taken up, as -errno; 0 when it can. @param before the entry before it in its chain */
function objection(pending: Pending, before: Pending | undefined): number {
  const refused = refusal(pending.words, 0)
  if (refused !== 0) return refused
  const way = wayOf(pending.operation)
  if (way === WAY.LIMIT && (before === undefined || before.isLimit)) return EINVAL
  return way === WAY.LIMIT || way === WAY.TIMEOUT ? readTime(pending) : 0
}

/** One entry that cannot be taken up ends its whole chain before it has begun. */
function refuse(parts: Parts, chain: readonly Pending[], errors: readonly number[]): void {
  for (const [index, { words }] of chain.entries()) {
    const result = errors[index] === 0 ? ECANCELED : errors[index]
    parts.completions.post(words[SQE_WORD.USER_DATA], words[SQE_WORD.USER_DATA_HIGH], result, 0)
  }
  for (const pending of chain) parts.table.release(pending)
}

/**
 * Takes up the entries of a chain, or a single one: from `first` to the first without a link, or the last there is.
 *
 * @param mask of positions in the queue
 * @returns the operation to begin with, undefined where it was refused, and the position behind the chain
 */
export function takeChain(
  parts: Parts,
  words: Int32Array,
  mask: number,
  first: number,
  tail: number,
): { head: Pending | undefined; next: number } {
  const chain: Pending[] = []
  const errors: number[] = []
  let next = first
  for (let linked = true; linked && next !== tail; next = (next + 1) | 0) {
    const at = (next & mask) * 16
    linked = isLinked(words, at)
    const pending = parts.table.take(words, at)
    const before = chain.at(-1)
    errors.push(objection(pending, before))
    // Whether a transfer came up short matters only to a chain, or to whoever hears of failures alone.
    if ((words[at] & IOSQE_BITS) !== 0 && isVectored(pending.words))
      pending.wanted = bytesWanted(pending.words)
    if (before !== undefined) before.link = pending
    pending.state = before === undefined ? 'starting' : 'linked'
    chain.push(pending)
  }
  if (errors.every(error => error === 0)) return { head: chain[0], next }
  refuse(parts, chain, errors)
  return { head: undefined, next }
}
