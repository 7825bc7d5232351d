import { fileToSocket, SEND_CASES } from '../byte-path.js'
import { startBytePeer } from '../byte-peer.js'
import type { Mechanism } from '../mechanism.js'
import { ringPath } from '../ring-path.js'

/** io_uring: a read and a send, linked. */
export const sendRing: Mechanism = {
  name: 'Ring read, send',
  about: 'a read and the send behind it go to the kernel together: one system call for both',
  copies: 2,
  copiesWhy: 'page cache to buffer, and buffer to socket',
  cases: SEND_CASES,
  prepare: startBytePeer,
  open: setting =>
    fileToSocket(setting, (source, sink, size) => ringPath(source, sink, size, { file: true, lends: false })),
}
