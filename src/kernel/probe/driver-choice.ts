import type { IoUringRefusal } from './refusal.js'

/** Why a driver is taken, as the engine and the probe both say it. */
export const DRIVER_REASON = {
  WORKS: 'io_uring works here',
  /** It cannot be had. */
  refused: (refusal: IoUringRefusal): string => `io_uring cannot be used here: ${refusal.reason}`,
  /** @param by such as `SLUICE_DRIVER=epoll` */
  demanded: (by: string): string => `${by} demands it`,
}

/** What the environment demands of the choice of a driver. */
export interface DriverDemand {
  /** `SLUICE_DRIVER`; undefined where it is not set. Any text: whoever uses it checks it. */
  driver: string | undefined
  /** `SLUICE_STRICT=1`: rather none than another. */
  strict: boolean
}

/** What the environment demands now. */
export function driverDemand(): DriverDemand {
  const { SLUICE_DRIVER, SLUICE_STRICT } = process.env
  return { driver: SLUICE_DRIVER || undefined, strict: SLUICE_STRICT === '1' }
}
