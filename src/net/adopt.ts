import {
  checkInteger,
  checkObject,
  errnoOf,
  F,
  invalidArgValue,
  O,
  SO,
  SOCK,
  SOL,
  syscall,
  systemError,
} from '../kernel/index.js'
import { Connection } from './connection.js'
import { type ConnectionOptions, connectionSettings } from './connection-options.js'
import { numericOf, socketAddress } from './socket-address.js'
import { checkTcpOptions, getOption, setTcpOptions, type TcpOptions } from './socket-options.js'

const FD_CLOEXEC = 1

/**
 * Makes a connection of a connected stream socket's descriptor that came from elsewhere, such as one of
 * `receiveDescriptors()`. It is taken over, and given the options of a connection.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; `ERR_INVALID_ARG_VALUE` for a socket of another kind; the system
 *   error of getsockopt(2): `EBADF`, `ENOTSOCK`; `ENOTCONN`. The descriptor stays with the caller then
 */
export function adopt(fd: number, options: ConnectionOptions & TcpOptions = {}): Connection {
  checkInteger(fd, 'fd', 0, 2 ** 31 - 1)
  checkObject(options)
  checkTcpOptions(options)
  const settings = connectionSettings(options)
  if (getOption(fd, SOL.SOCKET, SO.TYPE) !== SOCK.STREAM) {
    throw invalidArgValue('fd', fd, 'must be of a stream socket')
  }
  const peer = socketAddress(fd, 'getpeername')
  if (peer === undefined) throw systemError(errnoOf('ENOTCONN'), 'getpeername')
  setTcpOptions(fd, options, peer.family !== 'Unix', numericOf(peer))
  own(fd)
  return new Connection(fd, settings)
}

/** Has a descriptor not block, and not be inherited. */
export function own(fd: number): void {
  syscall('fcntl', fd, F.SETFD, FD_CLOEXEC)
  syscall('fcntl', fd, F.SETFL, syscall('fcntl', fd, F.GETFL, 0) | O.NONBLOCK)
}
