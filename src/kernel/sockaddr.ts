import { isIPv4, isIPv6 } from 'node:net'
import { checkInteger, invalidArgValue, systemError } from './errors.js'
import { SOCKET_IOCTL } from './ioctl.js'
import { AF, SOCK } from './socket.js'
import { syscall } from './syscall.js'

/** `struct sockaddr_in` in bytes; port and address are in network order. */
export const SOCKADDR_IN = { FAMILY: 0, PORT: 2, ADDR: 4, SIZE: 16 } as const

/** `struct sockaddr_in6` in bytes; port, flow label and address are in network order. */
export const SOCKADDR_IN6 = { FAMILY: 0, PORT: 2, FLOWINFO: 4, ADDR: 8, SCOPE_ID: 24, SIZE: 28 } as const

/** `struct sockaddr_un` in bytes. */
export const SOCKADDR_UN = { FAMILY: 0, PATH: 2, SIZE: 110 } as const

/** `struct ifreq` in bytes: a name, then what is asked for; with room to spare, so that it never lies on V8's heap. */
const IFREQ = { NAME_SIZE: 16, ROOM: 128 } as const

/** Bytes that hold a socket address of any family. */
export const SOCKADDR_STORAGE_SIZE = 128

/** An address of the internet families, as Node's `server.address()` shapes it. */
export interface InternetAddress {
  readonly family: 'IPv4' | 'IPv6'
  /** Numeric; an IPv6 address may end in `%` and its scope's number. */
  readonly address: string
  readonly port: number
}

/** An address in the file system, or an abstract one, whose path starts with a NUL. An unnamed one is empty. */
export interface UnixAddress {
  readonly family: 'Unix'
  readonly path: string
}

/** An address of a socket. */
export type SocketAddress = InternetAddress | UnixAddress

