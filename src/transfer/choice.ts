import type { Costs } from './calibration/index.js'
import type { Job } from './job.js'
import type { Mechanism, Via } from './mechanism.js'
import { copyFileRange } from './mechanisms/copy-file-range.js'
import { preadv2 } from './mechanisms/preadv2.js'
import { readWrite } from './mechanisms/read-write.js'
import { sendZc } from './mechanisms/send-zc.js'
import { sendfile } from './mechanisms/sendfile.js'
import { splice } from './mechanisms/splice.js'
import { stream } from './mechanisms/stream.js'
import { vmsplice } from './mechanisms/vmsplice.js'

const ALL: readonly Mechanism[] = [
  copyFileRange,
  sendfile,
  splice,
  vmsplice,
  preadv2,
  sendZc,
  readWrite,
  stream,
]

/** Every mechanism that can be demanded of `transfer()`. */
export const MECHANISMS: ReadonlyMap<string, Mechanism> = new Map(ALL.map(each => [each.name, each]))

/**
 * The mechanisms to be tried for a job, the best one first. The last always works.
 *
 * - into a stream, there is but one
 * - what has neither positions nor pages is copied, and so is a file that does not say how long it is (/proc)
 * - from file to file the file system knows best
 * - a small file is copied to a socket, a large one lent
 * - from and to pipes and sockets, pages go through pipes
 */
export function candidates(job: Job, costs: Costs): Mechanism[] {
  const { source, sink } = job
  if (sink.kind === 'stream') return [stream]
  const preferred = preferences(job, costs).filter(each => each.unfit(source, sink) === undefined)
  return [...preferred, readWrite]
}

function preferences({ source, sink, remaining }: Job, costs: Costs): Mechanism[] {
  if (source.kind === 'file' && source.size === 0) return []
  if (!source.seekable) return [splice]
  if (sink.seekable) return [copyFileRange, sendfile]
  if (sink.kind === 'socket' && remaining > costs.copiedBytes) return [sendfile, preadv2]
  return sink.kind === 'pipe' ? [splice, preadv2] : [preadv2]
}

/** Names that `via` takes, for the error that says so. */
export const VIA_NAMES: readonly Via[] = ALL.map(({ name }) => name)
