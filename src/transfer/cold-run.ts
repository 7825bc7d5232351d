import type { Job } from './job.js'
import { Unsuitable } from './mechanism.js'
import { PipeFlow } from './pipe-flow.js'

/**
 * Moves bytes of a file that the device has, until there are some that the page cache has, or the job is done.
 *
 * Another thread puts them into a pipe, where they stay in memory until they are sent; while one pipe is emptied, the next
 * is filled, if there is another one.
 *
 * @throws `Unsuitable`, or the system error
 */
export async function moveCold(job: Job): Promise<void> {
  let flow = new PipeFlow(job)
  let other = new PipeFlow(job)
  let next: Promise<number | Error> | undefined
  try {
    await flow.fetch(0)
    while (flow.pending > 0) {
      next = goesOn(job, flow.pending) ? other.fetch(flow.pending).catch((error: Error) => error) : undefined
      await flow.empty()
      job.check()
      const fetched = next === undefined ? 0 : await next
      next = undefined
      if (fetched instanceof Unsuitable) return
      if (fetched instanceof Error) throw fetched
      ;[flow, other] = [other, flow]
    }
  } finally {
    // No pipe goes back while something is being put into it.
    if (next !== undefined) await next
    flow.release()
    other.release()
  }
}

/** Whether there is more behind what is under way, and it is the device's, too. */
function goesOn(job: Job, ahead: number): boolean {
  if (job.ended || job.remaining <= ahead) return false
  return job.residency.warm(job.position + ahead, 1, job.remaining - ahead) === 0
}
