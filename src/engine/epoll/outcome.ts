import { errnoOf, IORING_OP, MSG, SQE_WORD } from '../../kernel/index.js'

const EAGAIN = -errnoOf('EAGAIN')
const EOPNOTSUPP = -errnoOf('EOPNOTSUPP')
const ESPIPE = -errnoOf('ESPIPE')
const EINTR = -errnoOf('EINTR')
const { LEN, OP_FLAGS } = SQE_WORD

/**
 * Whether the result of a first attempt is the operation's result, so that it needs no further thought. This is the
 * hot path: where it says no, the operation is taken up and thought about.
 */
export function isFinal(words: Int32Array, at: number, result: number): boolean {
  if (result < 0) return result !== EAGAIN && result !== EOPNOTSUPP && result !== ESPIPE && result !== EINTR
  switch (words[at] & 0xff) {
    case IORING_OP.READ:
      return result === 0 || result === words[at + LEN] >>> 0
    case IORING_OP.READV:
      return result === 0
    case IORING_OP.WRITE:
    case IORING_OP.WRITEV:
      return true
    case IORING_OP.EPOLL_WAIT:
      return result > 0
    default:
      return (words[at + OP_FLAGS] & MSG.WAITALL) === 0
  }
}
