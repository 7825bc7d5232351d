import { engine } from '../engine/index.js'
import {
  AbortError,
  AF,
  checkInteger,
  checkObject,
  checkSignal,
  encodeSocketAddress,
  errnoOf,
  invalidArgType,
  invalidArgValue,
  SO,
  SOCK,
  SOL,
  type SystemErrorDetails,
  syscall,
  systemError,
} from '../kernel/index.js'
import { prepareConnect } from '../ring/index.js'
import { Connection } from './connection.js'
import { type ConnectionOptions, connectionSettings } from './connection-options.js'
import { firstToSucceed } from './race.js'
import { type HostAddress, resolveHost } from './resolve.js'
import { checkTcpOptions, setOption, setTcpOptions, type TcpOptions } from './socket-options.js'
import { unlessAborted } from './unless-aborted.js'

const MAX_TIMEOUT = 2 ** 31 - 1

/** Where to connect, and how. */
export interface ConnectOptions extends ConnectionOptions, TcpOptions {
  /** A name or numeric address; `localhost` by default. */
  host?: string
  port?: number
  /** A Unix socket's path instead; with a leading NUL in the abstract name space. */
  path?: string
  /** 4 or 6 for that family alone. */
  family?: 0 | 4 | 6
  /** The numeric address to connect from. */
  localAddress?: string
  /** The port to connect from. */
  localPort?: number
  /** Milliseconds until it fails with `ETIMEDOUT`, name resolution included; as long as the kernel tries by default. */
  timeout?: number
  /** Ends the attempt with an `AbortError`. It is of no consequence once connected. */
  signal?: AbortSignal
}

/** An address to try, laid out, and how an error names it. */
interface Target {
  family: number
  address: Uint8Array
  details: SystemErrorDetails
}

/**
 * Connects to a server.
 *
 * A name's addresses are tried in turn, IPv6 and IPv4 by turns, the next as soon as one has failed or has not answered
 * for a quarter of a second (RFC 8305); the first that answers wins.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; the system error of connect(2): `ECONNREFUSED`, `ETIMEDOUT`, …, in
 *   an `AggregateError` where several addresses failed; that of getaddrinfo(3): `ENOTFOUND`; `AbortError`
 */
export async function connect(options: ConnectOptions): Promise<Connection> {
  check(options)
  const { timeout, signal } = options
  const settings = connectionSettings(options)
  const limit = new AbortController()
  const late = systemError(errnoOf('ETIMEDOUT'), 'connect', detailsOf(options))
  const timer = timeout === undefined ? undefined : setTimeout(() => limit.abort(late), timeout)
  const abort = () => limit.abort(new AbortError(signal as AbortSignal))
  signal?.addEventListener('abort', abort, { once: true })
  try {
    // Name resolution cannot be called off: it is left to itself.
    const targets = await unlessAborted(limit.signal, targetsOf(options), reason => reason)
    const attempts = targets.map(target => (end: AbortSignal) => attempt(target, options, end))
    const fd = await firstToSucceed(attempts, limit.signal, discard)
    try {
      return new Connection(fd, settings)
    } catch (error) {
      discard(fd)
      throw error
    }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

function check(options: ConnectOptions): void {
  checkObject(options)
  const { host, path, port, family = 0, timeout, localAddress, localPort, signal } = options
  if (host !== undefined && typeof host !== 'string')
    throw invalidArgType('options.host', 'of type string', host)
  if (path !== undefined && typeof path !== 'string')
    throw invalidArgType('options.path', 'of type string', path)
  if (path === undefined) checkInteger(port, 'options.port', 0, 65535)
  if (timeout !== undefined) checkInteger(timeout, 'options.timeout', 1, MAX_TIMEOUT)
  if (family !== 0 && family !== 4 && family !== 6) {
    throw invalidArgValue('options.family', family, 'is not 0, 4 or 6')
  }
  if (localAddress !== undefined && typeof localAddress !== 'string') {
    throw invalidArgType('options.localAddress', 'of type string', localAddress)
  }
  if (localPort !== undefined) checkInteger(localPort, 'options.localPort', 0, 65535)
  checkTcpOptions(options)
  checkSignal(signal)
}

function detailsOf({ path, host = 'localhost', port }: ConnectOptions): SystemErrorDetails {
  return path === undefined ? { address: host, port } : { address: path }
}

async function targetsOf(options: ConnectOptions): Promise<Target[]> {
  const { path, host = 'localhost', port = 0, family = 0 } = options
  if (path !== undefined) {
    return [{ family: AF.UNIX, address: encodeSocketAddress({ path }), details: { address: path } }]
  }
  return byTurns(await resolveHost(host, family)).map(({ address, family }) => ({
    family: family === 6 ? AF.INET6 : AF.INET,
    address: encodeSocketAddress({ address, port }),
    details: { address, port },
  }))
}

/** The families by turns, beginning with the resolver's first. */
function byTurns(addresses: readonly HostAddress[]): HostAddress[] {
  const first = addresses.filter(({ family }) => family === addresses[0].family)
  const others = addresses.filter(({ family }) => family !== addresses[0].family)
  const turns: HostAddress[] = []
  for (let index = 0; index < Math.max(first.length, others.length); index++) {
    turns.push(...first.slice(index, index + 1), ...others.slice(index, index + 1))
  }
  return turns
}

/** @returns a connected socket */
async function attempt(target: Target, options: ConnectOptions, end: AbortSignal): Promise<number> {
  const { family, address, details } = target
  const fd = syscall('socket', family, SOCK.STREAM | SOCK.CLOEXEC | SOCK.NONBLOCK)
  if (fd < 0) throw systemError(fd, 'socket', details)
  try {
    setTcpOptions(fd, options, family !== AF.UNIX, details.address)
    if (family !== AF.UNIX) bindLocally(fd, family, options)
    const operation = { syscall: 'connect', details, held: address, signal: end }
    await engine().run((queue, userData) => prepareConnect(queue, fd, address, userData), operation)
    return fd
  } catch (error) {
    discard(fd)
    throw error
  }
}

function bindLocally(fd: number, family: number, { localAddress, localPort }: ConnectOptions): void {
  if (localAddress === undefined && localPort === undefined) return
  const address = localAddress ?? (family === AF.INET6 ? '::' : '0.0.0.0')
  const port = localPort ?? 0
  if (port !== 0) setOption(fd, SOL.SOCKET, SO.REUSEADDR, 1)
  const encoded = encodeSocketAddress({ address, port })
  const result = syscall('bind', fd, encoded, encoded.byteLength)
  if (result < 0) throw systemError(result, 'bind', { address, port })
}

function discard(fd: number): void {
  syscall('close', fd)
}
