import { setTimeout as pause } from 'node:timers/promises'
import { checkInteger, checkObject } from '../kernel/index.js'

/** What setTimeout() takes. */
const MAX_TIMEOUT = 2 ** 31 - 1
/** How long whoever else reads is left to it, before it is asked again. */
const BUSY_MS = 10

/** A connection, as far as a gentle end needs it. */
interface Ending {
  end(): Promise<void>
  read(): Promise<Uint8Array | null>
  destroy(): Promise<void>
}

/** How long and for how many bytes a peer is waited for that was told of the end. */
interface GentleLimits {
  readonly most: number
  readonly timeout: number
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
export function gentleLimits(options: { most?: number; timeout?: number }): GentleLimits {
  checkObject(options)
  const { most = 2 ** 20, timeout = 2000 } = options
  checkInteger(most, 'options.most', 0)
  checkInteger(timeout, 'options.timeout', 1, MAX_TIMEOUT)
  return { most, timeout }
}

/** Ends this half of a connection, and drops what comes until the other one ends, or a limit is reached. */
export async function dropRest(connection: Ending, { most, timeout }: GentleLimits): Promise<void> {
  const timer = setTimeout(() => connection.destroy(), timeout)
  try {
    await connection.end()
    for (let left = most; left > 0; ) {
      const bytes = await readInTurn(connection)
      if (bytes === null) return
      left -= bytes.length
    }
  } catch {
    // Whatever ends the connection is an end.
  } finally {
    clearTimeout(timer)
  }
}

/** Reads once nobody else does: a read that waits comes first. */
async function readInTurn(connection: Ending): Promise<Uint8Array | null> {
  for (;;) {
    try {
      return await connection.read()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SLUICE_BUSY') throw error
    }
    await pause(BUSY_MS)
  }
}
