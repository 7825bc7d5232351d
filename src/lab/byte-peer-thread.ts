/** A thread of the process at the other end: it sends bytes without end, or throws away what comes. */
import { workerData } from 'node:worker_threads'
import { MSG, syscall } from '../kernel/index.js'
import { alignedBuffer } from '../memory/index.js'
import { setOffsetWords } from './byte-path.js'
import { MIB } from './sizes.js'

/** What a thread is told. */
export interface ByteTask {
  /** A connection, which blocks. */
  readonly fd: number
  readonly pours: boolean
}

const POURED_BYTES = 16 * MIB
const { fd, pours } = workerData as ByteTask
if (pours) pour()
else discard()

/** Lends the pages of a file in memory, so that it costs little itself. */
function pour(): void {
  const file = syscall('memfd_create', new Uint8Array(new ArrayBuffer(16)), 1)
  const block = alignedBuffer(MIB)
  for (let at = 0; at < POURED_BYTES; at += MIB) syscall('write', file, block, MIB)
  const offset = new Int32Array(new ArrayBuffer(16))
  let sent = 1
  while (sent > 0) {
    setOffsetWords(offset, 0)
    sent = syscall('sendfile', fd, file, offset, POURED_BYTES)
  }
  syscall('close', file)
}

/** Has the kernel throw bytes away, so that who sends them is the limit. */
function discard(): void {
  while (syscall('recvfrom', fd, 0, 4 * MIB, MSG.TRUNC) > 0);
}
