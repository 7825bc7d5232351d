import { F, O, SluiceError, syscall } from '../kernel/index.js'
import { Connection, type ConnectionDuplex } from '../net/index.js'
import { Endpoint, goneError } from './endpoint.js'
import { corkFirmly, drained } from './node-socket.js'

/**
 * Borrows one half of a connection: what was written to it goes first, what it has received already comes first, and it
 * takes back what could not be delivered.
 *
 * @throws what the connection failed with, or `ERR_SLUICE_CLOSED`; `ERR_SLUICE_BUSY` where that half is in use; `AbortError`
 */
export async function borrowConnection(
  connection: Connection,
  direction: 'read' | 'write',
  signal: AbortSignal | undefined,
): Promise<Endpoint> {
  // A peer that does not read may put off for ever what was written before.
  const loan = await connection.lend(direction, signal === undefined ? {} : { signal })
  let unread: readonly Uint8Array[] = loan.early
  const { fd } = loan
  /** Bytes that have reached the sink; and those of them, or of what is given back, that the connection has counted. */
  let delivered = 0
  let counted = lengthOf(unread)
  const count = (taken: number) => {
    if (taken > counted) loan.moved(taken - counted)
    counted = Math.max(counted, taken)
  }
  const isOver = fd < 0
  if (!isOver) unblock(fd)
  return new Endpoint(fd, {
    gone: loan.gone,
    check() {
      if (!isOver && !connection.isOpen) throw connection.error ?? closed()
    },
    ...(isOver ? { read: async () => 0 } : {}),
    early(most) {
      const [bytes, rest] = split(unread, most)
      unread = rest
      return bytes
    },
    unpace: () => connection.unpace(),
    touch(bytes) {
      delivered += bytes
      count(delivered)
    },
    restore(bytes) {
      unread = [...bytes, ...unread]
      return true
    },
    release() {
      count(delivered + lengthOf(unread))
      loan.release(unread)
    },
  })
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  return chunks.reduce((sum, { length }) => sum + length, 0)
}

/** Its operations wait on a socket that does not block as on any other, so it can stay that way. */
function unblock(fd: number): void {
  const flags = syscall('fcntl', fd, F.GETFL)
  if ((flags & O.NONBLOCK) === 0) syscall('fcntl', fd, F.SETFL, flags | O.NONBLOCK)
}

/**
 * Borrows a connection that has become a stream of Node's: what was written to the stream goes first, what is written to it
 * meanwhile waits.
 *
 * @throws as `borrowConnection()`, and where the stream has ended; `AbortError`
 */
export async function borrowDuplex(
  duplex: ConnectionDuplex,
  signal: AbortSignal | undefined,
): Promise<Endpoint> {
  await drained(duplex, signal)
  const { connection } = duplex
  if (duplex.destroyed || duplex.writableEnded || !(connection instanceof Connection)) {
    throw goneError(duplex, 'connection')
  }
  const uncork = corkFirmly(duplex)
  try {
    const { fd, backing } = await borrowConnection(connection, 'write', signal)
    return new Endpoint(fd, {
      ...backing,
      check() {
        if (duplex.destroyed || duplex.writableEnded) throw goneError(duplex, 'connection')
        backing.check?.()
      },
      release(failure) {
        backing.release?.(failure)
        uncork()
      },
    })
  } catch (error) {
    uncork()
    throw error
  }
}

/** Parts chunks after so many bytes. */
function split(chunks: readonly Uint8Array[], most: number): [Uint8Array[], Uint8Array[]] {
  const first: Uint8Array[] = []
  const rest: Uint8Array[] = []
  let left = most
  for (const chunk of chunks) {
    if (left > 0) first.push(chunk.subarray(0, left))
    if (chunk.length > left) rest.push(chunk.subarray(Math.max(0, left)))
    left -= chunk.length
  }
  return [first, rest]
}

function closed(): SluiceError {
  return new SluiceError('ERR_SLUICE_CLOSED', 'The connection was closed')
}
