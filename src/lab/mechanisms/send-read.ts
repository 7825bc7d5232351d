import { readSync } from 'node:fs'
import { alignedBuffer } from '../../memory/index.js'
import { fileToSocket, SEND_CASES, sendAll } from '../byte-path.js'
import { startBytePeer } from '../byte-peer.js'
import type { Mechanism } from '../mechanism.js'

/** read(2) and send(2). */
export const sendRead: Mechanism = {
  name: 'read, send',
  about: 'every byte is fetched into the program and handed to the socket: two system calls that block',
  copies: 2,
  copiesWhy: 'page cache to buffer, and buffer to socket',
  cases: SEND_CASES,
  prepare: startBytePeer,
  open: setting =>
    fileToSocket(setting, (source, sink, size) => {
      const buffer = alignedBuffer(size)
      return {
        move: (position, length) => sendAll(sink, buffer, readSync(source, buffer, 0, length, position)),
      }
    }),
}
