import { offload } from '../../engine/index.js'
import { setOffset } from '../endpoint.js'
import type { Job } from '../job.js'
import { type Mechanism, rejected } from '../mechanism.js'

/** Bytes that one call copies, where it copies: an abort waits for no more than that. */
const CHUNK_BYTES = 2 ** 26

/** From file to file by the file system itself, on another thread. */
export const copyFileRange: Mechanism = {
  name: 'copy_file_range',
  unfit: (source, sink) => {
    if (source.kind !== 'file' || sink.kind !== 'file') return 'it takes two regular files'
    return sink.appends ? 'the file was opened for appending' : undefined
  },
  run,
}

async function run(job: Job): Promise<void> {
  const { source, sink } = job
  const from = new Int32Array(new ArrayBuffer(64))
  const to = new Int32Array(new ArrayBuffer(64))
  while (!job.done) {
    setOffset(from, job.position)
    setOffset(to, job.target)
    const length = Math.min(job.remaining, CHUNK_BYTES)
    const result = await offload('copy_file_range', [source.fd, from, sink.fd, to, length, 0]).catch(rejected)
    if (result === 0) job.ended = true
    else job.moved(result)
    job.check()
  }
}
