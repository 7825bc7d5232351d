import { errnoOf, iovecs, MSG, RWF, syscall } from '../../kernel/index.js'
import { alignedBuffer } from '../../memory/index.js'
import { BLOCK_BYTES, giveBlock, takeBlock } from '../blocks.js'
import type { Job } from '../job.js'
import { failed, type Mechanism } from '../mechanism.js'
import { readPiece } from '../memory-step.js'

const EAGAIN = -errnoOf('EAGAIN')
const EINTR = -errnoOf('EINTR')
const EOPNOTSUPP = -errnoOf('EOPNOTSUPP')

/**
 * Copied out of the page cache and sent, both at once and without waiting. For a small file it is less work than
 * lending its pages.
 *
 * A sink that is full holds no memory: what it did not take is read again.
 */
export const preadv2: Mechanism = {
  name: 'preadv2',
  unfit: (source, sink) => {
    if (!source.seekable) return 'the source is no file'
    // What the sink does not take would be read from the device again.
    if (source.direct) return 'the file was opened for Direct I/O'
    return sink.kind === 'socket' || sink.kind === 'pipe'
      ? undefined
      : 'the sink is neither a socket nor a pipe'
  },
  run,
}

interface Scratch {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly vector: Uint32Array
}

let scratch: Scratch | undefined

/** This thread's memory for what is read and sent without anything in between. */
function ownScratch(): Scratch {
  if (scratch !== undefined) return scratch
  const bytes = alignedBuffer(BLOCK_BYTES)
  scratch = { bytes, vector: iovecs([bytes]) }
  return scratch
}

async function run(job: Job): Promise<void> {
  const { bytes, vector } = ownScratch()
  while (!job.done) {
    const length = await job.grant(BLOCK_BYTES)
    // Set anew each time: others used the memory while this one waited for its turn.
    vector[2] = length
    const read = readNow(job, vector, length)
    if (read === 0) job.ended = true
    else if (read > 0)
      await (send(job, bytes.subarray(0, read), read === length) ? undefined : job.writable())
    else if (read === EAGAIN || read === EOPNOTSUPP) await fetch(job)
    else if (read !== EINTR) failed(read, 'preadv2')
  }
}

/** Reads what the page cache has. @returns bytes, 0 at the end, or -errno: EAGAIN where it has not */
function readNow(job: Job, vector: Uint32Array, length: number): number {
  const { fd } = job.source
  const result = syscall('preadv2', fd, vector, 1, job.position, 0, RWF.NOWAIT)
  // Where a file system does not know the flag, it does without if it has nothing to wait for.
  if (result !== EOPNOTSUPP || job.residency.warm(job.position, length) < length) return result
  return syscall('preadv2', fd, vector, 1, job.position)
}

/** Bytes that the device has are read by the engine. */
async function fetch(job: Job): Promise<void> {
  const block = takeBlock()
  let all = true
  try {
    const { start, length } = await readPiece(job, block, 0)
    job.check()
    if (length === 0) job.ended = true
    else all = send(job, block.subarray(start, start + length), true)
  } finally {
    giveBlock(block)
  }
  if (!all) await job.writable()
}

/** Sends what the sink takes now. @returns false when it takes no more; the rest is to be read again */
function send(job: Job, bytes: Uint8Array, full: boolean): boolean {
  const { fd, kind } = job.sink
  // More is certain to follow at once: the last bytes of a chunk need not go as a packet of their own.
  const more = full && job.remaining > bytes.length ? MSG.MORE : 0
  const flags = MSG.DONTWAIT | MSG.NOSIGNAL | more
  const sent =
    kind === 'socket'
      ? job.burst('sendto', fd, bytes, bytes.length, flags)
      : job.burst('write', fd, bytes, bytes.length)
  if (sent > 0) job.moved(sent)
  else if (sent !== EAGAIN && sent !== EINTR) failed(sent, kind === 'socket' ? 'send' : 'write')
  return sent === bytes.length || sent === EINTR
}
