import { type Connection, FixedBytes } from '../net/index.js'
import type { ServerStats } from './server-stats.js'
import type { StaticFile } from './static-file.js'

/**
 * Sends bytes and a piece of a file behind them. A file that has become shorter cannot be made up for: the connection
 * ends short, and the client can tell.
 */
export async function sendPiece(
  connection: Connection,
  stats: ServerStats,
  file: StaticFile,
  head: Uint8Array,
  offset: number,
  length: number,
): Promise<void> {
  const fixed = new FixedBytes(head)
  let sent = lend(connection, file, fixed, offset, length)
  if (sent === 0 && length > 0) {
    const fetched = file.lent.fetch(offset, length)
    if (fetched !== undefined) {
      await fetched
      sent = lend(connection, file, fixed, offset, length)
    }
  }
  if (sent < head.length) await connection.write(head.subarray(sent))
  const done = Math.max(0, sent - head.length)
  if (length === 0) return
  const via =
    done === length ? 'sendfile' : await file.lent.sendRest(connection, offset + done, length - done)
  stats.mechanism(via)
}

/** @returns bytes of both that the socket has taken */
function lend(
  connection: Connection,
  file: StaticFile,
  head: FixedBytes,
  offset: number,
  length: number,
): number {
  const socket = length === 0 ? -1 : connection.clearFd
  const sent = socket < 0 ? 0 : file.lent.send(socket, head, offset, length)
  connection.moved(sent)
  return sent
}
