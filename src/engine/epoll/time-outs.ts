import { errnoOf, IORING_TIMEOUT, SQE_WORD } from '../../kernel/index.js'
import { stop } from './cancel.js'
import { announce, finish } from './ending.js'
import type { Parts } from './parts.js'
import type { Pending } from './pending.js'
import { timeAt, timeoutFlags } from './timers.js'
import { wide } from './words.js'

const EINVAL = -errnoOf('EINVAL')
const ETIME = -errnoOf('ETIME')
const EALREADY = -errnoOf('EALREADY')
const { ABS, MULTISHOT } = IORING_TIMEOUT

/** Reads the time that an entry points to, which its owner may use for something else as soon as it is submitted. */
export function readTime(pending: Pending): number {
  const flags = timeoutFlags(pending)
  if ((flags & ABS) !== 0 && (flags & MULTISHOT) !== 0) return EINVAL
  pending.span = timeAt(wide(pending.words, SQE_WORD.ADDR), flags)
  return Math.min(pending.span, 0)
}

/** Starts a time-out: after a while, or after a number of completions. */
export function beginTimeout(parts: Parts, pending: Pending): void {
  const flags = timeoutFlags(pending)
  const count = wide(pending.words, SQE_WORD.OFF)
  pending.state = 'timing'
  pending.wanted = count
  const result = parts.timers.start(pending, pending.span, flags)
  if (result < 0) {
    finish(parts, pending, result)
    return
  }
  if (count > 0 && (flags & MULTISHOT) === 0) {
    pending.wanted = parts.completions.counted + count
    parts.counting.add(pending)
  }
}

/** Starts the time limit of an operation, if the next of its chain is one. */
export function beginLimit(parts: Parts, pending: Pending): void {
  const limit = pending.link
  if (limit === undefined || !limit.isLimit) return
  pending.link = limit.link
  limit.link = undefined
  const result = parts.timers.start(limit, limit.span, timeoutFlags(limit))
  if (result < 0) {
    finish(parts, limit, result)
    return
  }
  pending.limit = limit
  limit.limited = pending
}

/** The time of an operation has come. */
export function expired(parts: Parts, pending: Pending): void {
  const { limited } = pending
  if (limited !== undefined) {
    limited.limit = undefined
    finish(parts, pending, limited.state === 'running' ? EALREADY : ETIME)
    stop(parts, limited)
    return
  }
  const repeats = (timeoutFlags(pending) & MULTISHOT) !== 0
  // `wanted` says how often; 0 for ever.
  if (!repeats || pending.wanted === 1) {
    finish(parts, pending, ETIME)
    return
  }
  if (pending.wanted > 1) pending.wanted--
  announce(parts, pending, ETIME)
  parts.timers.start(pending, pending.span, timeoutFlags(pending))
}

/** Ends the time-outs that waited for as many completions as there have been. */
export function countDown(parts: Parts): void {
  for (const pending of parts.counting) {
    if (pending.wanted > parts.completions.counted) continue
    parts.timers.stop(pending)
    finish(parts, pending, 0)
  }
}
