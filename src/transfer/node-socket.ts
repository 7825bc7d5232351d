import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { AbortError, F, syscall, systemError } from '../kernel/index.js'
import { unpaceLocal, unpaceLocalListener } from '../net/index.js'
import { type Backing, Endpoint, goneError } from './endpoint.js'
import { isExhaustion } from './mechanism.js'
import { refuseText } from './readable.js'

/** What is used of libuv's handle behind a socket. Node documents none of it, so each part may be absent. */
interface StreamHandle {
  fd?: number
  reading?: boolean
  readStart?(): number
  readStop?(): number
}

/** How often a socket's time-out is told that bytes move. */
const TOUCH_MS = 1000

function handleOf(socket: Socket | Server): StreamHandle | undefined {
  return (socket as unknown as { _handle?: StreamHandle | null })._handle ?? undefined
}

/**
 * The descriptor of a socket that takes plain bytes; -1 for TLS, for a socket that is made of something else, and where
 * Node does not tell.
 */
export function socketDescriptor(socket: Socket): number {
  if ((socket as { encrypted?: boolean }).encrypted) return -1
  const { fd } = handleOf(socket) ?? {}
  return typeof fd === 'number' && fd >= 0 ? fd : -1
}

/** A descriptor of our own for what another one leads to, so that closing that one hands us nobody else's file. */
export function duplicate(fd: number): number {
  const result = syscall('fcntl', fd, F.DUPFD_CLOEXEC, 0)
  if (result < 0) throw systemError(result, 'fcntl')
  return result
}

/** As {@link duplicate}. @returns -1 where descriptors are exhausted: then the socket's own stream has to do */
function duplicateIfAny(fd: number): number {
  try {
    return duplicate(fd)
  } catch (error) {
    if (!isExhaustion(error)) throw error
    return -1
  }
}

/** Waits for an event, or for the socket's end. */
async function awaitEvent(socket: Writable, event: string, signal: AbortSignal | undefined): Promise<void> {
  try {
    await once(socket, event, signal === undefined ? {} : { signal })
  } catch (error) {
    throw signal?.aborted ? new AbortError(signal) : error
  }
}

/** Waits until everything written to a socket so far is the kernel's, also what a cork of the caller's holds back. */
export async function drained(socket: Writable, signal: AbortSignal | undefined): Promise<void> {
  while (!socket.destroyed && !socket.writableEnded && socket.writableLength > 0) {
    while (socket.writableCorked > 0) socket.uncork()
    await new Promise<void>((resolve, reject) => {
      const abort = () => reject(new AbortError(signal as AbortSignal))
      if (signal?.aborted) abort()
      signal?.addEventListener('abort', abort, { once: true })
      socket.write(Buffer.alloc(0), error => {
        signal?.removeEventListener('abort', abort)
        if (error) reject(error)
        else resolve()
      })
    })
  }
}

/** Whether everything written to a stream so far is the kernel's, and what is written next will be at once. */
export function isWritten(stream: Writable | ServerResponse): boolean {
  return (
    !stream.destroyed && !stream.writableEnded && stream.writableLength === 0 && stream.writableCorked === 0
  )
}

/**
 * Corks a stream. Corks of its owner's have been undone before: an `uncork()` that balances one of them must not undo this.
 *
 * @returns what uncorks it
 */
export function corkFirmly(stream: Writable): () => void {
  const own = Object.getOwnPropertyDescriptor(stream, 'uncork')
  const { uncork } = stream
  stream.cork()
  stream.uncork = () => {
    if (stream.writableCorked > 1) uncork.call(stream)
  }
  return () => {
    if (own === undefined) Reflect.deleteProperty(stream, 'uncork')
    else Object.defineProperty(stream, 'uncork', own)
    stream.uncork()
  }
}

/** Handles of sockets that have been asked not to pace. */
const asked = new WeakSet<object>()

function isFirst(handle: StreamHandle | undefined): handle is StreamHandle {
  if (handle === undefined || asked.has(handle)) return false
  asked.add(handle)
  return true
}

