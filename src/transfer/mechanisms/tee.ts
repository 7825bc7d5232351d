import { SPLICE_F, syscall } from '../../kernel/index.js'
import { giveBlock, takeBlock } from '../blocks.js'
import type { Job } from '../job.js'
import { failed } from '../mechanism.js'
import { readPiece, writeBytes } from '../memory-step.js'
import { PipeFlow } from '../pipe-flow.js'
import { splice } from './splice.js'

/** Whether pages of a source can be lent to all of the sinks. */
export function canTee(jobs: readonly Job[]): boolean {
  return jobs.every(({ source, sink }) => splice.unfit(source, sink) === undefined)
}

/**
 * One source to several sinks: a pipe is filled, its pages are lent to a pipe for each further sink, and all are emptied.
 * The next round begins when the slowest sink is done.
 *
 * The first pipe is emptied last, so that it has every byte that a sink could still be missing.
 *
 * @param jobs one for each sink; the first one's sink is written last
 * @param stop ends the waiting of all of them
 */
export async function teeRun(jobs: readonly Job[], stop: AbortController): Promise<void> {
  const [main, ...others] = jobs as [Job, ...Job[]]
  const trunk = new PipeFlow(main)
  const branches = others.map(job => new PipeFlow(job))
  try {
    while (!main.done || trunk.pending > 0) await round(main, trunk, branches, stop)
  } finally {
    for (const flow of branches) flow.release()
    trunk.release()
  }
}

async function round(main: Job, trunk: PipeFlow, branches: PipeFlow[], stop: AbortController): Promise<void> {
  if (trunk.pending === 0) {
    const filled = await trunk.fill()
    if (filled === 0) return
    if (filled < 0) {
      trunk.release()
      await main.readable()
      return
    }
  }
  const lent = await lend(trunk, branches)
  await all(
    branches.map(branch => branch.empty()),
    stop,
  )
  await trunk.empty(lent)
  main.check()
}

/** Lends the pages of the trunk to every branch. @returns to each as many bytes */
async function lend(trunk: PipeFlow, branches: PipeFlow[]): Promise<number> {
  for (const branch of branches) await branch.prepare()
  // A pipe may be smaller than it should be: what it takes is what all take.
  const order = branches.toSorted((one, other) => one.capacity - other.capacity)
  let bytes = trunk.pending
  for (const branch of order) {
    bytes = await branch.fillBy(fd => {
      const result = syscall('tee', trunk.outlet, fd, bytes, SPLICE_F.NONBLOCK)
      return result < 0 ? failed(result, 'tee') : result
    })
  }
  return bytes
}

/** Into memory of ours and out again to each sink: where pages cannot be lent. */
export async function copyToAll(jobs: readonly Job[], stop: AbortController): Promise<void> {
  const [main] = jobs as [Job]
  while (!main.done) {
    const block = takeBlock()
    try {
      const { start, length } = await readPiece(main, block, 0)
      if (length === 0) main.ended = true
      else await writeToAll(jobs, block.subarray(start, start + length), stop)
      main.check()
    } finally {
      giveBlock(block)
    }
  }
}

/** Writes what was read from the source before the transfer began. */
export async function deliverToAll(jobs: readonly Job[], stop: AbortController): Promise<void> {
  const [main] = jobs as [Job]
  const early = main.undelivered.splice(0)
  for (const [index, bytes] of early.entries()) {
    try {
      await writeToAll(jobs, bytes, stop)
    } catch (error) {
      main.undelivered.push(...early.slice(index + 1))
      throw error
    }
  }
}

async function writeToAll(jobs: readonly Job[], bytes: Uint8Array, stop: AbortController): Promise<void> {
  const [main, ...others] = jobs as [Job, ...Job[]]
  const begin = main.bytes
  try {
    await all(
      others.map(job => writeBytes(job, bytes)),
      stop,
    )
    await writeBytes(main, bytes)
  } catch (error) {
    if (!main.source.seekable) main.undelivered.push(bytes.slice(main.bytes - begin))
    throw error
  }
}

/** Waits for all of them, also when one fails, which stops the others: none may go on with what is given back. */
async function all(operations: readonly Promise<void>[], stop: AbortController): Promise<void> {
  let failure: unknown
  const failed = (error: unknown) => {
    failure ??= error
    stop.abort()
  }
  await Promise.all(operations.map(operation => operation.catch(failed)))
  if (failure !== undefined) throw failure
}
