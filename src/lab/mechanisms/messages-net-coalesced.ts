import { inBatches } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { dialed, peerPorts, startPeer } from '../peer.js'
import { messageOf } from '../peer-message.js'
import { ECHO_BYTES, MANY, SOCKET_COPIES } from '../sizes.js'

/** The messages of a turn in one send. */
export const messagesNetCoalesced: Mechanism = {
  name: 'net, coalesced',
  about: 'a connection of sluice/net to which many messages are written in a turn: they go out as one send',
  ...SOCKET_COPIES,
  cases: [{ goal: 'net/messages', size: ECHO_BYTES, depth: MANY }],
  prepare: startPeer,
  async open({ size, depth }) {
    const { swallow } = await peerPorts()
    const [connection] = await dialed(swallow, 1)
    const message = messageOf(size)
    return {
      run: lap =>
        inBatches(lap, depth, size, async count => {
          for (let index = 0; index < count; index++) void connection.write(message)
          await connection.flush()
        }),
      close: () => connection.destroy(),
    }
  },
}
