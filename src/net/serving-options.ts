import { checkBoolean, checkInteger, checkObject, invalidArgType } from '../kernel/index.js'
import type { Connection } from './connection.js'
import { type ConnectionOptions, connectionSettings } from './connection-options.js'

/** What setTimeout() takes. */
export const MAX_TIMEOUT = 2 ** 31 - 1

/**
 * Serves one connection. Once its promise settles the connection is closed, unless it was handed on with
 * `toDuplex()`; a handler that returns no promise keeps it.
 */
export type ConnectionHandler = (connection: Connection) => void | Promise<void>

/** How a listener treats its connections. */
export interface ServingOptions extends ConnectionOptions {
  /** Connections open at once; further ones wait in the backlog until one is closed. No limit by default. */
  maxConnections?: number
  /**
   * Others accept on the same socket: connections are taken one at a time, which lets them have theirs. A socket that
   * threads or processes share needs it on each; else the kernel gives everything to the first.
   */
  shared?: boolean
  /**
   * Told what goes wrong beside the connections themselves: a handler's failure, with its connection, or that
   * descriptors are exhausted. Where it is not given, Node's `warning` event says so.
   */
  onError?: (error: Error, connection?: Connection) => void
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE` */
export function checkServingOptions(options: ServingOptions): void {
  const { maxConnections = Infinity, shared = false, onError } = options
  if (maxConnections !== Infinity) checkInteger(maxConnections, 'options.maxConnections', 1)
  checkBoolean(shared, 'options.shared')
  if (onError !== undefined && typeof onError !== 'function') {
    throw invalidArgType('options.onError', 'of type function', onError)
  }
  connectionSettings(options)
}

/** @param timeout milliseconds, or Infinity. @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
export function checkCloseOptions(options: { timeout?: number }): void {
  checkObject(options)
  const { timeout = 0 } = options
  if (timeout !== Infinity) checkInteger(timeout, 'options.timeout', 0, MAX_TIMEOUT)
}

/** What a listener has done so far. */
export interface ListenerStats {
  accepted: number
  /** Open now. */
  connections: number
  /** Times that accepting was suspended: at `maxConnections`, or for want of descriptors. */
  pauses: number
}
