import { offload } from '../../engine/index.js'
import {
  AT,
  errnoOf,
  F,
  O,
  OwnedDescriptor,
  pathBytes,
  SEEK,
  syscall,
  systemError,
} from '../../kernel/index.js'
import { moveCold } from '../cold-run.js'
import { Cork } from '../cork.js'
import { setOffset } from '../endpoint.js'
import type { Job } from '../job.js'
import { failed, type Mechanism, rejected, Unsuitable } from '../mechanism.js'

const EAGAIN = -errnoOf('EAGAIN')
const EINTR = -errnoOf('EINTR')
/** Bytes that one call on another thread copies: an abort waits for no more than that. */
const ASIDE_BYTES = 2 ** 24
const offsetWords = new Int32Array(new ArrayBuffer(64))

/** The page cache's pages, lent to a socket or pipe; or copied to another file, on another thread. */
export const sendfile: Mechanism = {
  name: 'sendfile',
  unfit: (source, sink) => {
    if (!source.seekable) return 'the source is no file'
    if (source.direct || sink.direct) return 'the file was opened for Direct I/O'
    if (sink.kind === 'stream') return 'the sink has no descriptor'
    if (sink.appends && sink.seekable) return 'the file was opened for appending'
    return sink.kind === 'other' ? 'the sink is neither a file nor a pipe nor a socket' : undefined
  },
  run: job => (job.sink.seekable ? copy(job) : send(job)),
}

async function send(job: Job): Promise<void> {
  const cork = new Cork(job.sink)
  try {
    while (!job.done) {
      const granted = await job.grant(Number.POSITIVE_INFINITY)
      const warm = job.residency.warm(job.position, granted, job.remaining)
      if (warm > 0) {
        await sendWarm(job, warm, cork)
      } else {
        // Nobody knows how long the device will take.
        cork.pull()
        await moveCold(job)
      }
    }
  } finally {
    cork.pull()
  }
}

/** Bytes that are in the page cache: the call copies nothing and waits for nothing. */
async function sendWarm(job: Job, length: number, cork: Cork): Promise<void> {
  if (length < job.remaining) cork.put()
  setOffset(offsetWords, job.position)
  const result = job.burst('sendfile', job.sink.fd, job.source.fd, offsetWords, length)
  if (result === 0) job.ended = true
  else if (result > 0) job.moved(result)
  else if (result !== EAGAIN && result !== EINTR) failed(result, 'sendfile')
  // Short means that the socket is full, or that the file has ended, which the next call tells.
  if (result === EAGAIN || (result > 0 && result < length)) await job.writable()
}

async function copy(job: Job): Promise<void> {
  const sink = ownOpenFile(job.sink.fd)
  const offset = new Int32Array(new ArrayBuffer(64))
  try {
    const sought = syscall('lseek', sink.fd, job.target, SEEK.SET)
    if (sought < 0) failed(sought, 'lseek')
    while (!job.done) {
      setOffset(offset, job.position)
      const length = Math.min(job.remaining, ASIDE_BYTES)
      const args = [sink.fd, job.source.fd, offset, length]
      const result = await offload('sendfile', args).catch(rejected)
      if (result === 0) job.ended = true
      else job.moved(result)
      job.check()
    }
  } finally {
    sink.close()
  }
}

/**
 * The file behind a descriptor, opened once more: sendfile(2) writes where the open file stands, and that of the caller
 * may be in use for something else meanwhile.
 *
 * @throws `Unsuitable` where it may not be opened any more
 */
function ownOpenFile(fd: number): OwnedDescriptor {
  const flags = O.WRONLY | O.CLOEXEC | (syscall('fcntl', fd, F.GETFL) & (O.SYNC | O.DSYNC))
  const result = syscall('openat', AT.FDCWD, pathBytes(`/proc/self/fd/${fd}`), flags, 0)
  if (result < 0) throw new Unsuitable(systemError(result, 'open'))
  return new OwnedDescriptor(result, 'open')
}
