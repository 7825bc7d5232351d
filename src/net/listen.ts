import {
  checkInteger,
  checkObject,
  invalidArgType,
  invalidArgValue,
  SO,
  SOL,
  syscall,
} from '../kernel/index.js'
import { own } from './adopt.js'
import { Listener } from './listener.js'
import { type AddressOptions, checkAddressOptions, openListening } from './open-listening.js'
import { type ConnectionHandler, checkServingOptions, type ServingOptions } from './serving-options.js'
import { numericOf, socketAddress } from './socket-address.js'
import { getOption, setTcpOptions, type TcpOptions } from './socket-options.js'
import { removeSocketName } from './stale-name.js'
import { WorkerListener, type WorkerListenOptions } from './workers.js'

/** Where to listen, and how. */
export interface ListenOptions extends AddressOptions, ServingOptions, TcpOptions {
  /**
   * A listening socket's descriptor instead, such as systemd passes; see `inheritedSockets()`. It is taken over, and
   * given the options of a connection.
   */
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
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` (also of a descriptor that does not listen),
 *   `ERR_OUT_OF_RANGE`; the system error of bind(2) or listen(2): `EADDRINUSE`, `EACCES`; that of getaddrinfo(3):
 *   `ENOTFOUND`; with workers also what a thread fails with as it starts
 */
export function listen(options: ListenOptions, handler: ConnectionHandler): Promise<Listener>
export function listen(options: WorkerListenOptions): Promise<WorkerListener>
export async function listen(
  options: ListenOptions | WorkerListenOptions,
  handler?: ConnectionHandler,
): Promise<Listener | WorkerListener> {
  checkObject(options)
  checkAddressOptions(options)
  checkServingOptions(options)
  const { fd, path } = options
  if (fd !== undefined) checkListening(fd)
  if ('workers' in options && options.workers !== undefined) return WorkerListener.start(options)
  if (typeof handler !== 'function') throw invalidArgType('handler', 'of type function', handler)
  if (fd !== undefined) {
    const address = socketAddress(fd, 'getsockname')
    setTcpOptions(fd, options, address?.family !== 'Unix', numericOf(address))
    own(fd)
    return new Listener(fd, options, handler)
  }
  const opened = await openListening(options)
  const ended = () => removeSocketName(path)
  try {
    return new Listener(opened, options, handler, ended)
  } catch (error) {
    syscall('close', opened)
    ended()
    throw error
  }
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; the system error of getsockopt(2): `EBADF`, `ENOTSOCK` */
function checkListening(fd: number): void {
  checkInteger(fd, 'options.fd', 0, 2 ** 31 - 1)
  if (getOption(fd, SOL.SOCKET, SO.ACCEPTCONN) === 0) {
    throw invalidArgValue('options.fd', fd, 'must be of a socket that listens')
  }
}
