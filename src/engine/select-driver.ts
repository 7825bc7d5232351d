import { checkInteger, errnoOf, invalidArgValue, SluiceError } from '../kernel/index.js'
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

/** Failures that another driver would not mend. */
const EXHAUSTED = new Set([errnoOf('EMFILE'), errnoOf('ENFILE'), errnoOf('ENOMEM')])

function demanded(options: EngineOptions): DriverName | undefined {
  const name = options.driver ?? process.env.SLUICE_DRIVER ?? ''
  if (name === '') return undefined
  if (name !== 'ring' && name !== 'epoll')
    throw invalidArgValue('options.driver', name, 'is not ring or epoll')
  return name
}

/**
 * Chooses the driver: io_uring where this kernel and sandbox let it work, else epoll and threads.
 *
 * @throws `ERR_SLUICE_DRIVER` where the ring is demanded, or `strict` set, and it cannot be had; the system error
 *   where descriptors or memory are exhausted
 */
export function selectDriver(options: EngineOptions): SelectedDriver {
  const { entries = 1024, strict = process.env.SLUICE_STRICT === '1', threads } = options
  checkInteger(entries, 'options.entries', 1, 32768)
  const name = demanded(options)
  if (name === 'epoll') return { driver: new EpollDriver({ entries, threads }), reason: 'epoll was demanded' }
  try {
    const driver = new RingDriver(entries)
    return { driver, reason: name === 'ring' ? 'the ring was demanded' : 'io_uring works here' }
  } catch (error) {
    const { errno = 0, message } = error as NodeJS.ErrnoException
    if (EXHAUSTED.has(Math.abs(errno)) || error instanceof SluiceError) throw error
    if (strict || name === 'ring') {
      const text = `io_uring cannot be used here (${message}); "sluice probe" says why and what to do`
      throw new SluiceError('ERR_SLUICE_DRIVER', text, { cause: error })
    }
    return {
      driver: new EpollDriver({ entries, threads }),
      reason: `io_uring cannot be used here: ${message}`,
    }
  }
}
