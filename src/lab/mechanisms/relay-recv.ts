import { MSG, syscall } from '../../kernel/index.js'
import { alignedBuffer } from '../../memory/index.js'
import { checked } from '../blocking-socket.js'
import { RELAY_CASES, sendAll, socketToSocket } from '../byte-path.js'
import { startBytePeer } from '../byte-peer.js'
import type { Mechanism } from '../mechanism.js'

/** recv(2) and send(2). */
export const relayRecv: Mechanism = {
  name: 'recv, send',
  about: 'every byte is fetched into the program and handed on: two system calls that block',
  copies: 2,
  copiesWhy: 'socket to buffer, and buffer to socket',
  cases: RELAY_CASES,
  prepare: startBytePeer,
  open: setting =>
    socketToSocket(setting, (source, sink, size) => {
      const buffer = alignedBuffer(size)
      return {
        move(_position, length) {
          const got = checked(syscall('recvfrom', source, buffer, length, MSG.WAITALL), 'recv')
          return sendAll(sink, buffer, got)
        },
      }
    }),
}
