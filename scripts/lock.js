import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

/**
 * Does the work while no other process holds the lock of this name.
 *
 * The lock is an abstract Unix socket: the kernel lets one process listen on the name and takes it back
 * however that process ends, so no lock is ever left behind. Whoever comes second connects, and is woken
 * when the connection breaks.
 *
 * @template T
 * @param {string} name any text; two checkouts use their own paths
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 * @see unix(7), abstract socket addresses
 */
export async function withLock(name, work) {
  const path = `\0sluice-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`
  const waiting = new Set()
  for (;;) {
    const server = createServer(socket => {
      waiting.add(socket)
      socket.unref().on('error', () => socket.destroy())
    })
    if (!(await listens(server, path))) {
      await released(path)
      continue
    }
    server.unref()
    try {
      return await work()
    } finally {
      server.close()
      for (const socket of waiting) socket.destroy()
    }
  }
}

async function listens(server, path) {
  try {
    server.listen(path)
    await once(server, 'listening')
    return true
  } catch (error) {
    if (error.code === 'EADDRINUSE') return false
    throw error
  }
}

/** Resolves when the holder is gone: the connection to it ends, or none can be made any more. */
async function released(path) {
  const socket = connect(path)
  const closed = new Promise(resolve => socket.once('close', resolve))
  socket.on('error', () => socket.destroy()).resume()
  await closed
}
