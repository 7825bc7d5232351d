import { transfer } from '../../transfer/index.js'
import { fileToSocket, nonBlocking, SEND_CASES } from '../byte-path.js'
import { startBytePeer } from '../byte-peer.js'
import type { Mechanism } from '../mechanism.js'

/** Our `transfer()`, from a file. */
export const sendTransfer: Mechanism = {
  name: 'transfer (net)',
  about:
    'transfer() of sluice/transfer, piece by piece: it lends the pages, and waits for the socket in the event loop',
  copies: 0,
  copiesWhy: 'the socket refers to the page cache’s pages',
  cases: SEND_CASES,
  prepare: startBytePeer,
  open: setting =>
    fileToSocket(setting, (source, sink) => {
      // As a connection is; with a descriptor that blocks it would have to ask before each step.
      nonBlocking(sink)
      return { move: async (offset, length) => (await transfer(source, sink, { offset, length })).bytes }
    }),
}
