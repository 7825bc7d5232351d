import { SOL, syscall, systemError, TCP } from '../kernel/index.js'
import { isLocal, isLoopback } from './local-peer.js'
import { socketAddress } from './socket-address.js'

/** TCP_CA_NAME_MAX: the longest name, with its end. */
const NAME_BYTES = 16
/** Algorithms that hold segments back by a timer, for the sake of queues on the way. */
const PACING = /^bbr/
/** What every kernel has, and every user may choose unless the system allows others only. It paces nothing. */
const UNPACED = 'reno'

const name = Buffer.from(new ArrayBuffer(NAME_BYTES))
const length = new Uint32Array(new ArrayBuffer(4))

/** @returns 0, or a negated errno */
function choose(fd: number, algorithm: string): number {
  const bytes = name.write(algorithm, 'latin1')
  return syscall('setsockopt', fd, SOL.TCP, TCP.CONGESTION, name, bytes)
}

/** Chooses a congestion control by its name. @throws the system error of setsockopt(2): `ENOENT`, `EPERM` */
export function setCongestion(fd: number, algorithm: string): void {
  const result = choose(fd, algorithm)
  if (result < 0) throw systemError(result, 'setsockopt')
}

/** @returns the name of the socket's congestion control; empty where it has none */
export function congestionOf(fd: number): string {
  length[0] = NAME_BYTES
  const result = syscall('getsockopt', fd, SOL.TCP, TCP.CONGESTION, name, length)
  return result < 0 ? '' : name.toString('latin1', 0, length[0]).replace(/\0.*/, '')
}

/**
 * Has a socket whose bytes do not leave this machine send without pacing. There are no queues on the way, and a timer for
 * each 64 KiB more than doubles what moving a file costs (docs/internals/net.md). A socket that does not pace stays as it is, and so
 * does one whose user may not choose (`net.ipv4.tcp_allowed_congestion_control`): it works as well, at its price.
 */
export function unpace(fd: number): void {
  if (PACING.test(congestionOf(fd))) choose(fd, UNPACED)
}

/** As `unpace()`, if the socket's peer is on this machine. */
export function unpaceLocal(fd: number): void {
  if (isLocal(fd)) unpace(fd)
}

/**
 * As `unpace()`, for the connections that will come to a listening socket, if they can come from this machine alone. One that
 * began with pacing keeps a timer of it, whatever its congestion control is afterwards: the kernel takes that back from none.
 */
export function unpaceLocalListener(fd: number): void {
  const own = socketAddress(fd, 'getsockname')
  if (own !== undefined && 'address' in own && isLoopback(own.address)) unpace(fd)
}
