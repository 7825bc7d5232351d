import { RELAY_CASES, socketToSocket } from '../byte-path.js'
import { startBytePeer } from '../byte-peer.js'
import type { Mechanism } from '../mechanism.js'
import { ringPath } from '../ring-path.js'

/** io_uring: a receive into registered memory, and a zero-copy send from there. */
export const relayRingZeroCopy: Mechanism = {
  name: 'Ring, zero-copy',
  about:
    'as Ring recv, send, but the socket sends from registered memory; on the loopback interface the kernel copies it after all',
  copies: 2,
  copiesWhy: 'socket to buffer; and, on the loopback interface alone, what was to be lent',
  cases: RELAY_CASES,
  prepare: startBytePeer,
  open: setting =>
    socketToSocket(setting, (source, sink, size) =>
      ringPath(source, sink, size, { file: false, lends: true }),
    ),
}
