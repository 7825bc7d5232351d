import {
  AF,
  checkInteger,
  encodeSocketAddress,
  IPV6,
  invalidArgType,
  invalidArgValue,
  SO,
  SOCK,
  SOL,
  syscall,
  systemError,
} from '../kernel/index.js'
import { type ConnectionHandler, Listener, type ServingOptions } from './listener.js'
import { resolveHost } from './resolve.js'
import { checkTcpOptions, setOption, setTcpOptions, type TcpOptions } from './socket-options.js'

/** Where to listen, and how. */
export interface ListenOptions extends ServingOptions, TcpOptions {
  /** A name or numeric address; every interface, of IPv6 and IPv4, by default. */
  host?: string
  /** 0, the default, for one that is free. */
  port?: number
  /** A Unix socket's path instead; with a leading NUL in the abstract name space. */
  path?: string
  /** A listening socket's descriptor instead, such as systemd passes; see `inheritedSockets()`. It is taken over. */
  fd?: number
  /** Connections that may wait to be accepted; 511 by default. The system may allow fewer. */
  backlog?: number
  /** Lets several sockets, of this process or others of the same user, share the port (SO_REUSEPORT). */
  reusePort?: boolean
  /** On `::`, takes IPv6 connections alone. */
  ipv6Only?: boolean
}

/**
 * Listens, and serves each connection by `handler`.
 *
 * @returns once connections are accepted
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; the system error of bind(2) or listen(2): `EADDRINUSE`, `EACCES`;
 *   that of getaddrinfo(3): `ENOTFOUND`
 */
export async function listen(options: ListenOptions, handler: ConnectionHandler): Promise<Listener> {
  check(options, handler)
  const fd = options.fd ?? (await openListening(options))
  return new Listener(fd, options, handler)
}

function check(options: ListenOptions, handler: ConnectionHandler): void {
  if (typeof options !== 'object' || options === null)
    throw invalidArgType('options', 'of type object', options)
  if (typeof handler !== 'function') throw invalidArgType('handler', 'of type function', handler)
  const { port = 0, backlog = 511, maxConnections = Infinity, host, path, fd } = options
  checkInteger(port, 'options.port', 0, 65535)
  checkInteger(backlog, 'options.backlog', 1, 2 ** 31 - 1)
  if (maxConnections !== Infinity) checkInteger(maxConnections, 'options.maxConnections', 1)
  if (host !== undefined && typeof host !== 'string')
    throw invalidArgType('options.host', 'of type string', host)
  if (path !== undefined && typeof path !== 'string')
    throw invalidArgType('options.path', 'of type string', path)
  if (path === '') throw invalidArgValue('options.path', path, 'must not be empty')
  if (fd !== undefined) checkInteger(fd, 'options.fd', 0)
  checkTcpOptions(options)
}

/** Makes a socket and has it listen. */
export async function openListening(options: ListenOptions): Promise<number> {
  const { path, host, port = 0 } = options
  if (path !== undefined) return bound(AF.UNIX, encodeSocketAddress({ path }), { path }, options)
  if (host !== undefined) {
    const [{ address }] = await resolveHost(host)
    return boundTo(address, port, options)
  }
  try {
    return boundTo('::', port, options)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error
    return boundTo('0.0.0.0', port, options)
  }
}

function boundTo(address: string, port: number, options: ListenOptions): number {
  const family = address.includes(':') ? AF.INET6 : AF.INET
  return bound(family, encodeSocketAddress({ address, port }), { address, port }, options)
}

function bound(
  family: number,
  address: Uint8Array,
  details: { path: string } | { address: string; port: number },
  options: ListenOptions,
): number {
  const fd = syscall('socket', family, SOCK.STREAM | SOCK.CLOEXEC | SOCK.NONBLOCK)
  if (fd < 0) throw systemError(fd, 'socket', details)
  try {
    if (family !== AF.UNIX) setOption(fd, SOL.SOCKET, SO.REUSEADDR, 1)
    if (options.reusePort) setOption(fd, SOL.SOCKET, SO.REUSEPORT, 1)
    if (family === AF.INET6) setOption(fd, SOL.IPV6, IPV6.V6ONLY, options.ipv6Only ? 1 : 0)
    setTcpOptions(fd, options, family !== AF.UNIX)
    const result = syscall('bind', fd, address, address.byteLength)
    if (result < 0) throw systemError(result, 'listen', details)
    const listening = syscall('listen', fd, options.backlog ?? 511)
    if (listening < 0) throw systemError(listening, 'listen', details)
    return fd
  } catch (error) {
    syscall('close', fd)
    throw error
  }
}
