import { errnoOf, IORING_CQE_F, IORING_OP, IORING_TIMEOUT, IOSQE, MSG, SQE_WORD } from '../../kernel/index.js'
import type { Parts } from './parts.js'
import type { Pending } from './pending.js'
import { timeoutFlags } from './timers.js'

const ECANCELED = -errnoOf('ECANCELED')
const ETIME = -errnoOf('ETIME')
const OP = IORING_OP
const LINKS = IOSQE.IO_LINK | IOSQE.IO_HARDLINK

function post(parts: Parts, pending: Pending, result: number, flags: number): void {
  const { words } = pending
  parts.completions.post(words[SQE_WORD.USER_DATA], words[SQE_WORD.USER_DATA_HIGH], result, flags)
  // Time-outs do not count towards the completions that others of them wait for.
  if (pending.operation === OP.TIMEOUT) parts.completions.counted--
}

/** Has an operation begun, or tried again, in this round. */
export function start(parts: Parts, pending: Pending): void {
  pending.state = 'starting'
  parts.starting.push(pending)
}

/** Posts a completion after which more follow. */
export function announce(parts: Parts, pending: Pending, result: number): void {
  post(parts, pending, result, IORING_CQE_F.MORE)
}

/** Whether a result ends a chain: an error, or a transfer that came up short. */
function breaks(pending: Pending, result: number): boolean {
  const { operation } = pending
  if (result < 0) {
    const expected = operation === OP.TIMEOUT && result === ETIME
    return !(expected && (timeoutFlags(pending) & IORING_TIMEOUT.ETIME_SUCCESS) !== 0)
  }
  switch (operation) {
    case OP.READ:
    case OP.WRITE:
    case OP.READV:
    case OP.WRITEV:
    case OP.SPLICE:
    case OP.TEE:
      return result !== pending.wanted
    case OP.SEND:
    case OP.SEND_ZC:
    case OP.SENDMSG:
    case OP.SENDMSG_ZC:
    case OP.RECV:
    case OP.RECVMSG:
      return (pending.words[SQE_WORD.OP_FLAGS] & MSG.WAITALL) !== 0 && result < pending.wanted
    default:
      return false
  }
}

/**
 * Ends an operation: its completion, that of its time limit, and then what comes next in its chain, or the end of
 * all that does.
 */
export function finish(parts: Parts, pending: Pending, result: number): void {
  const { flags, link, limit } = pending
  const broken = breaks(pending, result)
  const muted = (flags & IOSQE.CQE_SKIP_SUCCESS) !== 0
  parts.counting.delete(pending)
  if (broken || !muted) post(parts, pending, result, 0)
  if (limit !== undefined) endLimit(parts, limit)
  parts.table.release(pending)
  if (link === undefined) return
  if (broken && (flags & IOSQE.IO_HARDLINK) === 0) cancelChain(parts, link, muted)
  else start(parts, link)
}

function endLimit(parts: Parts, limit: Pending): void {
  parts.timers.stop(limit)
  if ((limit.flags & IOSQE.CQE_SKIP_SUCCESS) === 0) post(parts, limit, ECANCELED, 0)
  parts.table.release(limit)
}

/** Where the operation that failed was to be silent about success, the rest is silent altogether: so does the kernel. */
function cancelChain(parts: Parts, first: Pending, muted: boolean): void {
  for (let member: Pending | undefined = first; member !== undefined; ) {
    const { link }: Pending = member
    if (!muted) post(parts, member, ECANCELED, 0)
    parts.table.release(member)
    member = link
  }
}

/** Whether an entry goes on with the next. */
export function isLinked(words: Int32Array, at: number): boolean {
  return ((words[at] >>> 8) & LINKS) !== 0
}
