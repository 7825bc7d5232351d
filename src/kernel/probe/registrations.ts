import { errnoOf } from '../errors.js'
import { IORING_SETUP } from '../io-uring.js'
import {
  IO_URING_BUF_REG,
  IO_URING_CLOCK_REGISTER,
  IO_URING_CLONE_BUFFERS,
  IO_URING_FILE_INDEX_RANGE,
  IO_URING_MEM_REGION_REG,
  IO_URING_NAPI_REG,
  IO_URING_PARAMS,
  IO_URING_REGION_DESC,
  IO_URING_RSRC_REGISTER,
  IO_URING_SYNC_CANCEL_REG,
} from '../io-uring-layout.js'
import { IORING_REGISTER, IORING_RSRC_REGISTER, IOU_PBUF_RING } from '../io-uring-register.js'
import { REGISTER_SINCE } from '../io-uring-since.js'
import { addressOf, syscall } from '../syscall.js'
import { setUp } from './try-ring.js'

const CLOCK_MONOTONIC = 1
const WORD_RANGE = 2 ** 32

/** Tries one registration on a ring of its own. @returns 0 or more, or -errno */
type Attempt = (fd: number) => number

function struct(bytes: number, fields: readonly (readonly [at: number, value: number])[]): DataView {
  const view = new DataView(new ArrayBuffer(bytes))
  for (const [at, value] of fields) {
    view.setUint32(at, value % WORD_RANGE, true)
    if (value >= WORD_RANGE) view.setUint32(at + 4, value / WORD_RANGE, true)
  }
  return view
}

function register(fd: number, operation: number, argument: ArrayBufferView | number, count: number): number {
  return syscall('io_uring_register', fd, operation, argument, count)
}

/** The kernel allocates the ring of buffers, so that there is nothing of ours to keep. */
function bufferRing(fd: number, flags: number): number {
  const view = struct(IO_URING_BUF_REG.SIZE, [[IO_URING_BUF_REG.RING_ENTRIES, 4]])
  view.setUint16(IO_URING_BUF_REG.FLAGS, flags, true)
  return register(fd, IORING_REGISTER.PBUF_RING, view, 1)
}

function sparse(fd: number, operation: number): number {
  const view = struct(IO_URING_RSRC_REGISTER.SIZE, [
    [IO_URING_RSRC_REGISTER.NR, 4],
    [IO_URING_RSRC_REGISTER.FLAGS, IORING_RSRC_REGISTER.SPARSE],
  ])
  return register(fd, operation, view, IO_URING_RSRC_REGISTER.SIZE)
}

/** Nothing is in flight, so a kernel that knows it finds nothing. */
function cancelNow(fd: number): number {
  const forEver = -1
  const view = struct(IO_URING_SYNC_CANCEL_REG.SIZE, [[IO_URING_SYNC_CANCEL_REG.ADDR, 1]])
  view.setInt32(IO_URING_SYNC_CANCEL_REG.FD, -1, true)
  view.setBigInt64(IO_URING_SYNC_CANCEL_REG.TIMEOUT, BigInt(forEver), true)
  view.setBigInt64(IO_URING_SYNC_CANCEL_REG.TIMEOUT + 8, BigInt(forEver), true)
  const result = register(fd, IORING_REGISTER.SYNC_CANCEL, view, 1)
  return result === -errnoOf('ENOENT') ? 0 : result
}

/** From a ring that has none: a kernel that knows it says so (ENXIO). */
function cloneBuffers(fd: number): number {
  const other = setUp({ flags: 0 }).fd
  const view = struct(IO_URING_CLONE_BUFFERS.SIZE, [[IO_URING_CLONE_BUFFERS.SRC_FD, Math.max(0, other)]])
  const result = register(fd, IORING_REGISTER.CLONE_BUFFERS, view, 1)
  if (other >= 0) syscall('close', other)
  return result === -errnoOf('ENXIO') ? 0 : result
}

function fileRange(fd: number): number {
  const tables = sparse(fd, IORING_REGISTER.FILES2)
  if (tables < 0) return tables
  const view = struct(IO_URING_FILE_INDEX_RANGE.SIZE, [[IO_URING_FILE_INDEX_RANGE.LEN, 2]])
  return register(fd, IORING_REGISTER.FILE_ALLOC_RANGE, view, 0)
}

