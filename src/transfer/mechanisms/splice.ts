import { moveCold } from '../cold-run.js'
import { Cork } from '../cork.js'
import type { Endpoint } from '../endpoint.js'
import type { Job } from '../job.js'
import type { Mechanism } from '../mechanism.js'
import { PIPE_CAPACITY } from '../pipe.js'
import { PipeFlow } from '../pipe-flow.js'
import { type Side, spliceElsewhere, spliceNow } from '../splice-step.js'
import type { Step } from '../step-loop.js'
import { allowance } from '../turns.js'

/** Where so many bytes went at once, more are likely to follow. */
const PLENTY_BYTES = 2 ** 17

function reason({ kind, direct, appends }: Endpoint, isSink: boolean): string | undefined {
  if (kind === 'other' || kind === 'stream') return 'it is neither a file nor a pipe nor a socket'
  if (direct) return 'the file was opened for Direct I/O'
  if (isSink && appends) return 'the file was opened for appending'
  return undefined
}

/** Pages through a pipe: from a pipe, into a pipe, or by one of the pool's. */
export const splice: Mechanism = {
  name: 'splice',
  unfit: (source, sink) => reason(source, false) ?? reason(sink, true),
  run: job => {
    const { source, sink } = job
    if (source.kind === 'pipe' || sink.kind === 'pipe') return straight(job)
    const flow = new PipeFlow(job)
    return source.seekable || sink.seekable ? through(job, flow) : relay(job, flow)
  },
}

/** One end is a pipe itself. */
async function straight(job: Job): Promise<void> {
  while (!job.done) {
    const result = await straightStep(job)
    if (result > 0) job.moved(result)
    else if (result === 0) job.ended = true
    else await stalled(job)
    job.check()
  }
}

async function straightStep(job: Job): Promise<number> {
  const { source, sink } = job
  const from: Side = { fd: source.fd, offset: job.position, endpoint: source }
  const to: Side = { fd: sink.fd, offset: job.target, endpoint: sink }
  const length = await job.grant(PIPE_CAPACITY)
  if (sink.seekable) return spliceElsewhere(from, to, length)
  if (!source.seekable) return spliceNow(from, to, length)
  const warm = job.residency.warm(job.position, length, job.remaining)
  return warm > 0 ? spliceNow(from, to, warm) : spliceElsewhere(from, to, length)
}

/** One of the two is not ready, and the kernel does not say which: whichever is returns at once. */
async function stalled(job: Job): Promise<void> {
  if (!job.source.seekable) await job.readable()
  if (!job.sink.seekable) await job.writable()
}

async function through(job: Job, flow: PipeFlow): Promise<void> {
  try {
    while (!job.done || flow.pending > 0) {
      if (flow.pending === 0 && isCold(job)) {
        await moveCold(job)
        continue
      }
      const filled = job.ended || flow.room <= 0 ? -1 : await flow.fill()
      const drained = flow.pending > 0 ? await flow.drain() : -1
      if (filled <= 0 && drained <= 0 && !job.ended) await idle(job, flow)
      else if (drained <= 0 && flow.pending > 0) await job.writable()
      job.check()
    }
  } finally {
    flow.release()
  }
}

/** From socket to socket, both of which are tried without waiting: as long as bytes move, nothing is awaited. */
async function relay(job: Job, flow: PipeFlow): Promise<void> {
  const cork = new Cork(job.sink)
  const step = relaySteps(job, flow, cork)
  try {
    while (!job.done || flow.pending > 0) {
      await flow.prepare()
      await job.steps(step)
    }
  } finally {
    flow.release()
    cork.pull()
  }
}

/** Steps that move what the source has and the sink takes. They leave to get a pipe, or when all is done. */
function relaySteps(job: Job, flow: PipeFlow, cork: Cork): Step {
  let flows = false
  return most => {
    if (!flow.prepareNow()) return 'leave'
    if (flows) cork.put()
    const moved = flow.pass(most)
    flows = moved >= PLENTY_BYTES && (flow.pending > 0 || allowance() === 0)
    if (flow.pending > 0) return 'writable'
    if (job.done) return 'leave'
    // The peer may be waiting for the little that is held back; and a silent source holds no pipe.
    cork.pull()
    flow.release()
    return 'readable'
  }
}

/** Whether the next bytes of a file are the device's, and the sink none that is written to on another thread anyway. */
function isCold(job: Job): boolean {
  if (!job.source.seekable || job.sink.seekable) return false
  return job.residency.warm(job.position, 1, job.remaining) === 0
}

/** Nothing moves: the sink is full, or the source is silent. */
async function idle(job: Job, flow: PipeFlow): Promise<void> {
  if (flow.pending > 0) {
    await job.writable()
    return
  }
  flow.release()
  await job.readable()
}
