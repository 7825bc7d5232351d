import { RELAY_CASES, socketToSocket } from '../byte-path.js'
import { startBytePeer } from '../byte-peer.js'
import type { Mechanism } from '../mechanism.js'
import { ringPath } from '../ring-path.js'

/** io_uring: a receive and a send, linked. */
export const relayRing: Mechanism = {
  name: 'Ring recv, send',
  about: 'a receive and the send behind it go to the kernel together: one system call for both',
  copies: 2,
  copiesWhy: 'socket to buffer, and buffer to socket',
  cases: RELAY_CASES,
  prepare: startBytePeer,
  open: setting =>
    socketToSocket(setting, (source, sink, size) =>
      ringPath(source, sink, size, { file: false, lends: false }),
    ),
}
