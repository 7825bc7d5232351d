import { offload } from '../../engine/index.js'
import {
  AT,
  errnoOf,
  F,
  lendFile,
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
import type { Next } from '../step-loop.js'
import { allowance, spend } from '../turns.js'

const EAGAIN = -errnoOf('EAGAIN')
/** Bytes that one call on another thread copies: an abort waits for no more than that. */
const ASIDE_BYTES = 2 ** 24

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
      await job.steps(most => sendStep(job, cork, most))
      if (job.done) return
      // Nobody knows how long the device will take.
      cork.pull()
      await moveCold(job)
    }
  } finally {
    cork.pull()
  }
}

/** Sends what is in the page cache, as far as the sink takes it and this turn goes. */
function sendStep(job: Job, cork: Cork, most: number): Next {
  const { source, sink } = job
  job.residency.expire()
  while (!job.done) {
    const sure = Math.min(allowance(), job.remaining)
    if (sure === 0) return 'writable'
    const warm = job.residency.warm(job.position, Math.min(most, job.remaining), job.remaining)
    if (warm === 0) return 'leave'
    if (warm < job.remaining) cork.put()
    job.enterBurst()
    const { moved, result } = lendFile(source.fd, sink.fd, job.position, Math.min(sure, warm), warm)
    job.leaveBurst()
    if (moved > 0) {
      spend(moved)
      job.moved(moved)
    }
    if (result === 0) job.ended = true
    else if (result < 0 && result !== EAGAIN) failed(result, 'sendfile')
    // Short means that the socket is full, or that the file has ended, which the next call tells.
    else if (moved < warm) return 'writable'
  }
  return 'leave'
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
