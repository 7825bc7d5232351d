import {
  checkInteger,
  IORING_MSG,
  IORING_OP,
  IORING_REGISTER,
  SQE_WORD,
  syscall,
  systemError,
} from '../kernel/index.js'
import { storeWide } from './prepare/entry.js'
import { ENTRY_WORDS } from './submission-queue.js'

const NO_RING = -1

/**
 * Posts a completion on a ring, from any thread of the process and without a ring of one's own. Kernel 6.13.
 *
 * @param ring the ring's descriptor; the ring is made with `messages`, and its owner calls `discountMessage()`
 * @param result the completion's result, 32 bits
 * @param userData the completion's user data
 * @throws the system error of io_uring_register(2): `EBADF`, `EBADFD` where it is no ring, `EINVAL` on an older kernel
 */
export function sendMessage(ring: number, result: number, userData: number): void {
  checkInteger(ring, 'ring', 0, 2 ** 31 - 1)
  checkInteger(result, 'result', -(2 ** 31), 2 ** 31 - 1)
  checkInteger(userData, 'userData', 0)
  const entry = new Int32Array(new ArrayBuffer(ENTRY_WORDS * 4))
  entry[0] = IORING_OP.MSG_RING
  entry[SQE_WORD.FD] = ring
  storeWide(entry, SQE_WORD.OFF, userData)
  storeWide(entry, SQE_WORD.ADDR, IORING_MSG.DATA)
  entry[SQE_WORD.LEN] = result
  const answer = syscall('io_uring_register', NO_RING, IORING_REGISTER.SEND_MSG_RING, entry, 1)
  if (answer < 0) throw systemError(answer, 'io_uring_register')
}
