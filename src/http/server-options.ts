import { checkInteger, checkObject, invalidArgType, invalidArgValue } from '../kernel/index.js'
import type { AccessLogFormat } from './access-log.js'
import type { TlsOptions } from './certificates.js'
import { DEFAULT_HEAD_LIMITS, type HeadLimits } from './request-head.js'
import type { SiteOptions } from './site-options.js'
import type { StatusOptions } from './status/status-routes.js'

/** How a site is served. */
export interface ServeOptions extends SiteOptions {
  /** A name or numeric address; every interface by default. */
  host?: string
  /** 8080 by default; 0 for one that is free. */
  port?: number
  /** A Unix socket's path instead. */
  path?: string
  /** A listening descriptor instead, such as systemd passes. */
  fd?: number
  reusePort?: boolean
  /** Serves over TLS, with HTTP/2 for clients that offer it. */
  tls?: TlsOptions
  /** Connections open at once, at least 1; further ones wait until others go, those first that were idle for longest. 16,384 by default. */
  maxConnections?: number
  /** Connections of one address (of IPv6: one /64); further ones are reset at once. No limit by default. */
  maxConnectionsPerAddress?: number
  /** Bytes of the request line and of the whole head, and how many fields. */
  headLimits?: Partial<HeadLimits>
  /** Bytes of a request's body, which is read and dropped; 1 MiB by default. Beyond it the connection ends with the answer. */
  maxBody?: number
  /** Requests of one connection; 0, the default, for no limit. */
  maxRequests?: number
  /** Requests that a client may send before it has its answers; of HTTP/2, streams at once. 0, the default: any, and 100. */
  maxPipelined?: number
  /** Bytes a second that one connection is sent at most, by the kernel's pacing; TCP alone. 0, the default, for no limit. */
  maxRate?: number
  /** Milliseconds for a head to come whole; 10,000 by default. */
  headTimeout?: number
  /** Milliseconds for a body to come whole; 30,000 by default. */
  bodyTimeout?: number
  /** Milliseconds that a connection may be idle between requests; 65,000 by default. */
  idleTimeout?: number
  /** Milliseconds that a client may take nothing of a response; 30,000 by default. */
  sendTimeout?: number
  /** Milliseconds that responses under way may take when the server is closed; 30,000 by default. */
  shutdownTimeout?: number
  /** Bytes a second that a client must take on average of `rateWindow`, or its connection is dropped; 128 by default. */
  minRate?: number
  /** Milliseconds over which a client's rate is measured; 10,000 by default. */
  rateWindow?: number
  /** A file to which every request is noted; `-` for standard output. */
  accessLog?: string
  accessLogFormat?: AccessLogFormat
  /** Shows the server's state on a page; not unless asked for. */
  status?: StatusOptions
}

/** How a site is served by several threads. */
export interface WorkerServeOptions extends ServeOptions {
  /** How many, each with an engine of its own. */
  workers: number
}

/** {@link ServeOptions} that concern connections, with every default in place. */
export interface ServerSettings {
  headLimits: HeadLimits
  maxBody: number
  maxRequests: number
  maxPipelined: number
  maxRate: number
  headTimeout: number
  bodyTimeout: number
  idleTimeout: number
  sendTimeout: number
  shutdownTimeout: number
  minRate: number
  rateWindow: number
  maxConnections: number
  maxConnectionsPerAddress: number
}

const MOST = 2 ** 31 - 1

/** Checks how long an end may take. @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
export function checkCloseOptions(options: { timeout?: number }): void {
  checkObject(options)
  if (options.timeout !== undefined && options.timeout !== Infinity)
    checkInteger(options.timeout, 'options.timeout', 0, MOST)
}

/** Checks options and fills in what is not given. @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_VALUE` */
export function serverSettings(options: ServeOptions): ServerSettings {
  const settings = {
    maxBody: options.maxBody ?? 1 << 20,
    maxRequests: options.maxRequests ?? 0,
    maxPipelined: options.maxPipelined ?? 0,
    maxRate: options.maxRate ?? 0,
    headTimeout: options.headTimeout ?? 10_000,
    bodyTimeout: options.bodyTimeout ?? 30_000,
    idleTimeout: options.idleTimeout ?? 65_000,
    sendTimeout: options.sendTimeout ?? 30_000,
    shutdownTimeout: options.shutdownTimeout ?? 30_000,
    minRate: options.minRate ?? 128,
    rateWindow: options.rateWindow ?? 10_000,
    maxConnections: options.maxConnections ?? 16_384,
    maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? 0,
  }
  for (const [name, value] of Object.entries(settings)) checkInteger(value, `options.${name}`, 0, MOST)
  checkInteger(settings.maxConnections, 'options.maxConnections', 1, MOST)
  const { maxRate, minRate } = settings
  if (maxRate > 0 && maxRate < minRate)
    throw invalidArgValue('options.maxRate', maxRate, `is less than minRate, ${minRate}`)
  if (maxRate > 0 && options.path !== undefined)
    throw invalidArgValue('options.maxRate', maxRate, 'cannot be kept on a Unix socket')
  const headLimits = { ...DEFAULT_HEAD_LIMITS, ...options.headLimits }
  for (const [name, value] of Object.entries(headLimits))
    checkInteger(value, `options.headLimits.${name}`, 1, 1 << 20)
  const { accessLog, accessLogFormat = 'combined' } = options
  if (accessLog !== undefined && typeof accessLog !== 'string')
    throw invalidArgType('options.accessLog', 'of type string', accessLog)
  if (!['common', 'combined', 'json'].includes(accessLogFormat)) {
    throw invalidArgValue('options.accessLogFormat', accessLogFormat, 'is not common, combined or json')
  }
  return { ...settings, headLimits }
}
