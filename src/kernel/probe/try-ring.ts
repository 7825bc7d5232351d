import { errnoOf } from '../errors.js'
import { IORING_ENTER, IORING_OFF, IORING_SETUP } from '../io-uring.js'
import {
  IO_CQRING_OFFSETS,
  IO_SQRING_OFFSETS,
  IO_URING_CQE,
  IO_URING_PARAMS,
  IO_URING_RSRC_UPDATE,
} from '../io-uring-layout.js'
import { IORING_REGISTER } from '../io-uring-register.js'
import { MAP, type MappedMemory, mapMemory, PAGE_SIZE, PROT, unmapMemory } from '../mmap.js'
import { syscall } from '../syscall.js'

const ENTRIES = 8
const SQE_BYTES = 64
const RING_PAGES = 4
const SQ_IDLE_MS = 1
const WORD_RANGE = 2 ** 32

/** What a ring that is only tried is asked for. */
export interface RingAttempt {
  flags: number
  /** With `SQ_AFF`. */
  cpu?: number
  /** With `ATTACH_WQ`. */
  wqFd?: number
}

function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % WORD_RANGE, true)
  view.setUint32(at + 4, Math.floor(value / WORD_RANGE), true)
}

/** Asks for a small ring. @returns the descriptor (or, with REGISTERED_FD_ONLY, the index), or -errno; and the answer */
export function setUp(
  { flags, cpu = 0, wqFd = 0 }: RingAttempt,
  memory?: MappedMemory,
): { fd: number; params: DataView } {
  const params = new DataView(new ArrayBuffer(IO_URING_PARAMS.SIZE))
  params.setUint32(IO_URING_PARAMS.FLAGS, flags, true)
  params.setUint32(IO_URING_PARAMS.CQ_ENTRIES, (flags & IORING_SETUP.CQSIZE) === 0 ? 0 : 4 * ENTRIES, true)
  params.setUint32(IO_URING_PARAMS.SQ_THREAD_CPU, cpu, true)
  params.setUint32(IO_URING_PARAMS.SQ_THREAD_IDLE, SQ_IDLE_MS, true)
  params.setUint32(IO_URING_PARAMS.WQ_FD, wqFd, true)
  if (memory !== undefined) {
    setU64(params, IO_URING_PARAMS.CQ_OFF + IO_CQRING_OFFSETS.USER_ADDR, memory.address)
    setU64(
      params,
      IO_URING_PARAMS.SQ_OFF + IO_SQRING_OFFSETS.USER_ADDR,
      memory.address + (RING_PAGES - 1) * PAGE_SIZE,
    )
  }
  return { fd: syscall('io_uring_setup', ENTRIES, params), params }
}

/**
 * Makes a ring with these flags and ends it at once.
 *
 * @param base a ring of this thread, by which one without a descriptor can be reached
 * @returns 0, or -errno
 */
export function tryRing(attempt: RingAttempt, base: number): number {
  const memory =
    (attempt.flags & IORING_SETUP.NO_MMAP) === 0
      ? undefined
      : mapMemory(RING_PAGES * PAGE_SIZE, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.ANONYMOUS | MAP.POPULATE)
  try {
    const { fd } = setUp(attempt, memory)
    if (fd < 0) return fd
    if ((attempt.flags & IORING_SETUP.REGISTERED_FD_ONLY) === 0) syscall('close', fd)
    else forgetIndex(base, fd)
    return 0
  } finally {
    // The kernel holds the pages of its rings by itself.
    if (memory !== undefined) unmapMemory(memory)
  }
}

function forgetIndex(base: number, index: number): void {
  const update = new Uint32Array(new ArrayBuffer(IO_URING_RSRC_UPDATE.SIZE))
  update[IO_URING_RSRC_UPDATE.OFFSET] = index
  syscall('io_uring_register', base, IORING_REGISTER.UNREGISTER_RING_FDS, update, 1)
}

/**
 * Submits one NOP on a ring made without flags, and takes its completion.
 *
 * @returns the completion's result, which is 0; or -errno of io_uring_enter(2)
 */
export function submitNop(fd: number, params: DataView): number {
  const u32 = (at: number) => params.getUint32(at, true)
  const sq = (field: number) => u32(IO_URING_PARAMS.SQ_OFF + field)
  const cq = (field: number) => u32(IO_URING_PARAMS.CQ_OFF + field)
  const entries = u32(IO_URING_PARAMS.SQ_ENTRIES)
  const bytes = Math.max(
    sq(IO_SQRING_OFFSETS.ARRAY) + entries * 4,
    cq(IO_CQRING_OFFSETS.CQES) + u32(IO_URING_PARAMS.CQ_ENTRIES) * IO_URING_CQE.SIZE,
  )
  const protection = PROT.READ | PROT.WRITE
  const rings = mapMemory(bytes, protection, MAP.SHARED | MAP.POPULATE, fd, IORING_OFF.SQ_RING)
  const queue = mapMemory(entries * SQE_BYTES, protection, MAP.SHARED | MAP.POPULATE, fd, IORING_OFF.SQES)
  try {
    // A zeroed entry is a NOP, and a zeroed index array names it.
    const words = new Int32Array(rings.buffer, 0, bytes >> 2)
    Atomics.store(words, sq(IO_SQRING_OFFSETS.TAIL) >> 2, 1)
    const result = syscall('io_uring_enter', fd, 1, 1, IORING_ENTER.GETEVENTS, 0, 0)
    if (result < 0) return result
    const done = Atomics.load(words, cq(IO_CQRING_OFFSETS.TAIL) >> 2) === 1
    return done ? (words[(cq(IO_CQRING_OFFSETS.CQES) + IO_URING_CQE.RES) >> 2] as number) : -errnoOf('EIO')
  } finally {
    unmapMemory(rings)
    unmapMemory(queue)
  }
}