/** As `unpaceLocal()`, once for each connection; and has those that come to its server's loopback address begin so. */
export function unpaceOnce(socket: Socket, fd: number): void {
  if (!isFirst(handleOf(socket))) return
  unpaceLocal(fd)
  const { server } = socket as { server?: Server | null }
  const listener = server ? handleOf(server) : undefined
  if (isFirst(listener) && typeof listener.fd === 'number' && listener.fd >= 0)
    unpaceLocalListener(listener.fd)
}

/** What both directions of a Node socket have in common. */
function backingOf(
  socket: Socket,
  isGone: () => boolean,
  name: string,
): Required<Pick<Backing, 'check' | 'gone' | 'touch'>> & { end(): void } {
  const controller = new AbortController()
  const onClose = () => controller.abort()
  socket.once('close', onClose)
  let touched = performance.now()
  return {
    gone: controller.signal,
    check() {
      if (isGone()) throw goneError(socket, name)
    },
    touch() {
      // Node's own writes would have pushed the time-out back.
      if (!socket.timeout || performance.now() - touched < Math.min(TOUCH_MS, socket.timeout / 4)) return
      touched = performance.now()
      socket.setTimeout(socket.timeout)
    },
    end() {
      socket.off('close', onClose)
    },
  }
}

/**
 * Borrows a connected socket for writing: what Node has yet to write is written first, what is written to it meanwhile
 * waits.
 *
 * @throws where it is closed; `AbortError`
 */
export async function borrowSink(socket: Socket, signal: AbortSignal | undefined): Promise<Endpoint> {
  if (socket.connecting) await awaitEvent(socket, 'connect', signal)
  const isGone = () => socket.destroyed || socket.writableEnded
  const original = socketDescriptor(socket)
  if (original >= 0) await drained(socket, signal)
  if (isGone()) throw goneError(socket, 'socket')
  const fd = original < 0 ? -1 : duplicateIfAny(original)
  const { gone, check, touch, end } = backingOf(socket, isGone, 'socket')
  if (fd < 0) return new Endpoint(-1, { gone, check, touch, writable: socket, release: end })
  const uncork = corkFirmly(socket)
  return new Endpoint(fd, {
    gone,
    check,
    touch,
    unpace: () => unpaceOnce(socket, fd),
    release() {
      end()
      uncork()
      syscall('close', fd)
    },
  })
}

/** Stops Node from reading, whatever its stream asks for. */
function stopReading(socket: Socket): void {
  const handle = handleOf(socket)
  if (handle?.readStop === undefined) return
  handle.reading = false
  handle.readStop()
}

function startReading(socket: Socket): void {
  const handle = handleOf(socket)
  if (socket.destroyed || handle?.readStart === undefined) return
  handle.reading = true
  handle.readStart()
}

/**
 * Borrows a connected socket for reading: what Node has read already comes first, and it reads no more until the socket
 * is given back.
 *
 * @returns undefined where the socket has no descriptor that plain bytes come from
 * @throws where it is closed, or gives text; `AbortError`
 */
export async function borrowSource(
  socket: Socket,
  signal: AbortSignal | undefined,
): Promise<Endpoint | undefined> {
  if (socket.connecting) await awaitEvent(socket, 'connect', signal)
  const isGone = () => socket.destroyed
  if (isGone()) throw goneError(socket, 'socket')
  const original = socketDescriptor(socket)
  if (original < 0) return undefined
  refuseText(socket)
  const fd = duplicateIfAny(original)
  if (fd < 0) return undefined
  const { gone, check, touch, end } = backingOf(socket, isGone, 'socket')
  const flowed = socket.readableFlowing === true
  socket.pause()
  stopReading(socket)
  return new Endpoint(fd, {
    gone,
    check,
    touch,
    early(most) {
      const length = Math.min(most, socket.readableLength)
      const bytes: Buffer | null = length > 0 ? socket.read(length) : null
      // Taking bytes out makes the stream ask for more.
      stopReading(socket)
      return bytes === null ? [] : [bytes]
    },
    restore(bytes) {
      // After its end a stream takes nothing back.
      if (socket.destroyed || socket.readableEnded) return false
      for (const each of bytes.toReversed()) socket.unshift(each)
      return true
    },
    release() {
      end()
      syscall('close', fd)
      startReading(socket)
      if (flowed) socket.resume()
    },
  })
}
