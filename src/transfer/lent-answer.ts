import type { ServerResponse } from 'node:http'
import { errnoOf, lendFile } from '../kernel/index.js'
import { Cork } from './cork.js'
import type { Endpoint } from './endpoint.js'
import { isWritten, socketDescriptor, unpaceOnce } from './node-socket.js'
import { isQueuedFor } from './queues.js'
import type { Residency } from './residency.js'
import { isDirect } from './server-response.js'
import { MUCH_BYTES } from './transfer.js'
import { allowance, spend } from './turns.js'

const EAGAIN = -errnoOf('EAGAIN')

/**
 * Sends the head of a response and, behind it, as much of a file as is in memory and the socket takes at once. Nothing is waited
 * for, so the socket need be neither borrowed nor watched, and a file that it takes whole costs a few system calls.
 *
 * @returns bytes of the file. What is left, and whatever went wrong, is `transfer()`'s: it says what
 */
export function lendTo(
  response: ServerResponse,
  source: Endpoint,
  residency: Residency,
  offset: number,
  length: number,
): number {
  const { socket } = response
  if (socket === null || isQueuedFor(response) || !isWritten(response) || !isWritten(socket)) return 0
  if (!isDirect(response)) return 0
  const sure = Math.min(length, allowance())
  residency.expire()
  const warm = residency.warm(offset, sure, Math.max(length, source.size - offset))
  if (warm === 0) return 0
  const cork = new Cork({ fd: socketDescriptor(socket), kind: 'socket' })
  cork.put()
  try {
    response.flushHeaders()
    // Only now it is known how the body is framed. What somebody does to the response in its head's name may be anything.
    if (!isWritten(response) || !isWritten(socket) || !isDirect(response)) return 0
    const fd = socketDescriptor(socket)
    if (length >= MUCH_BYTES) unpaceOnce(socket, fd)
    const { moved, result } = lendFile(source.fd, fd, offset, warm, warm)
    spend(moved)
    if (result <= 0 && result !== EAGAIN) residency.forget()
    return moved
  } finally {
    if (!socket.destroyed) cork.pull()
  }
}
