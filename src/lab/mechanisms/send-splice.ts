import { BlockingPipe, fileToSocket, SEND_CASES, setOffsetWords } from '../byte-path.js'
import { startBytePeer } from '../byte-peer.js'
import type { Mechanism } from '../mechanism.js'

/** splice(2) from a file by way of a pipe. */
export const sendSplice: Mechanism = {
  name: 'splice (net)',
  about: 'pages of the page cache go through a pipe of the program’s: two system calls for each pipe full',
  copies: 0,
  copiesWhy: 'pipe and socket refer to the page cache’s pages',
  cases: SEND_CASES,
  bound: 'the pipe',
  prepare: startBytePeer,
  open: setting =>
    fileToSocket(setting, (source, sink, size) => {
      const pipe = new BlockingPipe(size)
      const offset = new Int32Array(new ArrayBuffer(16))
      return {
        move(position, length) {
          setOffsetWords(offset, position)
          return pipe.pass(source, offset, sink, length)
        },
        close: () => pipe.close(),
      }
    }),
}
