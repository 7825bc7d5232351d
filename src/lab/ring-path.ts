import { addressOf, IOSQE, MSG, systemError } from '../kernel/index.js'
import { alignedBuffer } from '../memory/index.js'
import {
  prepareReadAt,
  prepareReadFixedAt,
  prepareRecvAt,
  prepareSendAt,
  prepareSendZcFixedAt,
} from '../ring/index.js'
import type { BytePath } from './byte-path.js'
import { makeRing } from './ring-pump.js'

const ENTRIES = 8
const FIRST = 1
const SECOND = 2
const CQE_F_MORE = 2

/** How a {@link ringPath} gets its bytes, and how it sends them. */
export interface RingPathOptions {
  /** From a file, else from a socket. */
  file: boolean
  /** Lent from registered memory, else copied. */
  lends: boolean
}

/** A read and the send behind it, linked: one system call for both. */
export function ringPath(
  source: number,
  sink: number,
  size: number,
  { file, lends }: RingPathOptions,
): BytePath {
  const ring = makeRing(ENTRIES, 'dedicated')
  const buffer = alignedBuffer(size)
  const address = addressOf(buffer)
  if (lends) ring.registerBuffers([buffer])
  const queue = ring.submissions
  let sent = 0
  let open = 0
  const completed = (userData: number, result: number, flags: number) => {
    // What is lent comes back with a second completion.
    if ((flags & CQE_F_MORE) === 0) open--
    if (result < 0) throw systemError(result, userData === FIRST ? 'read' : 'send')
    if (userData === SECOND) sent += result
  }
  const fetch = (position: number, length: number) => {
    if (!file) prepareRecvAt(queue, source, address, length, MSG.WAITALL, FIRST)
    else if (lends) prepareReadFixedAt(queue, source, address, length, 0, position, FIRST)
    else prepareReadAt(queue, source, address, length, position, FIRST)
    queue.mark(IOSQE.IO_LINK)
  }
  const send = (length: number) => {
    const flags = MSG.NOSIGNAL | MSG.WAITALL
    if (lends) prepareSendZcFixedAt(queue, sink, address, length, 0, flags, 0, SECOND)
    else prepareSendAt(queue, sink, address, length, flags, SECOND)
  }
  return {
    move(position, length) {
      sent = 0
      open = 2
      fetch(position, length)
      send(length)
      while (open > 0) {
        ring.submit(open)
        ring.reap(completed)
      }
      return sent
    },
    enters: () => ring.enters,
    close: () => ring.close(),
  }
}
