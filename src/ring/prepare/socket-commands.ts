import { addressOf, IORING_OP, SOCKET_URING_OP, SQE_WORD } from '../../kernel/index.js'
import type { SubmissionQueue } from '../submission-queue.js'
import { storeWide, write } from './entry.js'

/** Not taken yet: see `write()`. */
function socketCommand(queue: SubmissionQueue, command: number, fd: number, userData: number): number {
  return write(queue, IORING_OP.URING_CMD, fd, command, 0, 0, 0, userData)
}

function socketOption(
  queue: SubmissionQueue,
  command: number,
  fd: number,
  level: number,
  option: number,
  value: ArrayBufferView,
  userData: number,
): boolean {
  const address = addressOf(value)
  const entry = socketCommand(queue, command, fd, userData)
  if (entry < 0) return false
  // Level and option are the two halves of the field that other operations have an address in.
  queue.words[entry + SQE_WORD.ADDR] = level
  queue.words[entry + SQE_WORD.ADDR_HIGH] = option
  queue.words[entry + SQE_WORD.FILE_INDEX] = value.byteLength
  storeWide(queue.words, entry + SQE_WORD.ADDR3, address)
  return queue.takeWhole()
}

/**
 * Gets an option of a socket. The completion's result is its length. The kernel offers level `SOL_SOCKET` only.
 *
 * @param value where it goes; must live until completion
 * @returns false when the queue is full
 * @see getsockopt(2)
 */
export function prepareGetsockopt(
  queue: SubmissionQueue,
  fd: number,
  level: number,
  option: number,
  value: ArrayBufferView,
  userData: number,
): boolean {
  return socketOption(queue, SOCKET_URING_OP.GETSOCKOPT, fd, level, option, value, userData)
}

/**
 * Sets an option of a socket.
 *
 * @param value must live until completion
 * @returns false when the queue is full
 * @see setsockopt(2)
 */
export function prepareSetsockopt(
  queue: SubmissionQueue,
  fd: number,
  level: number,
  option: number,
  value: ArrayBufferView,
  userData: number,
): boolean {
  return socketOption(queue, SOCKET_URING_OP.SETSOCKOPT, fd, level, option, value, userData)
}

/** Asks how many bytes can be received; the completion's result says so. Needs kernel 6.6. */
export function prepareSiocinq(queue: SubmissionQueue, fd: number, userData: number): boolean {
  return socketCommand(queue, SOCKET_URING_OP.SIOCINQ, fd, userData) >= 0 && queue.takeWhole()
}

/** Asks how many bytes are not sent or not acknowledged yet; the completion's result says so. Needs kernel 6.6. */
export function prepareSiocoutq(queue: SubmissionQueue, fd: number, userData: number): boolean {
  return socketCommand(queue, SOCKET_URING_OP.SIOCOUTQ, fd, userData) >= 0 && queue.takeWhole()
}

function socketName(
  queue: SubmissionQueue,
  fd: number,
  address: ArrayBufferView,
  length: ArrayBufferView,
  peer: number,
  userData: number,
): boolean {
  const lengthAddress = addressOf(length)
  const name = addressOf(address)
  const entry = write(queue, IORING_OP.URING_CMD, fd, SOCKET_URING_OP.GETSOCKNAME, name, 0, 0, userData)
  if (entry < 0) return false
  queue.words[entry + SQE_WORD.FILE_INDEX] = peer
  storeWide(queue.words, entry + SQE_WORD.ADDR3, lengthAddress)
  return queue.takeWhole()
}

/**
 * Asks for a socket's own address. Needs kernel 6.19.
 *
 * @param address where it goes; must live until completion
 * @param length one 32-bit word: the room in `address` on the way in, the address's length on the way out;
 *   must live until completion
 * @returns false when the queue is full
 * @see getsockname(2)
 */
export function prepareGetsockname(
  queue: SubmissionQueue,
  fd: number,
  address: ArrayBufferView,
  length: ArrayBufferView,
  userData: number,
): boolean {
  return socketName(queue, fd, address, length, 0, userData)
}

/** As {@link prepareGetsockname}, the peer's address. */
export function prepareGetpeername(
  queue: SubmissionQueue,
  fd: number,
  address: ArrayBufferView,
  length: ArrayBufferView,
  userData: number,
): boolean {
  return socketName(queue, fd, address, length, 1, userData)
}

/**
 * Collects transmit time stamps, a 32-byte completion each. Needs kernel 6.17 and a ring with such completions.
 *
 * @returns false when the queue is full
 */
export function prepareTxTimestamp(queue: SubmissionQueue, fd: number, userData: number): boolean {
  return socketCommand(queue, SOCKET_URING_OP.TX_TIMESTAMP, fd, userData) >= 0 && queue.takeWhole()
}
