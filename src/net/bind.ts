import {
  AF,
  checkBoolean,
  checkInteger,
  checkObject,
  encodeSocketAddress,
  IPV6,
  invalidArgType,
  invalidArgValue,
  SO,
  SOCK,
  SOL,
  syscall,
  systemError,
  UDP,
} from '../kernel/index.js'
import { own } from './adopt.js'
import { type DatagramSettings, DatagramSocket } from './datagram-socket.js'
import { resolveHost } from './resolve.js'
import { socketAddress } from './socket-address.js'
import { getOption, setOption } from './socket-options.js'
import { removeSocketName } from './stale-name.js'

/** The largest datagram. */
const MAX_SIZE = 65535

/** Where to bind a datagram socket, and how it behaves. */
export interface BindOptions {
  /** A name or numeric address; every interface, of IPv6 and IPv4, by default. */
  host?: string
  /** 0, the default, for one that is free. */
  port?: number
  /** A Unix socket's path instead, removed on close; with a leading NUL in the abstract name space; empty for no name. */
  path?: string
  /** A datagram socket's descriptor instead, such as systemd passes; see `inheritedSockets()`. It is taken over. */
  fd?: number
  /** Bytes of a datagram that are kept, 65535 by default: less takes less memory. */
  maxSize?: number
  /** Bytes that may have come and not been received, 1 MiB by default; after that the kernel queues, then drops. */
  receiveBound?: number
  /** Lets several sockets share the port (SO_REUSEPORT). */
  reusePort?: boolean
  /** Allows broadcasts. */
  broadcast?: boolean
  /** On `::`, takes IPv6 alone. */
  ipv6Only?: boolean
  /** Bytes of the kernel's send buffer (SO_SNDBUF). */
  sendBufferSize?: number
  /** Bytes of the kernel's receive buffer (SO_RCVBUF). */
  receiveBufferSize?: number
}

/**
 * Makes a datagram socket.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; the system error of bind(2):
 *   `EADDRINUSE`, `EACCES`; that of getaddrinfo(3): `ENOTFOUND`
 */
export async function bind(options: BindOptions = {}): Promise<DatagramSocket> {
  check(options)
  const { host, path, port = 0, fd: passed, maxSize = MAX_SIZE, receiveBound = 2 ** 20 } = options
  if (passed !== undefined) return takeOver(passed, options, { maxSize, receiveBound })
  if (path !== undefined) {
    const fd = open(AF.UNIX, encodeSocketAddress({ path }), { path }, options)
    return made(fd, { maxSize, receiveBound, segments: false }, () => removeSocketName(path))
  }
  const address = host === undefined ? undefined : (await resolveHost(host))[0].address
  const [fd, gro] = address === undefined ? openAnywhere(port, options) : openAt(address, port, options)
  // Datagrams that come together need the room of all of them.
  return made(fd, { maxSize: gro ? MAX_SIZE : maxSize, receiveBound, segments: true }, () => {})
}

/** A socket of our own that is of no use is closed again. */
function made(fd: number, settings: DatagramSettings, ended: () => void): DatagramSocket {
  try {
    return new DatagramSocket(fd, settings, ended)
  } catch (error) {
    syscall('close', fd)
    ended()
    throw error
  }
}

function takeOver(
  fd: number,
  options: BindOptions,
  settings: { maxSize: number; receiveBound: number },
): DatagramSocket {
  if (getOption(fd, SOL.SOCKET, SO.TYPE) !== SOCK.DGRAM) {
    throw invalidArgValue('options.fd', fd, 'must be of a datagram socket')
  }
  const segments = socketAddress(fd, 'getsockname')?.family !== 'Unix'
  setBufferOptions(fd, options)
  own(fd)
  const gro = segments && receiveTogether(fd, options)
  return new DatagramSocket(fd, { ...settings, maxSize: gro ? MAX_SIZE : settings.maxSize, segments })
}

function check(options: BindOptions): void {
  checkObject(options)
  const {
    host,
    path,
    port = 0,
    fd = 0,
    maxSize = MAX_SIZE,
    receiveBound = 1,
    sendBufferSize,
    receiveBufferSize,
  } = options
  if (host !== undefined && typeof host !== 'string')
    throw invalidArgType('options.host', 'of type string', host)
  if (path !== undefined && typeof path !== 'string')
    throw invalidArgType('options.path', 'of type string', path)
  for (const name of ['reusePort', 'broadcast', 'ipv6Only'] as const) {
    if (options[name] !== undefined) checkBoolean(options[name], `options.${name}`)
  }
  checkInteger(port, 'options.port', 0, 65535)
  checkInteger(fd, 'options.fd', 0, 2 ** 31 - 1)
  checkInteger(maxSize, 'options.maxSize', 1, MAX_SIZE)
  checkInteger(receiveBound, 'options.receiveBound', 1, 2 ** 30)
  if (sendBufferSize !== undefined) checkInteger(sendBufferSize, 'options.sendBufferSize', 1, 2 ** 30)
  if (receiveBufferSize !== undefined)
    checkInteger(receiveBufferSize, 'options.receiveBufferSize', 1, 2 ** 30)
}

function openAnywhere(port: number, options: BindOptions): [number, boolean] {
  try {
    return openAt('::', port, options)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EAFNOSUPPORT' && code !== 'EADDRNOTAVAIL') throw error
    return openAt('0.0.0.0', port, options)
  }
}

/** @returns the descriptor, and whether datagrams may come together */
function openAt(address: string, port: number, options: BindOptions): [number, boolean] {
  const family = address.includes(':') ? AF.INET6 : AF.INET
  const fd = open(family, encodeSocketAddress({ address, port }), { address, port }, options)
  return [fd, receiveTogether(fd, options)]
}

/** Has the kernel give datagrams of one size and sender together, where whole ones are wanted anyway. */
function receiveTogether(fd: number, { maxSize = MAX_SIZE }: BindOptions): boolean {
  if (maxSize < MAX_SIZE) return false
  try {
    setOption(fd, SOL.UDP, UDP.GRO, 1)
    return true
  } catch {
    // Before kernel 5.0, and where a network stack other than Linux's stands in for it.
    return false
  }
}

function open(
  family: number,
  address: Uint8Array,
  details: { path: string } | { address: string; port: number },
  options: BindOptions,
): number {
  const { reusePort, ipv6Only } = options
  const fd = syscall('socket', family, SOCK.DGRAM | SOCK.CLOEXEC | SOCK.NONBLOCK)
  if (fd < 0) throw systemError(fd, 'socket', details)
  try {
    if (reusePort) setOption(fd, SOL.SOCKET, SO.REUSEPORT, 1)
    setBufferOptions(fd, options)
    if (family === AF.INET6) setOption(fd, SOL.IPV6, IPV6.V6ONLY, ipv6Only ? 1 : 0)
    const result = syscall('bind', fd, address, address.byteLength)
    if (result < 0) throw systemError(result, 'bind', details)
    return fd
  } catch (error) {
    syscall('close', fd)
    throw error
  }
}

function setBufferOptions(fd: number, { broadcast, sendBufferSize, receiveBufferSize }: BindOptions): void {
  if (broadcast) setOption(fd, SOL.SOCKET, SO.BROADCAST, 1)
  if (sendBufferSize !== undefined) setOption(fd, SOL.SOCKET, SO.SNDBUF, sendBufferSize)
  if (receiveBufferSize !== undefined) setOption(fd, SOL.SOCKET, SO.RCVBUF, receiveBufferSize)
}
