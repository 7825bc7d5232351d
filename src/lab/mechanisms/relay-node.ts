import { once } from 'node:events'
import type { Socket } from 'node:net'
import { RELAY_CASES } from '../byte-path.js'
import { bytePorts, startBytePeer } from '../byte-peer.js'
import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { nodeSockets } from '../peer.js'

/** What a socket has. */
async function some(socket: Socket): Promise<Buffer> {
  for (;;) {
    const bytes: Buffer | null = socket.read()
    if (bytes !== null) return bytes
    await once(socket, 'readable')
  }
}

/** Node's own: from socket to socket as a stream's pipe() does. */
export const relayNode: Mechanism = {
  name: 'net',
  node: true,
  about:
    'from one net.Socket to another, as pipe() does: a buffer and two turns of the event loop for each 64 KiB',
  copies: 2,
  copiesWhy: 'socket to buffer, and buffer to socket',
  cases: RELAY_CASES,
  prepare: startBytePeer,
  async open({ size }) {
    const { pour, discard } = await bytePorts()
    const [source] = await nodeSockets(pour, 1)
    const [sink] = await nodeSockets(discard, 1)
    return {
      run: lap =>
        inLanes(lap, 1, async () => {
          let moved = 0
          while (moved < size) {
            const bytes = await some(source)
            moved += bytes.length
            if (!sink.write(bytes)) await once(sink, 'drain')
          }
          return moved
        }),
      close() {
        source.destroy()
        sink.destroy()
      },
    }
  },
}
