import { decodeSocketAddress, SOCKADDR_STORAGE_SIZE, type SocketAddress, syscall } from '../kernel/index.js'

const address = new Uint8Array(new ArrayBuffer(SOCKADDR_STORAGE_SIZE))
const length = new Uint32Array(new ArrayBuffer(8))

/**
 * Asks the kernel for one end of a socket.
 *
 * @returns undefined when it has none any more, or one of a family that is not known here
 * @see getsockname(2), getpeername(2)
 */
export function socketAddress(fd: number, end: 'getsockname' | 'getpeername'): SocketAddress | undefined {
  length[0] = SOCKADDR_STORAGE_SIZE
  const result = syscall(end, fd, address, length)
  return result < 0 ? undefined : decodeSocketAddress(address, length[0])
}

/** The numeric address of an end; empty for a Unix socket's. */
export function numericOf(address: SocketAddress | undefined): string {
  return address !== undefined && 'address' in address ? address.address : ''
}