/** Eight groups of an IPv6 address without its scope. */
function ipv6Groups(address: string): number[] {
  // A dotted tail counts as two groups.
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address)
  let text = address
  if (dotted !== null) {
    const [a, b, c, d] = dotted.slice(2).map(Number) as [number, number, number, number]
    text = `${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  }
  const groups = (part: string) =>
    part === '' ? [] : part.split(':').map(group => Number.parseInt(group, 16))
  const [head = '', tail] = text.split('::')
  const before = groups(head)
  if (tail === undefined) return before
  const after = groups(tail)
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

/** The number of a network interface; -1 where there is none of that name. @see netdevice(7) */
function interfaceIndex(name: string): number {
  const bytes = Buffer.from(name)
  if (bytes.length >= IFREQ.NAME_SIZE) return -1
  const fd = syscall('socket', AF.INET6, SOCK.DGRAM | SOCK.CLOEXEC, 0)
  if (fd < 0) throw systemError(fd, 'socket')
  const request = new Uint8Array(new ArrayBuffer(IFREQ.ROOM))
  request.set(bytes)
  const result = syscall('ioctl', fd, SOCKET_IOCTL.SIOCGIFINDEX, request)
  syscall('close', fd)
  return result < 0 ? -1 : new DataView(request.buffer).getInt32(IFREQ.NAME_SIZE, true)
}

function encodeIPv6(address: string, port: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(SOCKADDR_IN6.SIZE))
  const view = new DataView(bytes.buffer)
  const [numeric = '', scope = '0'] = address.split('%')
  const scopeId = /^\d+$/.test(scope) ? Number(scope) : interfaceIndex(scope)
  if (scopeId < 0 || scopeId > 0xffffffff) {
    throw invalidArgValue(
      'address',
      address,
      'must have the number or name of a network interface as its scope',
    )
  }
  view.setUint16(SOCKADDR_IN6.FAMILY, AF.INET6, true)
  view.setUint16(SOCKADDR_IN6.PORT, port)
  for (const [index, group] of ipv6Groups(numeric).entries()) {
    view.setUint16(SOCKADDR_IN6.ADDR + index * 2, group)
  }
  view.setUint32(SOCKADDR_IN6.SCOPE_ID, scopeId, true)
  return bytes
}

function encodeUnix(path: string): Uint8Array {
  const text = Buffer.from(path)
  const abstract = text[0] === 0
  if (!abstract && text.includes(0)) throw invalidArgValue('path', path, 'must not contain null bytes')
  // A path in the file system carries its NUL; an abstract name is counted exactly.
  const size = SOCKADDR_UN.PATH + text.length + (abstract || text.length === 0 ? 0 : 1)
  if (size > SOCKADDR_UN.SIZE) {
    throw invalidArgValue(
      'path',
      path,
      `must not be longer than ${SOCKADDR_UN.SIZE - SOCKADDR_UN.PATH - 1} bytes`,
    )
  }
  const bytes = new Uint8Array(new ArrayBuffer(size))
  new DataView(bytes.buffer).setUint16(SOCKADDR_UN.FAMILY, AF.UNIX, true)
  bytes.set(text, SOCKADDR_UN.PATH)
  return bytes
}

/**
 * Lays out an address for bind, connect and send; its length is the view's.
 *
 * @param target `{ address, port }` with a numeric address, or `{ path }`
 * @throws `ERR_INVALID_ARG_VALUE` for an address that is none, `ERR_OUT_OF_RANGE` for the port
 * @see ip(7), ipv6(7), unix(7)
 */
export function encodeSocketAddress(
  target: { readonly address: string; readonly port: number } | { readonly path: string },
): Uint8Array {
  if ('path' in target) return encodeUnix(target.path)
  const { address, port } = target
  checkInteger(port, 'port', 0, 0xffff)
  if (isIPv6(address)) return encodeIPv6(address, port)
  if (!isIPv4(address)) throw invalidArgValue('address', address, 'must be a numeric IPv4 or IPv6 address')
  const bytes = new Uint8Array(new ArrayBuffer(SOCKADDR_IN.SIZE))
  const view = new DataView(bytes.buffer)
  view.setUint16(SOCKADDR_IN.FAMILY, AF.INET, true)
  view.setUint16(SOCKADDR_IN.PORT, port)
  bytes.set(address.split('.').map(Number), SOCKADDR_IN.ADDR)
  return bytes
}

/** The longest run of zero groups becomes `::`, as RFC 5952 wants it; a run of one stays. */
function formatIPv6(groups: readonly number[]): string {
  let best = { start: -1, length: 1 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const text = (part: readonly number[]) => part.map(group => group.toString(16)).join(':')
  if (best.start < 0) return text(groups)
  const head = groups.slice(0, best.start)
  const mapped = best.start === 0 && best.length === 5 && groups[5] === 0xffff
  if (mapped) {
    const [high = 0, low = 0] = groups.slice(6)
    return `::ffff:${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`
  }
  return `${text(head)}::${text(groups.slice(best.start + best.length))}`
}

/**
 * Reads an address that the kernel stored.
 *
 * @param length how much of `bytes` it filled
 * @returns undefined for a family that is not known here, and for none
 */
export function decodeSocketAddress(bytes: Uint8Array, length = bytes.byteLength): SocketAddress | undefined {
  const size = Math.min(length, bytes.byteLength)
  if (size < 2) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, size)
  const family: number = view.getUint16(0, true)
  if (family === AF.INET && size >= SOCKADDR_IN.SIZE) {
    const address = bytes.subarray(SOCKADDR_IN.ADDR, SOCKADDR_IN.ADDR + 4).join('.')
    return { family: 'IPv4', address, port: view.getUint16(SOCKADDR_IN.PORT) }
  }
  if (family === AF.INET6 && size >= SOCKADDR_IN6.SIZE) {
    const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(SOCKADDR_IN6.ADDR + index * 2))
    const scope = view.getUint32(SOCKADDR_IN6.SCOPE_ID, true)
    const address = `${formatIPv6(groups)}${scope === 0 ? '' : `%${scope}`}`
    return { family: 'IPv6', address, port: view.getUint16(SOCKADDR_IN6.PORT) }
  }
  if (family !== AF.UNIX) return undefined
  const name = bytes.subarray(SOCKADDR_UN.PATH, size)
  const end = name[0] === 0 ? -1 : name.indexOf(0)
  return { family: 'Unix', path: Buffer.from(end < 0 ? name : name.subarray(0, end)).toString() }
}
