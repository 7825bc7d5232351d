import { transfer } from '../../transfer/index.js'
import { nonBlocking, RELAY_CASES, socketToSocket } from '../byte-path.js'
import { startBytePeer } from '../byte-peer.js'
import type { Mechanism } from '../mechanism.js'

/** Our `transfer()`, from socket to socket. */
export const relayTransfer: Mechanism = {
  name: 'transfer (net)',
  about:
    'transfer() of sluice/transfer, piece by piece: pages through a pipe of its pool, and waits in the event loop',
  copies: 0,
  copiesWhy: 'pages are passed on',
  cases: RELAY_CASES,
  prepare: startBytePeer,
  open: setting =>
    socketToSocket(setting, (source, sink) => {
      // As a connection is; with a descriptor that blocks it would have to ask before each step.
      for (const fd of [source, sink]) nonBlocking(fd)
      return { move: async (_position, length) => (await transfer(source, sink, { length })).bytes }
    }),
}
