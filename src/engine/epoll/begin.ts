import {
  errnoOf,
  F,
  IORING_ACCEPT,
  IORING_NOP,
  IORING_OP,
  IORING_POLL,
  IORING_RECVSEND,
  IOSQE,
  O,
  SQE_WORD,
  syscall,
} from '../../kernel/index.js'
import { control } from './cancel.js'
import { finish } from './ending.js'
import { inlineCall } from './inline-call.js'
import { WAY, wayOf } from './offered.js'
import type { Parts } from './parts.js'
import type { Pending } from './pending.js'
import { beginLimit, beginTimeout } from './time-outs.js'
import { beginSplice, directionOf, park } from './transfer.js'
import { wide } from './words.js'

const EAGAIN = -errnoOf('EAGAIN')
const EINPROGRESS = -errnoOf('EINPROGRESS')
const { FD, OFF, ADDR, LEN, OP_FLAGS } = SQE_WORD
const OP = IORING_OP

/** A read of a file that is longer goes to a thread even if it is cached: copying it would hold up the event loop. */
const INLINE_BYTES = 256 * 1024
const SENDS: ReadonlySet<number> = new Set([
  OP.SEND,
  OP.SEND_ZC,
  OP.SENDMSG,
  OP.SENDMSG_ZC,
  OP.RECV,
  OP.RECVMSG,
])

/** Where an operation goes that can be attempted. */
export type Place = 'attempt' | 'wait' | 'thread' | 'disk'

/**
 * Where the operation of an entry goes: into the batch of attempts, behind those that wait for its descriptor
 * already, to a thread, or past the page cache.
 */
export function placeOf(parts: Parts, words: Int32Array, at: number): Place {
  const operation = words[at] & 0xff
  const fd = words[at + FD]
  if (operation === OP.READ || operation === OP.READV) {
    const { facts } = parts
    // Even with RWF_NOWAIT, a direct read waits for the device.
    if (facts.has(fd, O.DIRECT)) return 'disk'
    const length = operation === OP.READ ? words[at + LEN] >>> 0 : 0
    const forced = (words[at] & (IOSQE.ASYNC << 8)) !== 0
    if ((length > INLINE_BYTES || forced) && facts.isFile(fd)) return 'thread'
    if (words[at + OFF] !== -1 || words[at + OFF + 1] !== -1) return 'attempt'
    // A thread that reads at the file's own position holds its lock.
    if (parts.threads.busy(fd)) return 'thread'
  }
  const direction = directionOf(operation)
  if (parts.readiness.waits(fd, direction)) return 'wait'
  if (parts.attempts.claim(fd, direction === 'read' ? 0 : 1)) return 'attempt'
  parts.flush()
  parts.attempts.claim(fd, direction === 'read' ? 0 : 1)
  return parts.readiness.waits(fd, direction) ? 'wait' : 'attempt'
}

/** Whether an operation is not to be attempted before its descriptor is ready. */
function waitsFirst(parts: Parts, pending: Pending): boolean {
  const { operation, priority } = pending
  if (operation === OP.ACCEPT) {
    pending.blind = !parts.facts.isNonBlocking(pending.fd)
    return pending.blind || (pending.step === 0 && (priority & IORING_ACCEPT.POLL_FIRST) !== 0)
  }
  const fresh = pending.step === 0 && pending.done === 0
  return fresh && SENDS.has(operation) && (priority & IORING_RECVSEND.POLL_FIRST) !== 0
}

function attempt(parts: Parts, pending: Pending): void {
  if (waitsFirst(parts, pending)) {
    park(parts, pending)
    return
  }
  place(parts, pending, placeOf(parts, pending.words, 0))
}

/** Puts an operation where it goes. */
export function place(parts: Parts, pending: Pending, where: Place): void {
  if (where === 'wait') {
    park(parts, pending)
  } else if (where === 'thread' || where === 'disk') {
    parts.threads.add(pending, where === 'disk')
  } else {
    if (parts.attempts.full) parts.flush()
    parts.attempts.addPending(pending)
  }
}

/** Only a pipe or socket is written without a thread: what NOWAIT means for a file that is synchronous is not sure. */
function beginWrite(parts: Parts, pending: Pending): void {
  const { fd, words } = pending
  const positioned = wide(words, OFF) !== -1
  if (positioned || parts.threads.busy(fd) || parts.facts.isFile(fd)) parts.threads.add(pending)
  else attempt(parts, pending)
}

/** The socket is made non-blocking for the moment of the call; nobody else uses one that is not connected yet. */
function connect(parts: Parts, pending: Pending): void {
  const { fd, words } = pending
  const flags = syscall('fcntl', fd, F.GETFL)
  const blocking = flags >= 0 && (flags & O.NONBLOCK) === 0
  if (blocking) syscall('fcntl', fd, F.SETFL, flags | O.NONBLOCK)
  const result = syscall('connect', fd, wide(words, ADDR), words[OFF])
  if (blocking) syscall('fcntl', fd, F.SETFL, flags)
  if (result === EINPROGRESS) {
    pending.blind = true
    park(parts, pending)
  } else if (result === EAGAIN && blocking) {
    // A Unix socket whose listener's queue is full: there is nothing to wait for but the call itself.
    parts.threads.add(pending)
  } else finish(parts, pending, result)
}

function close(parts: Parts, pending: Pending): void {
  const { fd } = pending
  parts.flush()
  if (parts.threads.busy(fd)) {
    parts.threads.afterwards(pending)
    return
  }
  parts.readiness.release(fd)
  finish(parts, pending, syscall('close', fd))
}

function poll(parts: Parts, pending: Pending): void {
  if ((pending.words[LEN] & IORING_POLL.ADD_MULTI) === 0) {
    parts.readiness.wait(pending, 'poll')
    return
  }
  const result = parts.readiness.keep(pending)
  if (result < 0) finish(parts, pending, result)
}

function nop(parts: Parts, pending: Pending): void {
  const injected = (pending.words[OP_FLAGS] & IORING_NOP.INJECT_RESULT) !== 0
  finish(parts, pending, injected ? pending.words[LEN] : 0)
}

const BEGIN: Readonly<Record<number, (parts: Parts, pending: Pending) => void>> = {
  [WAY.NOP]: nop,
  [WAY.ATTEMPT]: attempt,
  [WAY.ACCEPT]: attempt,
  [WAY.WRITE]: beginWrite,
  [WAY.CONNECT]: connect,
  [WAY.CALL]: (parts, pending) => finish(parts, pending, inlineCall(pending.words)),
  [WAY.CLOSE]: close,
  [WAY.THREAD]: (parts, pending) => parts.threads.add(pending),
  [WAY.SPLICE]: beginSplice,
  [WAY.POLL]: poll,
  [WAY.TIMEOUT]: beginTimeout,
  [WAY.CONTROL]: control,
}

/** Begins an operation, or goes on with one that is to be tried again. */
export function begin(parts: Parts, pending: Pending): void {
  beginLimit(parts, pending)
  BEGIN[wayOf(pending.operation)](parts, pending)
}
