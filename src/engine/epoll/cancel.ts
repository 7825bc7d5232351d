import {
  errnoOf,
  F,
  IORING_ASYNC_CANCEL,
  IORING_OP,
  IORING_POLL,
  IORING_TIMEOUT,
  SQE_WORD,
  syscall,
} from '../../kernel/index.js'
import { finish, start } from './ending.js'
import type { Parts } from './parts.js'
import type { Pending } from './pending.js'
import { timeAt } from './timers.js'
import { wide } from './words.js'

const ECANCELED = -errnoOf('ECANCELED')
const ENOENT = -errnoOf('ENOENT')
const EALREADY = -errnoOf('EALREADY')
const EBADF = -errnoOf('EBADF')
const EINVAL = -errnoOf('EINVAL')
const { FD, OFF, ADDR, LEN, OP_FLAGS } = SQE_WORD
const OP = IORING_OP
const { ALL, ANY, FD: BY_FD, OP: BY_OP, USERDATA, FD_FIXED } = IORING_ASYNC_CANCEL

/**
 * Ends an operation that is under way, with what it has moved already or ECANCELED. One that runs on a thread ends
 * by itself, soon if its call only waits.
 */
export function stop(parts: Parts, pending: Pending): void {
  if (pending.state === 'waiting') parts.readiness.remove(pending)
  else if (pending.state === 'timing') parts.timers.stop(pending)
  else if (pending.state === 'starting') pending.list?.remove(pending)
  else if (!parts.threads.stop(pending, closer => start(parts, closer))) return
  finish(parts, pending, pending.done > 0 ? pending.done : ECANCELED)
}

/** What cancelling says of an operation: 0, or that it is too late to say. */
function verdict(pending: Pending): number {
  return pending.state === 'running' ? EALREADY : 0
}

function candidates(parts: Parts, self: Pending, userData: number | undefined): Pending[] {
  const all = parts.table.list(userData)
  return all.filter(pending => pending !== self && pending.state !== 'linked')
}

function cancel(parts: Parts, self: Pending): void {
  const { words } = self
  const flags = words[OP_FLAGS]
  const any = (flags & ANY) !== 0
  if ((flags & FD_FIXED) !== 0) {
    finish(parts, self, EINVAL)
    return
  }
  const byUserData = !any && ((flags & USERDATA) !== 0 || (flags & (BY_FD | BY_OP)) === 0)
  const found = candidates(parts, self, byUserData ? wide(words, ADDR) : undefined).filter(
    pending =>
      any ||
      (((flags & BY_FD) === 0 || pending.original === words[FD]) &&
        ((flags & BY_OP) === 0 || pending.operation === words[LEN])),
  )
  const all = any || (flags & ALL) !== 0
  const targets = all ? found : found.slice(0, 1)
  let result = all ? targets.length : ENOENT
  if (!all && targets.length > 0) result = verdict(targets[0])
  if (targets.length === 0 && (flags & BY_FD) !== 0 && syscall('fcntl', words[FD], F.GETFD) < 0)
    result = EBADF
  finish(parts, self, result)
  for (const target of targets) stop(parts, target)
}

function find(parts: Parts, self: Pending, operation: number): Pending | undefined {
  const userData = wide(self.words, ADDR)
  return candidates(parts, self, userData).find(pending => pending.operation === operation)
}

function removePoll(parts: Parts, self: Pending): void {
  const { words } = self
  const flags = words[LEN]
  const target = find(parts, self, OP.POLL_ADD)
  if (target === undefined) {
    finish(parts, self, ENOENT)
  } else if ((flags & (IORING_POLL.UPDATE_EVENTS | IORING_POLL.UPDATE_USER_DATA)) === 0) {
    finish(parts, self, 0)
    stop(parts, target)
  } else {
    if ((flags & IORING_POLL.UPDATE_USER_DATA) !== 0) {
      target.words[SQE_WORD.USER_DATA] = words[OFF]
      target.words[SQE_WORD.USER_DATA_HIGH] = words[OFF + 1]
      parts.table.rename(target, wide(words, OFF))
    }
    if ((flags & IORING_POLL.UPDATE_EVENTS) !== 0) {
      target.words[OP_FLAGS] = words[OP_FLAGS]
      parts.readiness.change(target)
    }
    finish(parts, self, 0)
  }
}

/** The time limit of an operation, by its user data. */
function findLimit(parts: Parts, userData: number): Pending | undefined {
  return parts.table.list(userData).find(pending => pending.limited !== undefined)
}

function removeTimeout(parts: Parts, self: Pending): void {
  const { words } = self
  const flags = words[OP_FLAGS]
  const update = (flags & (IORING_TIMEOUT.UPDATE | IORING_TIMEOUT.LINK_UPDATE)) !== 0
  const limit = (flags & IORING_TIMEOUT.LINK_UPDATE) !== 0
  const target = limit ? findLimit(parts, wide(words, ADDR)) : find(parts, self, OP.TIMEOUT)
  const span = update ? timeAt(wide(words, OFF), flags) : 0
  if (span < 0) {
    finish(parts, self, span)
  } else if (target === undefined) {
    finish(parts, self, ENOENT)
  } else if (update) {
    parts.timers.stop(target)
    parts.timers.start(target, span, flags)
    finish(parts, self, 0)
  } else {
    finish(parts, self, 0)
    stop(parts, target)
  }
}

/** Carries out an operation on other operations. Its own completion comes before theirs, as in the kernel. */
export function control(parts: Parts, self: Pending): void {
  parts.flush()
  if (self.operation === OP.ASYNC_CANCEL) cancel(parts, self)
  else if (self.operation === OP.POLL_REMOVE) removePoll(parts, self)
  else removeTimeout(parts, self)
}
