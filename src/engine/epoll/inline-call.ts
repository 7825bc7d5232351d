import { addressOf, IORING_OP, SIOC, SOCKET_URING_OP, SQE_WORD, syscall } from '../../kernel/index.js'
import { wide } from './words.js'

const { FD, OFF, ADDR, ADDR_HIGH, LEN, OP_FLAGS, FILE_INDEX, ADDR3 } = SQE_WORD
const OP = IORING_OP

const answer = new Int32Array(new ArrayBuffer(8))

function ask(fd: number, request: number): number {
  const result = syscall('ioctl', fd, request, addressOf(answer))
  return result < 0 ? result : answer[0]
}

/** What URING_CMD does on a socket. */
function socketCommand(words: Int32Array): number {
  const fd = words[FD]
  switch (words[OFF]) {
    case SOCKET_URING_OP.SIOCINQ:
      return ask(fd, SIOC.INQ)
    case SOCKET_URING_OP.SIOCOUTQ:
      return ask(fd, SIOC.OUTQ)
    case SOCKET_URING_OP.SETSOCKOPT:
      return syscall('setsockopt', fd, words[ADDR], words[ADDR_HIGH], wide(words, ADDR3), words[FILE_INDEX])
    case SOCKET_URING_OP.GETSOCKNAME: {
      const call = words[FILE_INDEX] === 0 ? 'getsockname' : 'getpeername'
      return syscall(call, fd, wide(words, ADDR), wide(words, ADDR3))
    }
    default: {
      answer[0] = words[FILE_INDEX]
      const value = wide(words, ADDR3)
      const result = syscall('getsockopt', fd, words[ADDR], words[ADDR_HIGH], value, addressOf(answer))
      return result < 0 ? result : answer[0]
    }
  }
}

/** Carries out an operation that is one call and does not block. @returns its result, or -errno */
export function inlineCall(words: Int32Array): number {
  const fd = words[FD]
  switch (words[0] & 0xff) {
    case OP.SOCKET:
      return syscall('socket', fd, words[OFF], words[LEN])
    case OP.BIND:
      return syscall('bind', fd, wide(words, ADDR), words[OFF])
    case OP.LISTEN:
      return syscall('listen', fd, words[LEN])
    case OP.SHUTDOWN:
      return syscall('shutdown', fd, words[LEN])
    case OP.PIPE:
      return syscall('pipe2', wide(words, ADDR), words[OP_FLAGS])
    case OP.EPOLL_CTL:
      return syscall('epoll_ctl', fd, words[LEN], words[OFF], wide(words, ADDR))
    default:
      return socketCommand(words)
  }
}
