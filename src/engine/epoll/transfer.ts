import {
  errnoOf,
  IORING_ACCEPT,
  IORING_OP,
  IORING_RECVSEND,
  MSG,
  POLL,
  RWF,
  SO,
  SOCK,
  SOL,
  SPLICE_F,
  SQE_WORD,
  syscall,
} from '../../kernel/index.js'
import { announce, finish, start } from './ending.js'
import type { Parts } from './parts.js'
import type { Pending } from './pending.js'
import { bytesWanted, progress } from './vectors.js'
import { type Direction, pollMask } from './watch.js'
import { setWide, wide } from './words.js'

const EAGAIN = -errnoOf('EAGAIN')
const EINTR = -errnoOf('EINTR')
const EOPNOTSUPP = -errnoOf('EOPNOTSUPP')
const ESPIPE = -errnoOf('ESPIPE')
const EPERM = -errnoOf('EPERM')
const ECANCELED = -errnoOf('ECANCELED')
const { FD, OFF, OP_FLAGS, FILE_INDEX } = SQE_WORD
const OP = IORING_OP

/** Connections accepted by one operation before others have their turn. */
const ACCEPTS = 64
/** What a descriptor that has no poll is always ready for. */
const ALWAYS = POLL.IN | POLL.OUT | 0x40 | 0x100
const WRITERS: ReadonlySet<number> = new Set([
  OP.WRITE,
  OP.WRITEV,
  OP.SEND,
  OP.SEND_ZC,
  OP.SENDMSG,
  OP.SENDMSG_ZC,
  OP.CONNECT,
])

const option = new Int32Array(new ArrayBuffer(8))

/** A number that a socket has as an option; -errno where it is none. */
export function socketOption(fd: number, name: number): number {
  option[1] = 4
  const length = new Int32Array(option.buffer, 4, 1)
  const result = syscall('getsockopt', fd, SOL.SOCKET, name, option, length)
  return result < 0 ? result : option[0]
}

/** What an operation waits for when it cannot go on. */
export function directionOf(operation: number): Direction {
  return WRITERS.has(operation) ? 'write' : 'read'
}

/** Has an operation wait for its descriptor, or go on waiting. */
export function park(parts: Parts, pending: Pending): void {
  const direction = directionOf(pending.operation)
  pending.step = 0
  if (pending.state !== 'waiting') {
    parts.readiness.wait(pending, direction)
    return
  }
  const watch = parts.readiness.at(pending.fd)
  if (watch === undefined) return
  if (direction === 'read') watch.readable = false
  else watch.writable = false
}

/** Tries again in this round. One that waits stays first of those who do. */
function again(parts: Parts, pending: Pending): void {
  if (pending.state !== 'waiting') start(parts, pending)
}

function leave(parts: Parts, pending: Pending): void {
  if (pending.state === 'waiting') parts.readiness.remove(pending)
}

function end(parts: Parts, pending: Pending, result: number): void {
  leave(parts, pending)
  finish(parts, pending, result)
}

/** A failure after something has been moved is kept for the next operation to find. */
function fail(parts: Parts, pending: Pending, result: number): void {
  end(parts, pending, pending.done > 0 ? pending.done : result)
}

function toThread(parts: Parts, pending: Pending): void {
  leave(parts, pending)
  parts.threads.add(pending)
}

/** Its call cannot be told not to block: it waits until the descriptor is ready, then goes to a thread. */
function waitBlindly(parts: Parts, pending: Pending): void {
  pending.blind = true
  park(parts, pending)
}

/** Data that is not in the page cache comes by way of a thread; anything else comes when it comes. */
function read(parts: Parts, pending: Pending, result: number): void {
  if (result > 0) {
    readSome(parts, pending, result)
  } else if (result === 0) {
    end(parts, pending, pending.done)
  } else if ((pending.words[OP_FLAGS] & RWF.NOWAIT) !== 0) {
    fail(parts, pending, result)
  } else if (result === EAGAIN || result === EOPNOTSUPP) {
    if (parts.facts.isFile(pending.fd)) toThread(parts, pending)
    else if (result === EAGAIN) park(parts, pending)
    else waitBlindly(parts, pending)
  } else if (!retryUnpositioned(parts, pending, result)) fail(parts, pending, result)
}

/** A short read of a file is its end, or the end of what the page cache has of it. */
function readSome(parts: Parts, pending: Pending, bytes: number): void {
  const { words, fd } = pending
  const total = pending.done + bytes
  if (bytes >= bytesWanted(words)) {
    end(parts, pending, total)
    return
  }
  const position = wide(words, OFF)
  const size = parts.facts.fileSize(fd)
  if (size < 0 || (position !== -1 && size <= position + bytes)) {
    end(parts, pending, total)
    return
  }
  progress(pending, bytes)
  again(parts, pending)
}

/** A pipe or socket has no position; as in the kernel, one that is given does not matter. */
function retryUnpositioned(parts: Parts, pending: Pending, result: number): boolean {
  if (result !== ESPIPE || wide(pending.words, OFF) === -1) return false
  setWide(pending.words, OFF, -1)
  again(parts, pending)
  return true
}

function write(parts: Parts, pending: Pending, result: number): void {
  if (result >= 0 || (pending.words[OP_FLAGS] & RWF.NOWAIT) !== 0) end(parts, pending, result)
  else if (result === EAGAIN) park(parts, pending)
  else if (result === EOPNOTSUPP) waitBlindly(parts, pending)
  else if (!retryUnpositioned(parts, pending, result)) end(parts, pending, result)
}

function isStream(fd: number): boolean {
  const type = socketOption(fd, SO.TYPE)
  return type === SOCK.STREAM || type === SOCK.SEQPACKET
}

