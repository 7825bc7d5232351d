import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Duplex, Writable } from 'node:stream'
import { AbortError } from '../kernel/index.js'
import { ConnectionDuplex } from '../net/index.js'
import { borrowDuplex } from './connection.js'
import { Endpoint, goneError } from './endpoint.js'
import { borrowSink, socketDescriptor } from './node-socket.js'
import { asWrapped, isWrapped } from './wrapped-response.js'

/** Answers that have no body, whatever is written to them. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304])

/** Whether an answer has no body, whatever is written to it. */
export function hasNoBody({
  req,
  statusCode,
}: {
  req: { method?: string | undefined }
  statusCode: number
}): boolean {
  return req.method === 'HEAD' || BODILESS.has(statusCode)
}

/** Whether what is written to a response reaches the socket as it is: no chunks, no TLS, and a body at all. */
function isPlain(response: ServerResponse): boolean {
  const { socket } = response
  if (socket === null) return false
  if (!isDuplex(socket) && socketDescriptor(socket) < 0) return false
  return !response.chunkedEncoding && !response.strictContentLength && !hasNoBody(response)
}

/** Whether bytes can be sent by the descriptor of Node's own socket, as far as can be told before the head is made. */
export function isDirect(response: ServerResponse): boolean {
  const { socket } = response
  return socket !== null && !isDuplex(socket) && !isWrapped(response) && isPlain(response)
}

/** Who waits for the end of a connection. */
const waiting = new WeakMap<Duplex, Set<() => void>>()

/**
 * Calls back at a connection's end. Any number of responses may wait for it behind one another, as many as its client has sent
 * requests; it has one listener for all of them.
 *
 * @returns calls it off
 */
function atEnd(connection: Duplex, callback: () => void): () => void {
  const callbacks = waiting.get(connection) ?? new Set()
  if (!waiting.has(connection)) {
    waiting.set(connection, callbacks)
    connection.once('close', () => {
      for (const each of callbacks) each()
    })
  }
  callbacks.add(callback)
  return () => callbacks.delete(callback)
}

/**
 * Waits for a pipelined response's turn on its connection.
 *
 * @returns rejects where the connection goes first, of which the response itself would tell nothing: no `close`, and no
 *   callback of what was written to it
 */
export async function assigned(response: ServerResponse, signal: AbortSignal | undefined): Promise<void> {
  if (response.socket !== null || response.destroyed) return
  const turn = new AbortController()
  const end = () => turn.abort()
  // Node tells a response whose turn has not come nothing of the connection's end.
  const { socket } = response.req
  const callOff = atEnd(socket, end)
  signal?.addEventListener('abort', end, { once: true })
  if (socket.destroyed || signal?.aborted) end()
  try {
    await once(response, 'socket', { signal: turn.signal })
  } catch (error) {
    if (signal?.aborted) throw new AbortError(signal)
    throw socket.destroyed ? goneError(socket, 'connection') : error
  } finally {
    callOff()
    signal?.removeEventListener('abort', end)
  }
}

/**
 * Borrows the body of a response. Its head goes first: with a `Content-Length` of `length` bytes unless the caller has
 * said how long the body is, or sent the head already.
 *
 * @returns the connection where bytes can go to it as they are, else the response as a stream
 */
export async function borrowResponse(
  response: ServerResponse,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Endpoint> {
  if (response.writableEnded || response.destroyed) throw goneError(response, 'response')
  const { headersSent } = response
  const told = headersSent || response.hasHeader('content-length') || response.hasHeader('transfer-encoding')
  if (!told && Number.isFinite(length)) response.setHeader('Content-Length', length)
  // Node says so of a head that was only made, by writeHead(), as well. One that is sent already costs an empty write.
  response.flushHeaders()
  await assigned(response, signal)
  if (isWrapped(response)) return asWrapped(response)
  if (!isPlain(response) || response.socket === null) return asStream(response)
  while (response.writableCorked > 0) response.uncork()
  const { socket } = response
  return isDuplex(socket) ? borrowDuplex(socket, signal) : borrowSink(socket, signal)
}

/** Whether Node's server stands on a connection of ours. */
function isDuplex(socket: Duplex): socket is ConnectionDuplex {
  return socket instanceof ConnectionDuplex
}

/** Anything that can only be written to. */
export function asStream(writable: Writable): Endpoint {
  const closed = new AbortController()
  const onClose = () => closed.abort()
  writable.once('close', onClose)
  return new Endpoint(-1, {
    writable,
    gone: closed.signal,
    check() {
      if (writable.destroyed || writable.writableEnded) throw goneError(writable, 'stream')
    },
    release() {
      writable.off('close', onClose)
    },
  })
}
