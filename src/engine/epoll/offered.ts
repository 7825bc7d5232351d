import {
  errnoOf,
  IORING_OP,
  IORING_RECVSEND,
  IORING_SPLICE,
  IOSQE,
  SOCKET_URING_OP,
  SQE_WORD,
} from '../../kernel/index.js'

const EINVAL = -errnoOf('EINVAL')
const EOPNOTSUPP = -errnoOf('EOPNOTSUPP')

/** How an operation is carried out. */
export const WAY = {
  /** Not at all: it needs what only io_uring has. */
  NONE: 0,
  NOP: 1,
  /** Tried without blocking; then again when the descriptor is ready, or on a thread. */
  ATTEMPT: 2,
  /** As ATTEMPT for a pipe or socket; a file is written on a thread. */
  WRITE: 3,
  CONNECT: 4,
  /** One system call that does not block, here and now. */
  CALL: 5,
  CLOSE: 6,
  THREAD: 7,
  /** Both ends are awaited, then it goes to a thread. */
  SPLICE: 8,
  POLL: 9,
  TIMEOUT: 10,
  LIMIT: 11,
  /** Acts on other operations. */
  CONTROL: 12,
  /** As ATTEMPT, where the socket does not block of itself: an accept cannot be told not to. */
  ACCEPT: 13,
} as const

const OP = IORING_OP
const ways = new Uint8Array(256)
const table: [number, number[]][] = [
  [WAY.NOP, [OP.NOP]],
  [WAY.ATTEMPT, [OP.READ, OP.READV, OP.SEND, OP.SEND_ZC, OP.SENDMSG, OP.SENDMSG_ZC, OP.RECV, OP.RECVMSG]],
  [WAY.ATTEMPT, [OP.EPOLL_WAIT]],
  [WAY.ACCEPT, [OP.ACCEPT]],
  [WAY.WRITE, [OP.WRITE, OP.WRITEV]],
  [WAY.CONNECT, [OP.CONNECT]],
  [WAY.CALL, [OP.SOCKET, OP.BIND, OP.LISTEN, OP.SHUTDOWN, OP.PIPE, OP.EPOLL_CTL, OP.URING_CMD]],
  [WAY.CLOSE, [OP.CLOSE]],
  [WAY.THREAD, [OP.OPENAT, OP.OPENAT2, OP.STATX, OP.FSYNC, OP.SYNC_FILE_RANGE, OP.FALLOCATE, OP.FTRUNCATE]],
  [WAY.THREAD, [OP.FADVISE, OP.MADVISE, OP.RENAMEAT, OP.UNLINKAT, OP.MKDIRAT, OP.SYMLINKAT, OP.LINKAT]],
  [WAY.THREAD, [OP.FSETXATTR, OP.SETXATTR, OP.FGETXATTR, OP.GETXATTR]],
  [WAY.SPLICE, [OP.SPLICE, OP.TEE]],
  [WAY.POLL, [OP.POLL_ADD]],
  [WAY.TIMEOUT, [OP.TIMEOUT]],
  [WAY.LIMIT, [OP.LINK_TIMEOUT]],
  [WAY.CONTROL, [OP.ASYNC_CANCEL, OP.POLL_REMOVE, OP.TIMEOUT_REMOVE]],
]
for (const [way, operations] of table) for (const operation of operations) ways[operation] = way

/** How an operation of `IORING_OP` is carried out, of {@link WAY}. */
export function wayOf(operation: number): number {
  return ways[operation & 0xff]
}

/** Operations whose entry can name a slot of the registered files, of which there are none. */
const SLOTTED: ReadonlySet<number> = new Set([OP.OPENAT, OP.OPENAT2, OP.ACCEPT, OP.SOCKET, OP.CLOSE, OP.PIPE])
const NOT_OFFERED = IOSQE.FIXED_FILE | IOSQE.BUFFER_SELECT
const PERSONALITY = 0xffff0000

/** Whether an entry cannot be carried out here. @returns the error it completes with, or 0 */
export function refusal(words: Int32Array, at: number): number {
  const operation = words[at] & 0xff
  const flags = (words[at] >>> 8) & 0xff
  const priority = words[at] >>> 16
  if (ways[operation] === WAY.NONE || (flags & (IOSQE.IO_DRAIN | 0x80)) !== 0) return EINVAL
  if ((flags & NOT_OFFERED) !== 0 || (words[at + SQE_WORD.BUFFER] & PERSONALITY) !== 0) return EOPNOTSUPP
  switch (operation) {
    case OP.SEND:
    case OP.SEND_ZC:
    case OP.SENDMSG_ZC:
      return (priority & (IORING_RECVSEND.FIXED_BUF | IORING_RECVSEND.BUNDLE)) === 0 ? 0 : EOPNOTSUPP
    case OP.RECVMSG:
      return (priority & IORING_RECVSEND.RECV_MULTISHOT) === 0 ? 0 : EOPNOTSUPP
    case OP.RECV:
      return (priority & IORING_RECVSEND.BUNDLE) === 0 ? 0 : EOPNOTSUPP
    case OP.SPLICE:
    case OP.TEE:
      return (words[at + SQE_WORD.OP_FLAGS] & IORING_SPLICE.FD_IN_FIXED) === 0 ? 0 : EOPNOTSUPP
    case OP.URING_CMD:
      return words[at + SQE_WORD.OFF] >>> 0 <= SOCKET_URING_OP.GETSOCKNAME &&
        words[at + SQE_WORD.OFF] !== SOCKET_URING_OP.TX_TIMESTAMP
        ? 0
        : EOPNOTSUPP
    default:
      return SLOTTED.has(operation) && words[at + SQE_WORD.FILE_INDEX] !== 0 ? EOPNOTSUPP : 0
  }
}
