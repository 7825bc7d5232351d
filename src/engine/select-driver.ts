import {
  checkInteger,
  DRIVER_REASON,
  driverDemand,
  errnoOf,
  explainRefusal,
  type IoUringRefusal,
  invalidArgValue,
  lockedMemory,
  SluiceError,
} from '../kernel/index.js'
import type { Driver, DriverName } from './driver.js'
import { EpollDriver } from './epoll-driver.js'
import { RingDriver } from './ring-driver.js'

/** How an engine is made. */
export interface EngineOptions {
  /** Demands a driver; also `SLUICE_DRIVER=ring|epoll`. By default the ring where it can be had. */
  driver?: DriverName
  /** Throws rather than fall back to `epoll`; also `SLUICE_STRICT=1`. */
  strict?: boolean
  /** Entries of the submission queue: how many operations one system call hands over at most. 1024 by default. */
  entries?: number
  /** Operations in flight at most; further ones wait. 65536 by default. */
  maxInFlight?: number
  /** Operations that may wait at most; further ones reject with `ERR_SLUICE_QUEUE_FULL`. 1048576 by default. */
  maxWaiting?: number
  /** Threads of the `epoll` driver, for what would block; 4 for each CPU by default, 64 at most. */
  threads?: number
}

/** A driver, and why it is this one. */
export interface SelectedDriver {
  driver: Driver
  reason: string
}

const ENOMEM = -errnoOf('ENOMEM')
const NO_DESCRIPTOR = new Set([-errnoOf('EMFILE'), -errnoOf('ENFILE')])

const CALLS = ['io_uring_setup', 'io_uring_enter', 'io_uring_register', 'mmap'] as const

interface Demand {
  name: DriverName | undefined
  /** Rather none than another. */
  strict: boolean
  /** Who demands it. */
  by: string
}

function demandOf(options: EngineOptions): Demand {
  const environment = driverDemand()
  const { driver: name = environment.driver, strict = environment.strict } = options
  if (name === undefined) {
    return { name, strict, by: options.strict === undefined ? 'SLUICE_STRICT=1' : '{ strict: true }' }
  }
  const own = options.driver !== undefined
  if (name !== 'ring' && name !== 'epoll')
    throw invalidArgValue(own ? 'options.driver' : 'SLUICE_DRIVER', name, 'is not ring or epoll')
  return { name, strict: true, by: own ? `{ driver: '${name}' }` : `SLUICE_DRIVER=${name}` }
}

/** Whether another driver would not mend it. Rings are charged to RLIMIT_MEMLOCK; what epoll needs is not. */
function isExhaustion(errno: number): boolean {
  return NO_DESCRIPTOR.has(errno) || (errno === ENOMEM && lockedMemory().unlimited)
}

/** @throws what is no refusal: exhaustion, and failures of our own */
function explain(error: unknown): IoUringRefusal {
  const { errno, syscall } = error as NodeJS.ErrnoException
  if (errno === undefined || isExhaustion(errno)) throw error
  return explainRefusal(
    errno,
    CALLS.find(call => call === syscall),
  )
}

/**
 * Chooses the driver: io_uring where this kernel and sandbox let it work, else epoll and threads.
 *
 * @throws `ERR_SLUICE_DRIVER` where the ring is demanded, or `strict` set, and it cannot be had; the system error
 *   where descriptors are exhausted, or memory that is not merely limited for rings
 */
export function selectDriver(options: EngineOptions): SelectedDriver {
  const { entries = 1024, threads } = options
  checkInteger(entries, 'options.entries', 1, 32768)
  const { name, strict, by } = demandOf(options)
  const demanded = DRIVER_REASON.demanded(by)
  if (name === 'epoll') return { driver: new EpollDriver({ entries, threads }), reason: demanded }
  try {
    const driver = new RingDriver(entries)
    return { driver, reason: name === 'ring' ? demanded : DRIVER_REASON.WORKS }
  } catch (error) {
    const refusal = explain(error)
    const reason = DRIVER_REASON.refused(refusal)
    if (!strict) return { driver: new EpollDriver({ entries, threads }), reason }
    const text = `${demanded}, but ${reason} (${refusal.code}). ${refusal.fix}`
    throw new SluiceError('ERR_SLUICE_DRIVER', text, { cause: error })
  }
}
