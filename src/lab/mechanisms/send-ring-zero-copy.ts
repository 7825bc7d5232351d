import { fileToSocket, SEND_CASES } from '../byte-path.js'
import { startBytePeer } from '../byte-peer.js'
import type { Mechanism } from '../mechanism.js'
import { ringPath } from '../ring-path.js'

/** io_uring: a read into registered memory, and a zero-copy send from there. */
export const sendRingZeroCopy: Mechanism = {
  name: 'Ring, zero-copy',
  about:
    'as Ring read, send, but the socket sends from registered memory. On the loopback interface the kernel copies it after all, so here it shows its price and not its gain',
  copies: 2,
  copiesWhy: 'page cache to buffer; and, on the loopback interface alone, what was to be lent',
  cases: SEND_CASES,
  prepare: startBytePeer,
  open: setting =>
    fileToSocket(setting, (source, sink, size) => ringPath(source, sink, size, { file: true, lends: true })),
}
