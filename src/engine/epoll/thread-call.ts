import {
  addressOf,
  IORING_FSYNC,
  IORING_OP,
  O,
  SPLICE_F,
  SQE_WORD,
  SYSCALL,
  type SyscallName,
} from '../../kernel/index.js'
import type { Pending } from './pending.js'
import { setWide, wide } from './words.js'

const { FD, OFF, ADDR, LEN, OP_FLAGS, FILE_INDEX, ADDR3 } = SQE_WORD
const OP = IORING_OP

type Arguments = readonly number[]
/** Which call, and its arguments. */
type Call = readonly [SyscallName, Arguments]

/** Memory of our own that a call points to; the operation keeps it alive. */
function scratch(pending: Pending, words: number): Int32Array {
  const memory = new Int32Array(new ArrayBuffer(words * 4))
  pending.scratch = memory
  return memory
}

/** A read or write of one piece. Only with `RWF` flags does it take an iovec. */
function move(pending: Pending, plain: SyscallName, positioned: SyscallName, vectored: SyscallName): Call {
  const { words } = pending
  const fd = words[FD]
  const address = wide(words, ADDR)
  const length = words[LEN] >>> 0
  const position = wide(words, OFF)
  const flags = words[OP_FLAGS]
  if (flags === 0) {
    return position === -1 ? [plain, [fd, address, length]] : [positioned, [fd, address, length, position]]
  }
  const vector = scratch(pending, 4)
  setWide(vector, 0, address)
  setWide(vector, 2, length)
  return [vectored, [fd, addressOf(vector), 1, position, 0, flags]]
}

function moveVectors(pending: Pending, call: SyscallName): Call {
  const { words } = pending
  return [call, [words[FD], wide(words, ADDR), words[LEN], wide(words, OFF), 0, words[OP_FLAGS]]]
}

/** Both ends are ready, so the pipe is not waited for again; EAGAIN says that somebody was faster. */
function splice(pending: Pending): Call {
  const { words } = pending
  const offsets = scratch(pending, 4)
  const source = wide(words, ADDR)
  const target = wide(words, OFF)
  setWide(offsets, 0, source)
  setWide(offsets, 2, target)
  const address = addressOf(offsets)
  const flags = words[OP_FLAGS] | SPLICE_F.NONBLOCK
  const from = source === -1 ? 0 : address
  const to = target === -1 ? 0 : address + 8
  return ['splice', [words[FILE_INDEX], from, words[FD], to, words[LEN] >>> 0, flags]]
}

const CALLS: Readonly<Record<number, (pending: Pending, words: Int32Array) => Call>> = {
  [OP.READ]: pending => move(pending, 'read', 'pread64', 'preadv2'),
  [OP.WRITE]: pending => move(pending, 'write', 'pwrite64', 'pwritev2'),
  [OP.READV]: pending => moveVectors(pending, 'preadv2'),
  [OP.WRITEV]: pending => moveVectors(pending, 'pwritev2'),
  [OP.ACCEPT]: (_, w) => ['accept4', [w[FD], wide(w, ADDR), wide(w, OFF), w[OP_FLAGS]]],
  [OP.CONNECT]: (_, w) => ['connect', [w[FD], wide(w, ADDR), w[OFF]]],
  [OP.OPENAT]: (_, w) => ['openat', [w[FD], wide(w, ADDR), w[OP_FLAGS] | O.LARGEFILE, w[LEN]]],
  [OP.OPENAT2]: (_, w) => ['openat2', [w[FD], wide(w, ADDR), wide(w, OFF), w[LEN]]],
  [OP.STATX]: (_, w) => ['statx', [w[FD], wide(w, ADDR), w[OP_FLAGS], w[LEN], wide(w, OFF)]],
  // There is no call for a range: the whole file is more than was asked for.
  [OP.FSYNC]: (_, w) => [(w[OP_FLAGS] & IORING_FSYNC.DATASYNC) === 0 ? 'fsync' : 'fdatasync', [w[FD]]],
  [OP.SYNC_FILE_RANGE]: (_, w) => ['sync_file_range', [w[FD], wide(w, OFF), w[LEN] >>> 0, w[OP_FLAGS]]],
  [OP.FALLOCATE]: (_, w) => ['fallocate', [w[FD], w[LEN], wide(w, OFF), wide(w, ADDR)]],
  [OP.FTRUNCATE]: (_, w) => ['ftruncate', [w[FD], wide(w, OFF)]],
  // The length is 32 bits wide, or 64 in a field of which older kernels demand that it is 0.
  [OP.FADVISE]: (_, w) => ['fadvise64', [w[FD], wide(w, OFF), wide(w, ADDR) || w[LEN] >>> 0, w[OP_FLAGS]]],
  [OP.MADVISE]: (_, w) => ['madvise', [wide(w, ADDR), wide(w, OFF) || w[LEN] >>> 0, w[OP_FLAGS]]],
  [OP.RENAMEAT]: (_, w) => ['renameat2', [w[FD], wide(w, ADDR), w[LEN], wide(w, OFF), w[OP_FLAGS]]],
  [OP.LINKAT]: (_, w) => ['linkat', [w[FD], wide(w, ADDR), w[LEN], wide(w, OFF), w[OP_FLAGS]]],
  [OP.UNLINKAT]: (_, w) => ['unlinkat', [w[FD], wide(w, ADDR), w[OP_FLAGS]]],
  [OP.MKDIRAT]: (_, w) => ['mkdirat', [w[FD], wide(w, ADDR), w[LEN]]],
  [OP.SYMLINKAT]: (_, w) => ['symlinkat', [wide(w, ADDR), w[FD], wide(w, OFF)]],
  [OP.FSETXATTR]: (_, w) => ['fsetxattr', [w[FD], wide(w, ADDR), wide(w, OFF), w[LEN], w[OP_FLAGS]]],
  [OP.SETXATTR]: (_, w) => ['setxattr', [wide(w, ADDR3), wide(w, ADDR), wide(w, OFF), w[LEN], w[OP_FLAGS]]],
  [OP.FGETXATTR]: (_, w) => ['fgetxattr', [w[FD], wide(w, ADDR), wide(w, OFF), w[LEN]]],
  [OP.GETXATTR]: (_, w) => ['getxattr', [wide(w, ADDR3), wide(w, ADDR), wide(w, OFF), w[LEN]]],
  [OP.SPLICE]: splice,
  [OP.TEE]: (_, w) => ['tee', [w[FILE_INDEX], w[FD], w[LEN] >>> 0, w[OP_FLAGS] | SPLICE_F.NONBLOCK]],
}

/** The system call that carries an operation out on a thread, where it may block. */
export function threadCall(pending: Pending): { number: number; args: Arguments } {
  const [name, args] = CALLS[pending.operation](pending, pending.words)
  return { number: SYSCALL[name], args }
}
