import { errnoName } from '../errors.js'
import { IORING_FEAT, IORING_OP, IORING_SETUP, type IoUringOperation } from '../io-uring.js'
import { IO_URING_PARAMS, IO_URING_PROBE, IO_URING_PROBE_OP } from '../io-uring-layout.js'
import { IO_URING_OP_SUPPORTED, IO_WQ, IORING_REGISTER } from '../io-uring-register.js'
import { FEATURE_SINCE, OPERATION_SINCE, SETUP_SINCE } from '../io-uring-since.js'
import { syscall } from '../syscall.js'
import { sysctl } from './procfs.js'
import { explainRefusal, type IoUringRefusal } from './refusal.js'
import { probeRegistrations } from './registrations.js'
import type { SandboxFacts } from './sandbox.js'
import { setUp, submitNop, tryRing } from './try-ring.js'

/** Something that kernels have since a version, and whether it is here. */
export interface Offer {
  name: string
  /** The first kernel that has it, such as `6.1`. */
  since: string
  supported: boolean
  /** For what was tried and failed: the error's name. */
  code?: string
}

/** What io_uring offers to this process. */
export interface IoUringFacts {
  available: boolean
  /** Why not, and what to do; null where it is available. */
  refusal: IoUringRefusal | null
  /** `kernel.io_uring_disabled`; null where the kernel has no such switch (before 6.6). */
  disabled: number | null
  /** `kernel.io_uring_group`; null as above. */
  group: number | null
  /** Empty where io_uring is not available, as the lists below. */
  operations: Offer[]
  /** Operations that this kernel has and this version of Sluice does not know. */
  unknownOperations: number
  features: Offer[]
  /** Each was tried with the flags that it needs beside it. */
  setupFlags: Offer[]
  registrations: Offer[]
  /** The kernel's own limits of a ring's workers, before Sluice sets lower ones; null where it does not tell. */
  workers: { bounded: number; unbounded: number } | null
}

const OPERATIONS = 256

/** Flags that a flag is refused without. */
const COMPANIONS: Partial<Record<keyof typeof IORING_SETUP, number>> = {
  SQ_AFF: IORING_SETUP.SQPOLL,
  TASKRUN_FLAG: IORING_SETUP.COOP_TASKRUN,
  DEFER_TASKRUN: IORING_SETUP.SINGLE_ISSUER,
  REGISTERED_FD_ONLY: IORING_SETUP.NO_MMAP,
  HYBRID_IOPOLL: IORING_SETUP.IOPOLL,
  SQ_REWIND: IORING_SETUP.NO_SQARRAY,
}

function operations(fd: number): { known: Offer[]; unknown: number } {
  const view = new DataView(new ArrayBuffer(IO_URING_PROBE.SIZE + OPERATIONS * IO_URING_PROBE_OP.SIZE))
  const result = syscall('io_uring_register', fd, IORING_REGISTER.PROBE, view, OPERATIONS)
  const offered = new Set<number>()
  const count = result < 0 ? 0 : view.getUint8(IO_URING_PROBE.OPS_LEN)
  for (let index = 0; index < count; index++) {
    const at = IO_URING_PROBE.OPS + index * IO_URING_PROBE_OP.SIZE
    const flags = view.getUint16(at + IO_URING_PROBE_OP.FLAGS, true)
    if ((flags & IO_URING_OP_SUPPORTED) !== 0) offered.add(view.getUint8(at + IO_URING_PROBE_OP.OP))
  }
  const names = Object.keys(IORING_OP) as IoUringOperation[]
  const known = names.map(name => {
    const since = OPERATION_SINCE[name]
    return { name, since, supported: offered.has(IORING_OP[name]) }
  })
  return { known, unknown: [...offered].filter(number => number >= names.length).length }
}

function features(bits: number): Offer[] {
  const names = Object.keys(IORING_FEAT) as (keyof typeof IORING_FEAT)[]
  return names.map(name => ({
    name,
    since: FEATURE_SINCE[name],
    supported: (bits & IORING_FEAT[name]) !== 0,
  }))
}

/** A CPU that this thread may run on: a kernel thread can be bound to no other. */
function allowedCpu(): number {
  const mask = new Uint8Array(new ArrayBuffer(1024))
  const bytes = syscall('sched_getaffinity', 0, mask.length, mask)
  for (let cpu = 0; cpu < bytes * 8; cpu++) {
    if (((mask[cpu >> 3] as number) & (1 << (cpu & 7))) !== 0) return cpu
  }
  return 0
}

function setupFlags(base: number): Offer[] {
  const names = Object.keys(IORING_SETUP) as (keyof typeof IORING_SETUP)[]
  return names.map(name => {
    const flags = IORING_SETUP[name] | (COMPANIONS[name] ?? 0)
    const result = tryRing({ flags, cpu: name === 'SQ_AFF' ? allowedCpu() : 0, wqFd: base }, base)
    const offer = { name, since: SETUP_SINCE[name], supported: result === 0 }
    return result === 0 ? offer : { ...offer, code: errnoName(result) }
  })
}

/** Asks for the limits of a ring's workers: the one registration without which Sluice does not use a ring. */
function workerLimits(fd: number): { result: number; workers: IoUringFacts['workers'] } {
  const limits = new Uint32Array(new ArrayBuffer(8))
  const result = syscall('io_uring_register', fd, IORING_REGISTER.IOWQ_MAX_WORKERS, limits, 2)
  if (result < 0) return { result, workers: null }
  const workers = { bounded: limits[IO_WQ.BOUND] as number, unbounded: limits[IO_WQ.UNBOUND] as number }
  return { result, workers }
}

function registrations(): Offer[] {
  return probeRegistrations().map(({ code, ...offer }) =>
    offer.supported ? offer : { ...offer, code: errnoName(code) },
  )
}

/** Everything about a ring that could be made. */
function explore(fd: number, params: DataView) {
  const { known, unknown } = operations(fd)
  return {
    operations: known,
    unknownOperations: unknown,
    features: features(params.getUint32(IO_URING_PARAMS.FEATURES, true)),
    setupFlags: setupFlags(fd),
    registrations: registrations(),
    workers: workerLimits(fd).workers,
  }
}

/**
 * Finds out whether io_uring works here, by making a ring and running an operation on it, and what it offers.
 *
 * A sandbox may allow the set-up and not the submission; only a real operation tells.
 */
export function probeIoUring(sandbox: SandboxFacts): IoUringFacts {
  const nothing = { operations: [], unknownOperations: 0, features: [], setupFlags: [], registrations: [] }
  const switches = {
    disabled: sysctl('kernel.io_uring_disabled') ?? null,
    group: sysctl('kernel.io_uring_group') ?? null,
  }
  const refused = (errno: number, call: IoUringRefusal['syscall']): IoUringFacts => {
    const refusal = explainRefusal(errno, call, sandbox)
    return { available: false, refusal, ...switches, ...nothing, workers: null }
  }
  const { fd, params } = setUp({ flags: 0 })
  if (fd < 0) return refused(fd, 'io_uring_setup')
  try {
    const submitted = submitNop(fd, params)
    if (submitted !== 0) return refused(submitted, 'io_uring_enter')
    const registered = workerLimits(fd).result
    if (registered < 0) return refused(registered, 'io_uring_register')
    return { available: true, refusal: null, ...switches, ...explore(fd, params) }
  } catch (error) {
    return refused((error as NodeJS.ErrnoException).errno ?? 0, 'mmap')
  } finally {
    syscall('close', fd)
  }
}
