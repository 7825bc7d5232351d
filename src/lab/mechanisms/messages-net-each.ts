import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { dialed, peerPorts, startPeer } from '../peer.js'
import { messageOf } from '../peer-message.js'
import { ECHO_BYTES, SOCKET_COPIES } from '../sizes.js'

/** One message, one send. */
export const messagesNetEach: Mechanism = {
  name: 'net, each sent',
  about:
    'a connection of sluice/net, each message sent before the next is written: a turn and a call for each',
  ...SOCKET_COPIES,
  cases: [{ goal: 'net/messages', size: ECHO_BYTES }],
  prepare: startPeer,
  async open({ size }) {
    const { swallow } = await peerPorts()
    const [connection] = await dialed(swallow, 1)
    const message = messageOf(size)
    return {
      run: lap =>
        inLanes(lap, 1, async () => {
          await connection.write(message)
          await connection.flush()
          return size
        }),
      close: () => connection.destroy(),
    }
  },
}
