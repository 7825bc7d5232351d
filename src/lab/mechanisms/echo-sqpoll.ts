import { EchoPump } from '../echo-pump.js'
import type { Mechanism } from '../mechanism.js'
import { peerPorts, startPeer } from '../peer.js'
import { ECHO_BYTES, MANY, SOCKET_COPIES } from '../sizes.js'

/** The ring with a thread of the kernel that takes what is submitted. */
export const echoSqpoll: Mechanism = {
  name: 'Ring SQPOLL',
  about:
    'as Ring, and a thread of the kernel watches the queue and does the sending: no system call, but a second CPU kept busy, which the peer would have had where there are two',
  ...SOCKET_COPIES,
  cases: [{ goal: 'net/echo', size: ECHO_BYTES, depth: MANY }],
  prepare: startPeer,
  async open(setting) {
    return new EchoPump(setting, (await peerPorts()).echo, 'sqpoll')
  },
}
