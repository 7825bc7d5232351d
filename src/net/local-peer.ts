import { socketAddress } from './socket-address.js'

const LOOPBACK = /^(::1$|(::ffff:)?127\.)/

/** Whether an address leads back to this machine, wherever it is used. */
export function isLoopback(address: string): boolean {
  return LOOPBACK.test(address)
}

/** Whether the other end of a connected socket is on this machine, so that its bytes meet no device. */
export function isLocal(fd: number): boolean {
  const peer = socketAddress(fd, 'getpeername')
  if (peer === undefined || !('address' in peer)) return true
  const own = socketAddress(fd, 'getsockname')
  if (own === undefined || !('address' in own) || own.address === peer.address) return true
  return isLoopback(peer.address)
}
