import {
  checkInteger,
  invalidArgType,
  invalidArgValue,
  SO,
  SOCKET_IOCTL,
  SOL,
  syscall,
  systemError,
  TCP,
} from '../kernel/index.js'
import { setCongestion, unpace } from './congestion.js'
import { isLoopback } from './local-peer.js'

/** At most 15 characters: TCP_CA_NAME_MAX. */
const ALGORITHM = /^[\w-]{1,15}$/

/** Milliseconds of silence that the kernel can be asked to wait at most: it counts seconds, in 15 bits. */
export const MAX_KEEP_ALIVE = 32767000

const pair = new Int32Array(new ArrayBuffer(16))
const single = pair.subarray(0, 1)
/** `struct sockaddr` of AF_UNSPEC. */
const nowhere = new Uint16Array(new ArrayBuffer(16))
/** `struct tcp_info`, as far as it is of interest, and where in it a 64-bit count of acknowledged bytes is. */
const tcpInfo = new Uint32Array(new ArrayBuffer(128))
const TCPI_BYTES_ACKED = 120
const size = new Uint32Array(new ArrayBuffer(8))

/** Options of a TCP socket. */
export interface TcpOptions {
  /** Sends small segments at once (TCP_NODELAY); true by default, since writes of a turn go out together anyway. */
  noDelay?: boolean
  /** Asks a silent peer whether it is still there (SO_KEEPALIVE); milliseconds until the first time, or true. */
  keepAlive?: boolean | number
  /** Bytes of the kernel's send buffer (SO_SNDBUF). */
  sendBufferSize?: number
  /** Bytes of the kernel's receive buffer (SO_RCVBUF). */
  receiveBufferSize?: number
  /** Bytes a second that TCP sends at most over one connection (SO_MAX_PACING_RATE); the first packets are not paced. */
  maxRate?: number
  /**
   * The congestion control (TCP_CONGESTION), such as `cubic`. By default the system's; but where both ends are on this
   * machine and the system's is one that paces (`bbr`), `reno`: a listener at a loopback address, a connection to this
   * machine, and one to whose peer here a MiB or more is moved at once.
   */
  congestion?: string
}

/** Sets an integer option. @throws the system error of setsockopt(2) */
export function setOption(fd: number, level: number, option: number, value: number): void {
  single[0] = value
  const result = syscall('setsockopt', fd, level, option, single, 4)
  if (result < 0) throw systemError(result, 'setsockopt')
}

/** Asks for an integer option. @throws the system error of getsockopt(2): `EBADF`, `ENOTSOCK` */
export function getOption(fd: number, level: number, option: number): number {
  size[0] = 4
  const result = syscall('getsockopt', fd, level, option, single, size)
  if (result < 0) throw systemError(result, 'getsockopt')
  return single[0]
}

/** Bytes that have come and were not received; 0 where a socket cannot tell. */
export function unreadBytes(fd: number): number {
  return syscall('ioctl', fd, SOCKET_IOCTL.SIOCINQ, single) < 0 ? 0 : single[0]
}

/** Bytes that the kernel holds for the peer, which has not acknowledged them; 0 where a socket cannot tell. */
export function unacknowledgedBytes(fd: number): number {
  return syscall('ioctl', fd, SOCKET_IOCTL.SIOCOUTQ, single) < 0 ? 0 : single[0]
}

/**
 * A number that changes whenever the peer takes bytes: how many it has acknowledged, of TCP; else how many it has not,
 * less than nothing.
 *
 * @see tcp(7), TCP_INFO
 */
export function takenByPeer(fd: number): number {
  size[0] = tcpInfo.byteLength
  const result = syscall('getsockopt', fd, SOL.TCP, TCP.INFO, tcpInfo, size)
  return result < 0 ? -unacknowledgedBytes(fd) : tcpInfo[TCPI_BYTES_ACKED / 4]
}

/** Has close(2) reset the connection instead of ending it. @see socket(7), SO_LINGER */
export function setLinger(fd: number): void {
  pair[0] = 1
  pair[1] = 0
  syscall('setsockopt', fd, SOL.SOCKET, SO.LINGER, pair, 8)
}

/** Resets a TCP connection at once, whoever waits on it; on a Unix socket it does nothing. @see connect(2), AF_UNSPEC */
export function disconnect(fd: number): void {
  syscall('connect', fd, nowhere, nowhere.byteLength)
}

/**
 * Sets what was asked for. A listener's options are those of every connection that it accepts.
 *
 * @param isTcp whether options of TCP mean anything to the socket
 * @param address where it will be bound or connected to
 */
export function setTcpOptions(fd: number, options: TcpOptions, isTcp: boolean, address = ''): void {
  const {
    noDelay = true,
    keepAlive = false,
    sendBufferSize,
    receiveBufferSize,
    maxRate,
    congestion,
  } = options
  if (sendBufferSize !== undefined) setOption(fd, SOL.SOCKET, SO.SNDBUF, sendBufferSize)
  if (receiveBufferSize !== undefined) setOption(fd, SOL.SOCKET, SO.RCVBUF, receiveBufferSize)
  if (!isTcp) return
  if (congestion !== undefined) setCongestion(fd, congestion)
  else if (isLoopback(address)) unpace(fd)
  if (maxRate !== undefined) setOption(fd, SOL.SOCKET, SO.MAX_PACING_RATE, maxRate)
  // One that was made by others may have it on.
  if (noDelay || options.noDelay !== undefined) setOption(fd, SOL.TCP, TCP.NODELAY, noDelay ? 1 : 0)
  if (keepAlive !== false) setKeepAlive(fd, keepAlive)
}

/** Turns probes of a silent peer on. @param after milliseconds of silence, or true for the system's own */
export function setKeepAlive(fd: number, after: number | true): void {
  setOption(fd, SOL.SOCKET, SO.KEEPALIVE, 1)
  if (after !== true) setOption(fd, SOL.TCP, TCP.KEEPIDLE, Math.max(1, Math.ceil(after / 1000)))
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` */
export function checkTcpOptions(options: TcpOptions): void {
  const { noDelay, keepAlive, sendBufferSize, receiveBufferSize, maxRate, congestion } = options
  if (noDelay !== undefined && typeof noDelay !== 'boolean') {
    throw invalidArgType('options.noDelay', 'of type boolean', noDelay)
  }
  if (typeof keepAlive === 'number') checkInteger(keepAlive, 'options.keepAlive', 1, MAX_KEEP_ALIVE)
  else if (keepAlive !== undefined && typeof keepAlive !== 'boolean') {
    throw invalidArgType('options.keepAlive', 'of type boolean or number', keepAlive)
  }
  if (congestion !== undefined && typeof congestion !== 'string') {
    throw invalidArgType('options.congestion', 'of type string', congestion)
  }
  if (congestion !== undefined && !ALGORITHM.test(congestion)) {
    throw invalidArgValue('options.congestion', congestion, 'is not the name of a congestion control')
  }
  if (maxRate !== undefined) checkInteger(maxRate, 'options.maxRate', 1, 2 ** 31 - 1)
  if (sendBufferSize !== undefined) checkInteger(sendBufferSize, 'options.sendBufferSize', 1, 2 ** 30)
  if (receiveBufferSize !== undefined)
    checkInteger(receiveBufferSize, 'options.receiveBufferSize', 1, 2 ** 30)
}
