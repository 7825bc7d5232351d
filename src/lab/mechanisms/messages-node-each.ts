import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { nodeSockets, peerPorts, startPeer } from '../peer.js'
import { messageOf } from '../peer-message.js'
import { ECHO_BYTES, SOCKET_COPIES } from '../sizes.js'

/** One message, one write. */
export const messagesNodeEach: Mechanism = {
  name: 'node:net, each',
  node: true,
  about: "Node's own socket, each message written when the one before it has been taken",
  ...SOCKET_COPIES,
  cases: [{ goal: 'net/messages', size: ECHO_BYTES }],
  prepare: startPeer,
  async open({ size }) {
    const { swallow } = await peerPorts()
    const [socket] = await nodeSockets(swallow, 1)
    const message = messageOf(size)
    return {
      run: lap =>
        inLanes(lap, 1, async () => {
          await new Promise<unknown>(resolve => socket.write(message, resolve))
          return size
        }),
      close: () => {
        socket.destroy()
      },
    }
  },
}
