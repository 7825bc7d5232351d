import { open } from 'node:fs/promises'
import { SEND_CASES } from '../byte-path.js'
import { bytePorts, startBytePeer } from '../byte-peer.js'
import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { nodeSockets } from '../peer.js'
import { whole } from '../short-transfer.js'

/** Node's own: a read on its thread pool, and a write to its socket. */
export const sendNode: Mechanism = {
  name: 'fs, net',
  node: true,
  about:
    'read by fs.promises and written to a net.Socket, as a stream’s pipe() does: threads, and the event loop twice',
  copies: 2,
  copiesWhy: 'page cache to buffer, and buffer to socket',
  cases: SEND_CASES,
  prepare: startBytePeer,
  async open({ path, size }) {
    const { discard } = await bytePorts()
    const [socket] = await nodeSockets(discard, 1)
    const file = await open(path)
    const buffer = Buffer.alloc(size)
    return {
      run: lap =>
        inLanes(lap, 1, async position => {
          const { bytesRead } = await file.read(buffer, 0, size, position)
          await new Promise<void>((resolve, reject) =>
            socket.write(buffer, error => (error ? reject(error) : resolve())),
          )
          return whole(bytesRead, size)
        }),
      async close() {
        socket.destroy()
        await file.close()
      },
    }
  },
}
