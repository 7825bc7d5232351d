import { AbortError, checkInteger, invalidArgType, SEEK } from '../kernel/index.js'
import type { Endpoint } from './endpoint.js'
import { openSink, openSource, type TransferSink, type TransferSource } from './ends.js'
import { Job } from './job.js'
import { Unsuitable, unsupported, type Via } from './mechanism.js'
import { canTee, copyToAll, deliverToAll, teeRun } from './mechanisms/tee.js'
import {
  checkSignal,
  failure,
  giveBack,
  lengthOf,
  refuseOverlap,
  startOf,
  type TransferFailure,
  takeEarly,
  targetOf,
  tooShort,
} from './plan.js'
import { queueUp } from './queues.js'
import type { TransferResult } from './transfer.js'

/** What `tee()` is told; as of `transfer()`. */
export interface TeeOptions {
  /** Where in a file it begins, in bytes; by default at the file's own position, which moves. */
  offset?: number | undefined
  /** Bytes: exactly so many, or it fails. By default a file's rest, or everything until the source ends. */
  length?: number | undefined
  signal?: AbortSignal | undefined
}

/** What an error has besides when `tee()` fails. `bytes` is what reached every sink. */
export interface TeeFailure extends TransferFailure {
  /** Bytes that reached each sink, in the order of the sinks. */
  sinkBytes: number[]
}

const MAX_SINKS = 64

/**
 * Moves the bytes of one source to several sinks: the same pages are lent to each. The slowest sink sets the pace.
 *
 * ```ts
 * await tee(upload, [file, backup], { length })
 * ```
 *
 * @param sinks 1 to 64, each with a descriptor underneath
 * @returns `via` is `tee`, or `read+write` where pages cannot be lent to all of them. It rejects as `transfer()`; what one
 *   sink fails with ends it for all, and the error's `sinkBytes` says how far each came.
 * @see tee(2)
 */
export async function tee(
  source: TransferSource,
  sinks: readonly TransferSink[],
  options: TeeOptions = {},
): Promise<TransferResult> {
  check(sinks, options)
  const { signal } = options
  // All places in all queues are taken in one go, so that no two wait for one another.
  const turns = [queueUp(options.offset === undefined ? source : undefined, undefined, signal)]
  for (const sink of new Set(sinks)) turns.push(queueUp(undefined, sink, signal))
  const places = await Promise.allSettled(turns)
  try {
    for (const place of places) if (place.status === 'rejected') throw place.reason
    return await between(source, sinks, options)
  } finally {
    for (const place of places) if (place.status === 'fulfilled') place.value()
  }
}

function check(sinks: readonly TransferSink[], options: TeeOptions): void {
  if (!Array.isArray(sinks)) throw invalidArgType('sinks', 'an instance of Array', sinks)
  checkInteger(sinks.length, 'sinks.length', 1, MAX_SINKS)
  if (typeof options !== 'object' || options === null)
    throw invalidArgType('options', 'of type object', options)
  const { offset, length, signal } = options
  if (offset !== undefined) checkInteger(offset, 'options.offset', 0)
  if (length !== undefined) checkInteger(length, 'options.length', 0)
  checkSignal(signal)
}

async function between(
  source: TransferSource,
  sinks: readonly TransferSink[],
  options: TeeOptions,
): Promise<TransferResult> {
  const from = await openSource(source, options.signal).catch(error => {
    throw told(error, [], sinks.length)
  })
  const ends: [Endpoint, ...Endpoint[]] = [from]
  const jobs: Job[] = []
  let error: TeeFailure | undefined
  try {
    const begin = startOf(from, options.offset)
    const length = lengthOf(from, begin, options.length)
    for (const sink of sinks) ends.push(await openSink(sink, length, options.signal))
    return await move(jobs, ends, begin, length, options)
  } catch (reason) {
    error = told(reason as Error, jobs, sinks.length)
    throw error
  } finally {
    for (const end of ends.reverse()) end.backing.release?.(error)
  }
}

/** Adds to an error what is known of each sink, also where it did not even begin. */
function told(error: Error, jobs: readonly Job[], sinks: number): TeeFailure {
  const sinkBytes = Array.from({ length: sinks }, (_, index) => jobs[index]?.bytes ?? 0)
  return Object.assign(failure(error, Math.min(...sinkBytes), jobs[0]?.undelivered ?? []), { sinkBytes })
}

/** @param jobs filled with one for each sink */
async function move(
  jobs: Job[],
  [source, ...sinks]: readonly [Endpoint, ...Endpoint[]],
  begin: number,
  length: number,
  options: TeeOptions,
): Promise<TransferResult> {
  const { offset, signal } = options
  const stop = new AbortController()
  const abort = () => stop.abort()
  signal?.addEventListener('abort', abort, { once: true })
  try {
    if (signal?.aborted) throw new AbortError(signal)
    for (const sink of sinks) {
      const range = { position: begin, target: targetOf(sink, undefined), length }
      refuseOverlap(source, sink, range)
      // Never to wait for a pipe while it holds others, as those who hold the rest may do the same.
      const job = new Job(source, sink, range, stop.signal)
      job.countsSource = jobs.length === 0
      // The others may be waiting for the source.
      job.onSinkFailed = abort
      jobs.push(job)
    }
    const [main] = jobs as [Job, ...Job[]]
    takeEarly(main)
    const via = await carryOut(jobs, stop)
    if (main.remaining > 0 && Number.isFinite(length)) throw tooShort(main, length)
    return { bytes: main.bytes, via }
  } catch (error) {
    if (jobs[0] !== undefined) giveBack(jobs[0])
    if (signal?.aborted) throw new AbortError(signal)
    throw jobs.find(job => job.sinkFailure !== undefined)?.sinkFailure ?? error
  } finally {
    signal?.removeEventListener('abort', abort)
    for (const job of jobs) {
      job.finish()
      if (job.target >= 0) job.sink.seek(job.target, SEEK.SET)
    }
    if (jobs[0] !== undefined && source.seekable && offset === undefined) {
      source.seek(jobs[0].position, SEEK.SET)
    }
  }
}

async function carryOut(jobs: readonly Job[], stop: AbortController): Promise<Via> {
  const [main] = jobs as [Job, ...Job[]]
  const streams = jobs.find(job => job.sink.kind === 'stream')
  if (streams !== undefined) throw unsupported('tee', main.source, streams.sink, 'the sink has no descriptor')
  await deliverToAll(jobs, stop)
  if (canTee(jobs)) {
    try {
      await teeRun(jobs, stop)
      return 'tee'
    } catch (error) {
      if (!(error instanceof Unsuitable)) throw error
      // What a pipe still held of a source without positions has not reached any sink as a whole.
      if (new Set(jobs.map(job => job.bytes)).size > 1) throw error.cause
      await deliverToAll(jobs, stop)
    }
  }
  await copyToAll(jobs, stop)
  return 'read+write'
}
