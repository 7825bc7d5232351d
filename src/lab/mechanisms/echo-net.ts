import { systemError } from '../../kernel/index.js'
import { inLanes } from '../lanes.js'
import type { Mechanism } from '../mechanism.js'
import { dialed, peerPorts, startPeer } from '../peer.js'
import { messageOf } from '../peer-message.js'
import { ECHO_BYTES, FEW, MANY, SOCKET_COPIES } from '../sizes.js'

/** Connections of this library. */
export const echoNet: Mechanism = {
  name: 'net',
  about:
    'connections of sluice/net on one event loop: what all of them write in a turn goes to the kernel in one call, and receives stay armed',
  ...SOCKET_COPIES,
  cases: [
    { goal: 'net/echo', size: ECHO_BYTES, depth: MANY },
    { goal: 'net/echo', size: ECHO_BYTES, depth: FEW },
  ],
  prepare: startPeer,
  async open({ size, depth }) {
    const { echo } = await peerPorts()
    const connections = await dialed(echo, depth)
    const message = messageOf(size)
    return {
      run: lap =>
        inLanes(lap, depth, async (_, lane) => {
          const connection = connections[lane]
          await connection.write(message)
          for (let left = size; left > 0; ) {
            const bytes = await connection.read()
            if (bytes === null) throw systemError(-104, 'read')
            left -= bytes.length
          }
          return size
        }),
      close: async () => {
        await Promise.all(connections.map(connection => connection.destroy()))
      },
    }
  },
}