/** Memory of the kernel's own, so that there is nothing of ours to keep. */
function memoryRegion(fd: number): number {
  const region = struct(IO_URING_REGION_DESC.SIZE, [[IO_URING_REGION_DESC.SIZE_BYTES, 65536]])
  const view = struct(IO_URING_MEM_REGION_REG.SIZE, [
    [IO_URING_MEM_REGION_REG.REGION_UPTR, addressOf(region)],
  ])
  return register(fd, IORING_REGISTER.MEM_REGION, view, 1)
}

function resize(fd: number): number {
  const view = struct(IO_URING_PARAMS.SIZE, [[IO_URING_PARAMS.SQ_ENTRIES, 16]])
  return register(fd, IORING_REGISTER.RESIZE_RINGS, view, 1)
}

function ringDescriptor(fd: number): number {
  const update = new Uint32Array(new ArrayBuffer(16))
  update[0] = WORD_RANGE - 1
  update[2] = fd
  const result = register(fd, IORING_REGISTER.RING_FDS, update, 1)
  if (result === 1) {
    update[2] = 0
    register(fd, IORING_REGISTER.UNREGISTER_RING_FDS, update, 1)
  }
  return result
}

const ATTEMPTS: Partial<Record<keyof typeof IORING_REGISTER, Attempt>> = {
  PERSONALITY: fd => register(fd, IORING_REGISTER.PERSONALITY, 0, 0),
  FILES2: fd => sparse(fd, IORING_REGISTER.FILES2),
  BUFFERS2: fd => sparse(fd, IORING_REGISTER.BUFFERS2),
  IOWQ_MAX_WORKERS: fd => register(fd, IORING_REGISTER.IOWQ_MAX_WORKERS, struct(8, []), 2),
  RING_FDS: ringDescriptor,
  PBUF_RING: fd => bufferRing(fd, IOU_PBUF_RING.MMAP),
  SYNC_CANCEL: cancelNow,
  FILE_ALLOC_RANGE: fileRange,
  NAPI: fd => register(fd, IORING_REGISTER.NAPI, struct(IO_URING_NAPI_REG.SIZE, []), 1),
  CLOCK: fd =>
    register(fd, IORING_REGISTER.CLOCK, struct(IO_URING_CLOCK_REGISTER.SIZE, [[0, CLOCK_MONOTONIC]]), 0),
  CLONE_BUFFERS: cloneBuffers,
  RESIZE_RINGS: resize,
  MEM_REGION: memoryRegion,
  // An empty chain of queries asks for nothing.
  QUERY: fd => register(fd, IORING_REGISTER.QUERY, 0, 0),
}

/** A registration that a program can miss, and whether it is there. */
export interface RegistrationFact {
  name: string
  since: string
  supported: boolean
  /** The error of a try that failed. */
  code: number
}

/** What io_uring_register(2) can do here: each is tried on a ring of its own. */
export function probeRegistrations(): RegistrationFact[] {
  const { SINGLE_ISSUER, DEFER_TASKRUN } = IORING_SETUP
  const facts = Object.entries(ATTEMPTS).map(([name, attempt]) => {
    // Resizing needs a ring whose completions are deferred; where the kernel has none, it has no resizing either.
    const flags = name === 'RESIZE_RINGS' ? SINGLE_ISSUER | DEFER_TASKRUN : 0
    const { fd } = setUp({ flags })
    const result = fd < 0 ? fd : attempt(fd)
    if (fd >= 0) syscall('close', fd)
    return { name, since: REGISTER_SINCE[name as keyof typeof IORING_REGISTER], result }
  })
  const incremental = setUp({ flags: 0 }).fd
  if (incremental >= 0) {
    const result = bufferRing(incremental, IOU_PBUF_RING.MMAP | IOU_PBUF_RING.INC)
    facts.push({ name: 'PBUF_RING (incremental)', since: '6.12', result })
    syscall('close', incremental)
  }
  return facts.map(({ name, since, result }) => ({
    name,
    since,
    supported: result >= 0,
    code: Math.min(result, 0),
  }))
}
