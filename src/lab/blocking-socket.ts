import { AF, encodeSocketAddress, SOCK, SOL, syscall, systemError, TCP } from '../kernel/index.js'

/** A TCP connection on the loopback interface as a plain descriptor, which blocks. @throws the system error */
export function blockingSocket(port: number): number {
  const fd = checked(syscall('socket', AF.INET, SOCK.STREAM | SOCK.CLOEXEC, 0), 'socket')
  const address = encodeSocketAddress({ address: '127.0.0.1', port })
  const one = new Int32Array(new ArrayBuffer(4)).fill(1)
  checked(syscall('setsockopt', fd, SOL.TCP, TCP.NODELAY, one, one.byteLength), 'setsockopt')
  checked(syscall('connect', fd, address, address.byteLength), 'connect')
  return fd
}

/** @returns the result of a system call @throws the error that it is */
export function checked(result: number, call: string): number {
  if (result < 0) throw systemError(result, call)
  return result
}
