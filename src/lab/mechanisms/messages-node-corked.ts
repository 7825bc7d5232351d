import { inBatches } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { nodeSockets, peerPorts, startPeer } from '../peer.js'
import { messageOf } from '../peer-message.js'
import { ECHO_BYTES, MANY, SOCKET_COPIES } from '../sizes.js'

/** Many messages in one writev. */
export const messagesNodeCorked: Mechanism = {
  name: 'node:net, corked',
  node: true,
  about: "Node's own socket, corked while many messages are written: they go out as one writev",
  ...SOCKET_COPIES,
  cases: [{ goal: 'net/messages', size: ECHO_BYTES, depth: MANY }],
  prepare: startPeer,
  async open({ size, depth }) {
    const { swallow } = await peerPorts()
    const [socket] = await nodeSockets(swallow, 1)
    const message = messageOf(size)
    return {
      run: lap =>
        inBatches(lap, depth, size, async count => {
          socket.cork()
          for (let index = 1; index < count; index++) socket.write(message)
          const taken = new Promise<unknown>(resolve => socket.write(message, resolve))
          socket.uncork()
          await taken
        }),
      close: () => {
        socket.destroy()
      },
    }
  },
}
