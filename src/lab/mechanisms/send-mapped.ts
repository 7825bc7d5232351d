import { Mapping } from '../../memory/index.js'
import { fileToSocket, SEND_CASES, sendAll } from '../byte-path.js'
import { startBytePeer } from '../byte-peer.js'
import type { Mechanism } from '../mechanism.js'

/** send(2) from a mapping of the file. */
export const sendMapped: Mechanism = {
  name: 'map, send',
  about: 'the file is mapped, and the socket copies out of the mapping: one system call for each piece',
  copies: 1,
  copiesWhy: 'mapping to socket',
  cases: SEND_CASES,
  prepare: startBytePeer,
  open: setting =>
    fileToSocket(setting, (source, sink) => {
      const mapping = new Mapping({ file: source, length: setting.window, access: 'read', shared: true })
      return {
        move: (position, length) => sendAll(sink, mapping.address + position, length),
        close: () => mapping.unmap(),
      }
    }),
}
