import { ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { FileHandle } from '../file/index.js'
import { checkInteger, invalidArgType, OwnedDescriptor } from '../kernel/index.js'
import { Connection, ConnectionDuplex } from '../net/index.js'
import { borrowConnection, borrowDuplex } from './connection.js'
import { Endpoint } from './endpoint.js'
import { borrowSink, borrowSource, duplicate } from './node-socket.js'
import { borrowReadable, isReadable } from './readable.js'
import { asStream, borrowResponse } from './server-response.js'

/** Node's `FileHandle`, ours, and whatever else has a descriptor and keeps it open. */
export interface HasDescriptor {
  readonly fd: number
}

/**
 * What bytes can come from: a descriptor, a file of ours or Node's, a connection, Node's plain `net.Socket`, any other
 * `Readable` that gives bytes: an upload, a file's stream, TLS.
 */
export type TransferSource = number | FileHandle | HasDescriptor | Connection | Socket | Readable

/**
 * What bytes can go to: a descriptor, a file, a connection, a socket, a response of Node's HTTP server, any other
 * `Writable`.
 */
export type TransferSink =
  | number
  | FileHandle
  | HasDescriptor
  | Connection
  | Socket
  | ServerResponse
  | Writable

const MAX_DESCRIPTOR = 2 ** 31 - 1

function hasDescriptor(value: unknown): value is HasDescriptor {
  return typeof value === 'object' && value !== null && typeof (value as HasDescriptor).fd === 'number'
}

function isWritable(value: unknown): value is Writable {
  if (typeof value !== 'object' || value === null) return false
  const { write, once, end } = value as Writable
  // Node's FileHandle has the first two.
  return [write, once, end].every(method => typeof method === 'function')
}

/** A descriptor, or a file: the same at either end. Undefined for anything else. */
function plainEnd(value: unknown, name: string): Endpoint | undefined {
  if (typeof value === 'number') {
    checkInteger(value, name, 0, MAX_DESCRIPTOR)
    return new Endpoint(value)
  }
  if (value instanceof FileHandle) {
    const release = value.hold()
    return new Endpoint(value.fd, { release })
  }
  if (!hasDescriptor(value)) return undefined
  checkInteger(value.fd, `${name}.fd`, 0, MAX_DESCRIPTOR)
  // It can be closed at any moment, and its number be somebody else's at the next.
  const own = new OwnedDescriptor(duplicate(value.fd), 'fcntl')
  return new Endpoint(own.fd, { release: () => own.close() })
}

/**
 * Gets a source ready.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; `EBADF`; `ERR_SLUICE_CLOSED` where it is closed
 */
export async function openSource(value: unknown, signal: AbortSignal | undefined): Promise<Endpoint> {
  if (value instanceof Connection) return borrowConnection(value, 'read', signal)
  const lent = value instanceof Socket ? await borrowSource(value, signal) : undefined
  if (lent !== undefined) return lent
  // Not by the descriptor a stream may have: it has read ahead of what it has given. An unconnected socket never will.
  if (isReadable(value) && (!(value instanceof Socket) || !value.pending)) return borrowReadable(value)
  const end = value instanceof Socket ? undefined : plainEnd(value, 'source')
  if (end !== undefined) return end
  throw invalidArgType('source', 'a descriptor, a FileHandle, a Connection, a socket or a Readable', value)
}

/**
 * Gets a sink ready.
 *
 * @param length of what is going to be written, for a response that has not said so yet
 * @throws as `openSource()`
 */
export async function openSink(
  value: unknown,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Endpoint> {
  if (value instanceof Connection) return borrowConnection(value, 'write', signal)
  if (value instanceof ConnectionDuplex) return borrowDuplex(value, signal)
  if (value instanceof Socket) return borrowSink(value, signal)
  if (value instanceof ServerResponse) return borrowResponse(value, length, signal)
  // Not by the descriptor a stream may have: what it has yet to write would land behind, or on, what is transferred.
  if (isWritable(value)) return asStream(value)
  const end = plainEnd(value, 'sink')
  if (end !== undefined) return end
  throw invalidArgType(
    'sink',
    'a descriptor, a FileHandle, a Connection, a socket, a response or a Writable',
    value,
  )
}
