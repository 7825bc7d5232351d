import { BlockingPipe, RELAY_CASES, socketToSocket } from '../byte-path.js'
import { startBytePeer } from '../byte-peer.js'
import type { Mechanism } from '../mechanism.js'

/** splice(2) from socket to socket. */
export const relaySplice: Mechanism = {
  name: 'splice (net)',
  about:
    'pages go from one socket into a pipe of the program’s and on to the other: two system calls for each pipe full',
  copies: 0,
  copiesWhy: 'pages are passed on',
  cases: RELAY_CASES,
  bound: 'the pipe',
  prepare: startBytePeer,
  open: setting =>
    socketToSocket(setting, (source, sink, size) => {
      const pipe = new BlockingPipe(size)
      return { move: (_position, length) => pipe.pass(source, 0, sink, length), close: () => pipe.close() }
    }),
}
