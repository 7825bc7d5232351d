import {
  addressOf,
  copyFrom,
  IORING_OP,
  IORING_RECVSEND,
  IOVEC,
  MSGHDR,
  SQE_WORD,
} from '../../kernel/index.js'
import type { Pending } from './pending.js'
import { setWide, wide } from './words.js'

const { OFF, ADDR, LEN } = SQE_WORD
const VECTOR_WORDS = IOVEC.SIZE / 4
const LENGTH = IOVEC.LEN / 4

/** A copy of memory that an operation points to. */
function copyWords(address: number, bytes: number): Int32Array {
  const copy = new Uint8Array(new ArrayBuffer(bytes))
  copyFrom(address, copy)
  return new Int32Array(copy.buffer)
}

function total(vectors: Int32Array): number {
  let bytes = 0
  for (let at = 0; at < vectors.length; at += VECTOR_WORDS) bytes += wide(vectors, at + LENGTH)
  return bytes
}

function hasHeader(operation: number): boolean {
  return (
    operation === IORING_OP.SENDMSG || operation === IORING_OP.SENDMSG_ZC || operation === IORING_OP.RECVMSG
  )
}

/** Where the iovecs of an operation are and how many; of a message, as its header says. */
function vectorsOf(words: Int32Array): { address: number; count: number } {
  const address = wide(words, ADDR)
  if (!hasHeader(words[0] & 0xff)) return { address, count: words[LEN] }
  const message = copyWords(address, MSGHDR.SIZE)
  return { address: wide(message, MSGHDR.IOV / 4), count: wide(message, MSGHDR.IOVLEN / 4) }
}

/** Whether an operation's memory comes as iovecs. */
export function isVectored(words: Int32Array): boolean {
  switch (words[0] & 0xff) {
    case IORING_OP.READV:
    case IORING_OP.WRITEV:
    case IORING_OP.SENDMSG:
    case IORING_OP.SENDMSG_ZC:
    case IORING_OP.RECVMSG:
      return true
    case IORING_OP.SEND:
    case IORING_OP.SEND_ZC:
      return ((words[0] >>> 16) & IORING_RECVSEND.SEND_VECTORIZED) !== 0
    default:
      return false
  }
}

/** Bytes that an operation is to move. */
export function bytesWanted(words: Int32Array): number {
  if (!isVectored(words)) return words[LEN] >>> 0
  const { address, count } = vectorsOf(words)
  return count === 0 ? 0 : total(copyWords(address, count * IOVEC.SIZE))
}

/** The iovecs without their first `bytes`. */
function trimmed(vectors: Int32Array, bytes: number): Int32Array {
  let at = 0
  let left = bytes
  while (at < vectors.length && left >= wide(vectors, at + LENGTH)) {
    left -= wide(vectors, at + LENGTH)
    at += VECTOR_WORDS
  }
  const rest = vectors.slice(at)
  if (rest.length > 0 && left > 0) {
    setWide(rest, 0, wide(rest, 0) + left)
    setWide(rest, LENGTH, wide(rest, LENGTH) - left)
  }
  return rest
}

/** Takes off an operation what has been moved: the rest is what it does from now on. */
export function progress(pending: Pending, bytes: number): void {
  const { words, operation } = pending
  pending.done += bytes
  const positioned = operation === IORING_OP.READ || operation === IORING_OP.READV
  if (positioned && wide(words, OFF) !== -1) setWide(words, OFF, wide(words, OFF) + bytes)
  if (!isVectored(words)) {
    setWide(words, ADDR, wide(words, ADDR) + bytes)
    words[LEN] -= bytes
    return
  }
  const { address, count } = vectorsOf(words)
  const rest = trimmed(copyWords(address, count * IOVEC.SIZE), bytes)
  const header = MSGHDR.SIZE / 4
  // Of ours from here on: a header, where there is one, and behind it the iovecs.
  const memory = new Int32Array(new ArrayBuffer(MSGHDR.SIZE + rest.byteLength))
  memory.set(rest, header)
  const base = addressOf(memory)
  if (hasHeader(operation)) {
    memory.set(copyWords(wide(words, ADDR), MSGHDR.SIZE))
    setWide(memory, MSGHDR.IOV / 4, base + MSGHDR.SIZE)
    setWide(memory, MSGHDR.IOVLEN / 4, rest.length / VECTOR_WORDS)
    // What goes with a message has gone with its first part.
    setWide(memory, MSGHDR.CONTROL / 4, 0)
    setWide(memory, MSGHDR.CONTROLLEN / 4, 0)
    setWide(words, ADDR, base)
  } else {
    setWide(words, ADDR, base + MSGHDR.SIZE)
    words[LEN] = rest.length / VECTOR_WORDS
  }
  pending.scratch = memory
}
