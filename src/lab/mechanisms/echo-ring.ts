import { EchoPump } from '../echo-pump.js'
import type { Mechanism } from '../mechanism.js'
import { peerPorts, startPeer } from '../peer.js'
import { ECHO_BYTES, MANY, SOCKET_COPIES } from '../sizes.js'

/** The ring by itself. */
export const echoRing: Mechanism = {
  name: 'Ring',
  about:
    'io_uring by itself: a send and a receive for each echo, submitted together by a thread that waits in the kernel',
  ...SOCKET_COPIES,
  cases: [{ goal: 'net/echo', size: ECHO_BYTES, depth: MANY }],
  prepare: startPeer,
  async open(setting) {
    return new EchoPump(setting, (await peerPorts()).echo, 'dedicated')
  },
}