/** A send or receive. */
function message(parts: Parts, pending: Pending, result: number): void {
  const { words, operation, priority } = pending
  const flags = words[OP_FLAGS]
  if (result < 0) {
    if (result === EAGAIN && (flags & MSG.DONTWAIT) === 0) park(parts, pending)
    else fail(parts, pending, result)
    return
  }
  const multishot = operation === OP.RECV && (priority & IORING_RECVSEND.RECV_MULTISHOT) !== 0
  if (multishot && result > 0) {
    // One at a time: the next would overwrite what nobody has seen yet.
    announce(parts, pending, result)
    park(parts, pending)
    return
  }
  const rest = (flags & MSG.WAITALL) !== 0 && result > 0 ? bytesWanted(words) - result : 0
  if (rest > 0 && isStream(pending.fd)) {
    progress(pending, result)
    again(parts, pending)
    return
  }
  end(parts, pending, pending.done + result)
}

function accept(parts: Parts, pending: Pending, result: number): void {
  if (result >= 0 && (pending.priority & IORING_ACCEPT.MULTISHOT) !== 0) {
    announce(parts, pending, result)
    if (++pending.step < ACCEPTS) again(parts, pending)
    else park(parts, pending)
  } else if (result === EAGAIN && (pending.priority & IORING_ACCEPT.DONTWAIT) === 0) park(parts, pending)
  else end(parts, pending, result)
}

/** What came of an attempt that did not block. */
export function attempted(parts: Parts, pending: Pending, result: number): void {
  if (result === EINTR) {
    again(parts, pending)
    return
  }
  switch (pending.operation) {
    case OP.READ:
    case OP.READV:
      read(parts, pending, result)
      break
    case OP.WRITE:
    case OP.WRITEV:
      write(parts, pending, result)
      break
    case OP.ACCEPT:
      accept(parts, pending, result)
      break
    case OP.EPOLL_WAIT:
      if (result === 0) park(parts, pending)
      else end(parts, pending, result)
      break
    default:
      message(parts, pending, result)
  }
}

/** A splice waits for its source, then for its target. @returns whether both are ready, and a thread is to do it */
function nextEnd(parts: Parts, pending: Pending): void {
  leave(parts, pending)
  pending.step++
  if (pending.step === 1) parts.readiness.wait(pending, 'read', pending.words[FILE_INDEX])
  else if (pending.step === 2) parts.readiness.wait(pending, 'write', pending.words[FD])
  else parts.threads.add(pending)
}

/** Begins a splice or tee. */
export function beginSplice(parts: Parts, pending: Pending): void {
  pending.step = 0
  pending.blind = true
  if ((pending.words[OP_FLAGS] & SPLICE_F.NONBLOCK) !== 0) parts.threads.add(pending)
  else nextEnd(parts, pending)
}

/** The descriptor of an operation is ready that makes no attempt of the usual kind. */
export function ready(parts: Parts, pending: Pending): void {
  if (pending.operation === OP.SPLICE || pending.operation === OP.TEE) nextEnd(parts, pending)
  else if (pending.operation === OP.CONNECT)
    end(parts, pending, -Math.abs(socketOption(pending.fd, SO.ERROR)))
  else toThread(parts, pending)
}

/** The descriptor of an operation cannot be waited for. */
export function unpollable(parts: Parts, pending: Pending, error: number): void {
  pending.state = 'starting'
  if (error !== EPERM) finish(parts, pending, error)
  else if (pending.operation === OP.POLL_ADD) finish(parts, pending, pollMask(pending) & ALWAYS)
  else if (pending.operation === OP.SPLICE || pending.operation === OP.TEE) nextEnd(parts, pending)
  else parts.threads.add(pending)
}

function userRefusesToWait(pending: Pending): boolean {
  const flags = pending.words[OP_FLAGS]
  switch (pending.operation) {
    case OP.SPLICE:
    case OP.TEE:
      return (flags & SPLICE_F.NONBLOCK) !== 0
    case OP.ACCEPT:
      return (pending.priority & IORING_ACCEPT.DONTWAIT) !== 0
    case OP.READ:
    case OP.READV:
    case OP.WRITE:
    case OP.WRITEV:
      return (flags & RWF.NOWAIT) !== 0
    default:
      return true
  }
}

/** What came of an operation on a thread. */
export function carriedOut(parts: Parts, pending: Pending, result: number): void {
  const { operation } = pending
  if (result === EINTR || (result === EAGAIN && !userRefusesToWait(pending))) {
    if (pending.cancelled) finish(parts, pending, ECANCELED)
    else waitAgain(parts, pending, result)
  } else if (operation === OP.ACCEPT && result >= 0 && (pending.priority & IORING_ACCEPT.MULTISHOT) !== 0) {
    announce(parts, pending, result)
    if (pending.cancelled) finish(parts, pending, ECANCELED)
    else start(parts, pending)
  } else if (result === ESPIPE && isMove(operation) && wide(pending.words, OFF) !== -1) {
    setWide(pending.words, OFF, -1)
    start(parts, pending)
  } else {
    const failed = result < 0 && pending.done > 0
    finish(parts, pending, failed ? pending.done : result + (result < 0 ? 0 : pending.done))
  }
}

/** Interrupted, or somebody else was faster; a file system, too, may answer EAGAIN now and then. */
function waitAgain(parts: Parts, pending: Pending, result: number): void {
  pending.state = 'starting'
  if (result === EINTR || !pending.blind) parts.threads.add(pending)
  else if (pending.operation === OP.SPLICE || pending.operation === OP.TEE) beginSplice(parts, pending)
  else park(parts, pending)
}

function isMove(operation: number): boolean {
  return operation === OP.READ || operation === OP.READV || operation === OP.WRITE || operation === OP.WRITEV
}
