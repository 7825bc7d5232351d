import { errnoOf, SPLICE_F, setIovec, syscall } from '../../kernel/index.js'
import { Mapping } from '../../memory/index.js'
import { moveCold } from '../cold-run.js'
import type { Job } from '../job.js'
import { failed, type Mechanism } from '../mechanism.js'
import { PipeFlow } from '../pipe-flow.js'

const EAGAIN = -errnoOf('EAGAIN')
const EFAULT = -errnoOf('EFAULT')
/** Bytes of a file that are mapped at once. */
const WINDOW = 2 ** 23

/**
 * The page cache's pages by way of a mapping: vmsplice(2) lends them to a pipe, and they go on to the sink. Nobody here
 * touches the mapping, so a file that is truncated meanwhile gives an answer and no SIGBUS.
 */
export const vmsplice: Mechanism = {
  name: 'vmsplice',
  unfit: (source, sink) => {
    if (source.kind !== 'file' || source.direct) return 'the source is no file in the page cache'
    if (sink.kind === 'other' || sink.kind === 'stream')
      return 'the sink is neither a file nor a pipe nor a socket'
    return sink.appends && sink.seekable ? 'the file was opened for appending' : undefined
  },
  run,
}

/** A piece of the file that is mapped. */
class Window {
  readonly vector = new Uint32Array(new ArrayBuffer(16))
  #mapping: Mapping | undefined
  #from = 0

  /** Maps what is at `position`, unless it is mapped. @returns bytes there; 0 behind the file's end */
  reach(job: Job, length: number): number {
    const { position, source } = job
    const mapped = this.#mapping
    // Asked anew each time: of the page that a file ends in, what is mapped behind its end reads as zeros.
    const size = source.sizeNow()
    if (position >= size) return 0
    if (mapped === undefined || position < this.#from || position >= this.#from + mapped.length) {
      mapped?.unmap()
      this.#mapping = undefined
      const bytes = Math.min(WINDOW, size - position)
      this.#mapping = new Mapping({
        file: source.fd,
        offset: position,
        length: bytes,
        access: 'read',
        shared: true,
      })
      this.#from = position
    }
    const { address, length: there } = this.#mapping as Mapping
    const skipped = position - this.#from
    const bytes = Math.min(length, there - skipped, size - position)
    setIovec(this.vector, 0, address + skipped, bytes)
    return bytes
  }

  close(): void {
    this.#mapping?.unmap()
  }
}

async function run(job: Job): Promise<void> {
  const window = new Window()
  const flow = new PipeFlow(job)
  try {
    while (!job.done) {
      await step(job, flow, window)
      job.check()
    }
  } finally {
    flow.release()
    window.close()
  }
}

async function step(job: Job, flow: PipeFlow, window: Window): Promise<void> {
  const warm = job.residency.warm(job.position, await job.grant(WINDOW), job.remaining)
  // A page fault would wait for the device.
  if (warm === 0) return moveCold(job)
  if (job.sink.kind !== 'pipe') {
    const filled = await flow.fillBy((fd, room) => lend(job, window, fd, Math.min(warm, room)))
    if (filled > 0) await flow.empty(Math.min(filled, Math.max(0, job.source.sizeNow() - job.position)))
    // It was truncated while its pages were lent.
    if (flow.pending > 0) flow.release()
    return
  }
  job.sink.enterBurst()
  const lent = lend(job, window, job.sink.fd, warm)
  job.sink.leaveBurst()
  if (lent > 0) job.moved(lent)
  else if (lent < 0) await job.writable()
  else job.ended = true
}

/** @returns bytes; 0 behind the file's end; -1 when the pipe is full */
function lend(job: Job, window: Window, fd: number, length: number): number {
  try {
    if (window.reach(job, length) === 0) return 0
  } catch (error) {
    // The file is shorter than it was.
    if ((error as NodeJS.ErrnoException).code === 'ERR_OUT_OF_RANGE') return 0
    throw error
  }
  const result = syscall('vmsplice', fd, window.vector, 1, SPLICE_F.NONBLOCK)
  if (result === EAGAIN) return -1
  if (result === EFAULT) return 0
  return result < 0 ? failed(result, 'vmsplice') : result
}
