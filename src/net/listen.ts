import { checkInteger, invalidArgType, SO, SOL } from '../kernel/index.js'
import { type ConnectionHandler, Listener, type ServingOptions } from './listener.js'
import {
  type AddressOptions,
  checkAddressOptions,
  openListening,
  removeSocketName,
} from './open-listening.js'
import { setOption, type TcpOptions } from './socket-options.js'
import { WorkerListener, type WorkerListenOptions } from './workers.js'

/** Where to listen, and how. */
export interface ListenOptions extends AddressOptions, ServingOptions, TcpOptions {
  /** A listening socket's descriptor instead, such as systemd passes; see `inheritedSockets()`. It is taken over. */
  fd?: number
}

/**
 * Listens, and serves each connection by `handler`; or in worker threads, by a module's default export.
 *
 * ```ts
 * await listen({ port: 9000 }, async connection => { … })
 * await listen({ port: 9000, workers: 4, module: new URL('./serve.js', import.meta.url) })
 * ```
 *
 * @returns once connections are accepted
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; the system error of bind(2) or listen(2): `EADDRINUSE`, `EACCES`;
 *   that of getaddrinfo(3): `ENOTFOUND`; with workers also what a thread fails with as it starts
 */
export function listen(options: ListenOptions, handler: ConnectionHandler): Promise<Listener>
export function listen(options: WorkerListenOptions): Promise<WorkerListener>
export async function listen(
  options: ListenOptions | WorkerListenOptions,
  handler?: ConnectionHandler,
): Promise<Listener | WorkerListener> {
  if (typeof options !== 'object' || options === null) {
    throw invalidArgType('options', 'of type object', options)
  }
  const { maxConnections = Infinity } = options
  checkAddressOptions(options)
  if (maxConnections !== Infinity) checkInteger(maxConnections, 'options.maxConnections', 1)
  if ('workers' in options) return WorkerListener.start(options)
  if (typeof handler !== 'function') throw invalidArgType('handler', 'of type function', handler)
  const { fd, path } = options
  if (fd !== undefined) checkInteger(fd, 'options.fd', 0)
  if (fd !== undefined && options.maxRate !== undefined) {
    setOption(fd, SOL.SOCKET, SO.MAX_PACING_RATE, options.maxRate)
  }
  const ended = fd === undefined ? () => removeSocketName(path) : undefined
  return new Listener(fd ?? (await openListening(options)), options, handler, ended)
}
