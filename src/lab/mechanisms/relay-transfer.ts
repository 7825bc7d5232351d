import { transfer } from '../../transfer/index.js'
import { RELAY_CASES, socketToSocket } from '../byte-path.js'
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
    socketToSocket(setting, (source, sink) => ({
      move: async (_position, length) => (await transfer(source, sink, { length })).bytes,
    })),
}
