import {
  IO_CQRING_OFFSETS,
  IO_SQRING_OFFSETS,
  IO_URING_PARAMS,
  IORING_OFF,
  IORING_SETUP,
  MADV,
  MAP,
  type MappedMemory,
  mapMemory,
  PROT,
  syscall,
  systemError,
  unmapMemory,
} from '../kernel/index.js'
import type { CompletionLayout } from './completion-queue.js'
import type { SubmissionLayout } from './submission-queue.js'

const EINVAL = -22
const CQE_BYTES = 16
const SQE_BYTES = 64

/** What io_uring_setup(2) is asked for. */
export interface SetupRequest {
  entries: number
  completionEntries: number
  /** Flags of `IORING_SETUP` that must be had. */
  required: number
  /** Flags that newer kernels have and that we can do without, the newest first. */
  optional: readonly number[]
  sqThreadIdleMs: number
  sqThreadCpu: number
  wqFd: number
}

/** A ring as the kernel made it. */
export interface SetupResult {
  fd: number
  /** The flags that it got. */
  flags: number
  /** Bits of `IORING_FEAT`. */
  features: number
  memory: RingMemory
}

function attempt(request: SetupRequest, flags: number): { fd: number; params: DataView } {
  const params = new DataView(new ArrayBuffer(IO_URING_PARAMS.SIZE))
  params.setUint32(IO_URING_PARAMS.FLAGS, flags, true)
  params.setUint32(IO_URING_PARAMS.CQ_ENTRIES, request.completionEntries, true)
  params.setUint32(IO_URING_PARAMS.SQ_THREAD_IDLE, request.sqThreadIdleMs, true)
  params.setUint32(IO_URING_PARAMS.SQ_THREAD_CPU, Math.max(0, request.sqThreadCpu), true)
  params.setInt32(IO_URING_PARAMS.WQ_FD, request.wqFd, true)
  return { fd: syscall('io_uring_setup', request.entries, params), params }
}

/**
 * Makes a ring with as many of the wanted flags as this kernel has. A flag it does not know is EINVAL, so the
 * newest are given up one by one.
 *
 * @throws the system error of io_uring_setup(2), or of mmap(2)
 */
export function setupRing(request: SetupRequest): SetupResult {
  const optional = [...request.optional]
  while (true) {
    const flags = optional.reduce((all, flag) => all | flag, request.required)
    const { fd, params } = attempt(request, flags)
    if (fd >= 0) return mapped(fd, flags, params)
    if (fd !== EINVAL || optional.length === 0) throw systemError(fd, 'io_uring_setup')
    optional.shift()
  }
}

function mapped(fd: number, flags: number, params: DataView): SetupResult {
  try {
    const features = params.getUint32(IO_URING_PARAMS.FEATURES, true)
    return { fd, flags, features, memory: new RingMemory(fd, flags, params) }
  } catch (error) {
    syscall('close', fd)
    throw error
  }
}

/** The two mappings of a ring, and where in them everything stands. */
export class RingMemory {
  readonly submission: SubmissionLayout
  readonly completion: CompletionLayout
  /** For the guard in native/ring.c: addresses of what it needs to drain the ring by itself. */
  readonly guard: Float64Array
  readonly #queues: MappedMemory
  readonly #entries: MappedMemory

  /** Maps the queues of `fd`. @throws the system error of mmap(2) */
  constructor(fd: number, flags: number, params: DataView) {
    const u32 = (at: number) => params.getUint32(at, true)
    const sq = (field: number) => u32(IO_URING_PARAMS.SQ_OFF + field)
    const cq = (field: number) => u32(IO_URING_PARAMS.CQ_OFF + field)
    const entries = u32(IO_URING_PARAMS.SQ_ENTRIES)
    const completions = u32(IO_URING_PARAMS.CQ_ENTRIES)
    const wideEntry = (flags & IORING_SETUP.SQE128) === 0 ? 0 : 1
    const wideCompletion = (flags & IORING_SETUP.CQE32) === 0 ? 0 : 1
    const hasArray = (flags & IORING_SETUP.NO_SQARRAY) === 0
    const bytes = Math.max(
      hasArray ? sq(IO_SQRING_OFFSETS.ARRAY) + entries * 4 : 0,
      cq(IO_CQRING_OFFSETS.CQES) + completions * (CQE_BYTES << wideCompletion),
    )
    this.#queues = mapRing(fd, bytes, IORING_OFF.SQ_RING)
    try {
      this.#entries = mapRing(fd, entries * (SQE_BYTES << wideEntry), IORING_OFF.SQES)
    } catch (error) {
      unmapMemory(this.#queues)
      throw error
    }
    const shared = new Int32Array(this.#queues.buffer, 0, Math.floor(bytes / 4))
    this.submission = {
      shared,
      words: new Int32Array(this.#entries.buffer),
      headIndex: sq(IO_SQRING_OFFSETS.HEAD) >> 2,
      tailIndex: sq(IO_SQRING_OFFSETS.TAIL) >> 2,
      flagsIndex: sq(IO_SQRING_OFFSETS.FLAGS) >> 2,
      capacity: entries,
      entryShift: 4 + wideEntry,
    }
    this.completion = {
      shared,
      headIndex: cq(IO_CQRING_OFFSETS.HEAD) >> 2,
      tailIndex: cq(IO_CQRING_OFFSETS.TAIL) >> 2,
      overflowIndex: cq(IO_CQRING_OFFSETS.OVERFLOW) >> 2,
      entriesIndex: cq(IO_CQRING_OFFSETS.CQES) >> 2,
      capacity: completions,
      entryShift: 2 + wideCompletion,
    }
    // Entry n always stands at place n: the index array of older kernels is written once and never touched again.
    if (hasArray) {
      const array = sq(IO_SQRING_OFFSETS.ARRAY) >> 2
      for (let index = 0; index < entries; index++) shared[array + index] = index
    }
    this.guard = this.#guardAddresses()
  }

  #guardAddresses(): Float64Array {
    const at = (index: number) => this.#queues.address + index * 4
    const { submission, completion } = this
    return Float64Array.of(
      at(submission.headIndex),
      at(submission.tailIndex),
      at(completion.headIndex),
      at(completion.tailIndex),
      at(completion.entriesIndex),
      completion.capacity - 1,
      4 << completion.entryShift,
      this.#entries.address,
      submission.capacity - 1,
      4 << submission.entryShift,
    )
  }

  /** The two mappings. */
  get buffers(): ArrayBuffer[] {
    return [this.#queues.buffer, this.#entries.buffer]
  }

  /** Unmaps both; every view of them is empty afterwards. */
  unmap(): void {
    unmapMemory(this.#queues)
    unmapMemory(this.#entries)
  }
}

function mapRing(fd: number, bytes: number, offset: number): MappedMemory {
  const memory = mapMemory(bytes, PROT.READ | PROT.WRITE, MAP.SHARED | MAP.POPULATE, fd, offset)
  // A child must not share the queues: two processes would move the same head.
  const result = syscall('madvise', memory.address, bytes, MADV.DONTFORK)
  if (result < 0) {
    unmapMemory(memory)
    throw systemError(result, 'madvise')
  }
  return memory
}
