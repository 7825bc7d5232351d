import { invalidArgValue } from '../kernel/index.js'
import type { ServeOptions, ServerSettings } from './server-options.js'

/** Where a server listens, as `listen()` takes it. */
export interface ListenTarget {
  host?: string
  port?: number
  path?: string
  replaceStale?: boolean
  fd?: number
  reusePort?: boolean
  noDelay: boolean
  maxConnections: number
  backlog: number
  maxRate?: number
}

/** Connections that may wait to be accepted: as many as Linux lets anybody have (net.core.somaxconn). */
const BACKLOG = 4096

/** Where and how a server is to listen. @throws `ERR_INVALID_ARG_VALUE` */
export function listenTarget(options: ServeOptions, settings: ServerSettings): ListenTarget {
  const { host, port = 8080, path, fd, reusePort } = options
  if (path !== undefined && reusePort === true)
    throw invalidArgValue('options.reusePort', reusePort, 'is for ports, and a Unix socket has none')
  const { maxConnections, maxRate } = settings
  const common = {
    maxConnections,
    backlog: BACKLOG,
    noDelay: path === undefined,
    ...(reusePort === undefined ? {} : { reusePort }),
    ...(maxRate === 0 ? {} : { maxRate }),
  }
  if (path !== undefined) return { ...common, path, replaceStale: true }
  if (fd !== undefined) return { ...common, fd }
  return { ...common, port, ...(host === undefined ? {} : { host }) }
}
