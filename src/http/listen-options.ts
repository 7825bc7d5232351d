import { existsSync, lstatSync, rmSync } from 'node:fs'
import { connect } from '../net/index.js'
import type { ServeOptions, ServerSettings } from './server-options.js'

/** Where a server listens, as `listen()` takes it. */
export interface ListenTarget {
  host?: string
  port?: number
  path?: string
  fd?: number
  reusePort?: boolean
  noDelay: boolean
  maxConnections: number
  backlog: number
  maxRate?: number
}

/** Connections that may wait to be accepted: as many as Linux lets anybody have (net.core.somaxconn). */
const BACKLOG = 4096

/** Where and how a server is to listen. */
export function listenTarget(options: ServeOptions, settings: ServerSettings): ListenTarget {
  const { host, port = 8080, path, fd, reusePort } = options
  const { maxConnections, maxRate } = settings
  const common = {
    maxConnections,
    backlog: BACKLOG,
    noDelay: path === undefined,
    ...(reusePort === undefined ? {} : { reusePort }),
    ...(maxRate === 0 ? {} : { maxRate }),
  }
  if (path !== undefined) return { ...common, path }
  if (fd !== undefined) return { ...common, fd }
  return { ...common, port, ...(host === undefined ? {} : { host }) }
}

/**
 * Removes the name of a Unix socket that nobody listens on any more: a server that was killed could not do so. One that
 * is in use, and anything else of that name, is left for bind(2) to refuse.
 */
export async function removeStaleSocket(path: string | undefined): Promise<void> {
  if (path === undefined || path.startsWith('\0') || !existsSync(path) || !lstatSync(path).isSocket()) return
  try {
    await (await connect({ path })).close()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') rmSync(path, { force: true })
  }
}
