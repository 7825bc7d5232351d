import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { nodeSockets, peerPorts, startPeer } from '../peer.js'
import { messageOf } from '../peer-message.js'
import { ECHO_BYTES, MANY, SOCKET_COPIES } from '../sizes.js'

/** Sockets of Node's. */
export const echoNode: Mechanism = {
  name: 'node:net',
  node: true,
  about: "Node's own sockets on one event loop: a write and a read of each are system calls of their own",
  ...SOCKET_COPIES,
  cases: [{ goal: 'net/echo', size: ECHO_BYTES, depth: MANY }],
  prepare: startPeer,
  async open({ size, depth }) {
    const { echo } = await peerPorts()
    const sockets = await nodeSockets(echo, depth)
    const message = messageOf(size)
    const left = new Int32Array(depth)
    const answered: (() => void)[] = []
    for (const [lane, socket] of sockets.entries()) {
      socket.on('data', bytes => {
        left[lane] -= bytes.length
        if (left[lane] === 0) answered[lane]?.()
      })
    }
    return {
      run: lap =>
        inLanes(lap, depth, async (_, lane) => {
          left[lane] = size
          sockets[lane].write(message)
          await new Promise<void>(resolve => {
            answered[lane] = resolve
          })
          return size
        }),
      close: () => {
        for (const socket of sockets) socket.destroy()
      },
    }
  },
}
