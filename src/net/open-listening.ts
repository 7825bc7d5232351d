import { chmodSync } from 'node:fs'
import {
  AF,
  checkBoolean,
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
import { resolveHost } from './resolve.js'
import { checkTcpOptions, setOption, setTcpOptions, type TcpOptions } from './socket-options.js'
import { hasName, lockNames, removeStaleName } from './stale-name.js'

/** Where to listen. */
export interface AddressOptions {
  /** A name or numeric address; every interface, of IPv6 and IPv4, by default. */
  host?: string
  /** 0, the default, for one that is free. */
  port?: number
  /** A Unix socket's path instead, removed when the listener closes; with a leading NUL in the abstract name space. */
  path?: string
  /** Permissions of the path, such as 0o660; those that the process's umask leaves by default. */
  mode?: number
  /** Removes a socket of that path first which nobody listens on any more: one of a process that was killed. */
  replaceStale?: boolean
  /** Connections that may wait to be accepted; 511 by default. The system may allow fewer. */
  backlog?: number
  /** Lets several sockets, of this process or others of the same user, share the port (SO_REUSEPORT). */
  reusePort?: boolean
  /** On `::`, takes IPv6 connections alone. */
  ipv6Only?: boolean
}

type Options = AddressOptions & TcpOptions

const BACKLOG = 511

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE` */
export function checkAddressOptions(options: Options): void {
  const { port = 0, backlog = BACKLOG, host, path, reusePort = false, ipv6Only = false } = options
  checkInteger(port, 'options.port', 0, 65535)
  checkInteger(backlog, 'options.backlog', 1, 2 ** 31 - 1)
  if (host !== undefined && typeof host !== 'string') {
    throw invalidArgType('options.host', 'of type string', host)
  }
  if (path !== undefined && typeof path !== 'string') {
    throw invalidArgType('options.path', 'of type string', path)
  }
  if (path === '') throw invalidArgValue('options.path', path, 'must not be empty')
  if (options.mode !== undefined) checkInteger(options.mode, 'options.mode', 0, 0o777)
  checkBoolean(options.replaceStale ?? false, 'options.replaceStale')
  checkBoolean(reusePort, 'options.reusePort')
  checkBoolean(ipv6Only, 'options.ipv6Only')
  checkTcpOptions(options)
}

/** Makes a socket and has it listen. @returns its descriptor */
export async function openListening(options: Options): Promise<number> {
  const { path, port, host: address, replaceStale } = options
  const unlock = replaceStale && path !== undefined ? await lockNames(path) : undefined
  try {
    const fd = await bindAddress(options)
    const result = syscall('listen', fd, options.backlog ?? BACKLOG)
    if (result === 0) return fd
    syscall('close', fd)
    throw systemError(result, 'listen', { path, port, address })
  } finally {
    unlock?.()
  }
}

/** Makes a socket that has an address and does not listen yet. @returns its descriptor */
export async function bindAddress(options: Options): Promise<number> {
  const { path, host, port = 0 } = options
  if (path !== undefined) return bindPath(path, options)
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

async function bindPath(path: string, options: Options): Promise<number> {
  const address = encodeSocketAddress({ path })
  if (options.replaceStale) await removeStaleName(path)
  const fd = bound(AF.UNIX, address, { path }, options)
  // It does not listen yet: nobody can have come meanwhile.
  if (options.mode !== undefined && hasName(path)) chmodSync(path, options.mode)
  return fd
}

function boundTo(address: string, port: number, options: Options): number {
  const family = address.includes(':') ? AF.INET6 : AF.INET
  return bound(family, encodeSocketAddress({ address, port }), { address, port }, options)
}

function bound(
  family: number,
  address: Uint8Array,
  details: { path: string } | { address: string; port: number },
  options: Options,
): number {
  const fd = syscall('socket', family, SOCK.STREAM | SOCK.CLOEXEC | SOCK.NONBLOCK)
  if (fd < 0) throw systemError(fd, 'socket', details)
  try {
    if (family !== AF.UNIX) setOption(fd, SOL.SOCKET, SO.REUSEADDR, 1)
    if (options.reusePort) setOption(fd, SOL.SOCKET, SO.REUSEPORT, 1)
    if (family === AF.INET6) setOption(fd, SOL.IPV6, IPV6.V6ONLY, options.ipv6Only ? 1 : 0)
    setTcpOptions(fd, options, family !== AF.UNIX, 'address' in details ? details.address : '')
    // Node says `listen` here too.
    const result = syscall('bind', fd, address, address.byteLength)
    if (result < 0) throw systemError(result, 'listen', details)
    return fd
  } catch (error) {
    syscall('close', fd)
    throw error
  }
}
