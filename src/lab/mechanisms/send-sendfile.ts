import { syscall } from '../../kernel/index.js'
import { allOf, fileToSocket, SEND_CASES, setOffsetWords } from '../byte-path.js'
import { startBytePeer } from '../byte-peer.js'
import type { Mechanism } from '../mechanism.js'

/** sendfile(2) to a socket. */
export const sendSendfile: Mechanism = {
  name: 'sendfile (net)',
  about: 'the kernel lends the page cache’s pages to the socket: one system call for each piece, and no copy',
  copies: 0,
  copiesWhy: 'the socket refers to the page cache’s pages',
  cases: SEND_CASES,
  prepare: startBytePeer,
  open: setting =>
    fileToSocket(setting, (source, sink) => {
      const offset = new Int32Array(new ArrayBuffer(16))
      return {
        move(position, length) {
          setOffsetWords(offset, position)
          return allOf(length, 'sendfile', (_done, left) => syscall('sendfile', sink, source, offset, left))
        },
      }
    }),
}
