import { checkInteger, invalidArgType, invalidArgValue, SEEK } from '../kernel/index.js'
import { measuredCosts } from './calibration/index.js'
import { candidates, MECHANISMS, VIA_NAMES } from './choice.js'
import type { Endpoint } from './endpoint.js'
import { openSink, openSource, type TransferSink, type TransferSource } from './ends.js'
import { Job } from './job.js'
import { isExhaustion, type Mechanism, Unsuitable, unsupported, type Via } from './mechanism.js'
import { deliver } from './memory-step.js'
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

/** From here on, asking a socket how it paces pays. */
export const MUCH_BYTES = 2 ** 20

/** What a transfer is told. */
export interface TransferOptions {
  /**
   * Where in a file it begins, in bytes; the file's own position stays as it is. By default it begins at that position,
   * and moves it.
   */
  offset?: number | undefined
  /** Bytes: exactly so many, or the transfer fails. By default a file's rest, or everything until the source ends. */
  length?: number | undefined
  /** Where in a file the bytes go; otherwise as `offset`. */
  position?: number | undefined
  signal?: AbortSignal | undefined
  /** Demands a mechanism. By default the one that costs least for these two ends. */
  via?: Exclude<Via, 'tee'> | undefined
}

/** What came of a transfer. */
export interface TransferResult {
  /** Bytes that reached the sink. */
  bytes: number
  /** How; where one mechanism gave way to another, the last. */
  via: Via
}

/**
 * Moves bytes from one descriptor to another, by the cheapest way that works for the two: the page cache's pages are lent
 * to a socket, pages go through a pipe, a file system shares blocks. No byte passes through JavaScript unless nothing
 * else works.
 *
 * A slow sink slows the source, and memory stays as it is meanwhile. Bytes that have to come from a device do not hold
 * up the event loop. Neither end is closed. Transfers from one object, and those to one, go one after the other, except
 * where they name a place in a file.
 *
 * ```ts
 * await using file = await open('image.iso')
 * const { bytes, via } = await transfer(file, socket, { offset: 4096, length: 1 << 20 })
 * ```
 *
 * @returns rejects with `ERR_SLUICE_SHORT` where the source ends before `length` bytes, or a file is truncated under the
 *   transfer; with `AbortError`; with the system error. The error's `bytes` says how many bytes reached the sink.
 * @see sendfile(2), splice(2), copy_file_range(2)
 */
export async function transfer(
  source: TransferSource,
  sink: TransferSink,
  options: TransferOptions = {},
): Promise<TransferResult> {
  checkOptions(options)
  const { signal } = options
  // Those who say where in a file they read or write are in nobody's way.
  const from = options.offset === undefined ? source : undefined
  const leave = await queueUp(from, options.position === undefined ? sink : undefined, signal)
  try {
    return await between(source, sink, options)
  } finally {
    leave()
  }
}

function checkOptions(options: TransferOptions): void {
  if (typeof options !== 'object' || options === null)
    throw invalidArgType('options', 'of type object', options)
  const { offset, length, position, via, signal } = options
  if (offset !== undefined) checkInteger(offset, 'options.offset', 0)
  if (length !== undefined) checkInteger(length, 'options.length', 0)
  if (position !== undefined) checkInteger(position, 'options.position', 0)
  if (via !== undefined && !MECHANISMS.has(via)) {
    throw invalidArgValue('options.via', via, `is not one of ${VIA_NAMES.join(', ')}`)
  }
  checkSignal(signal)
}

async function between(
  source: TransferSource,
  sink: TransferSink,
  options: TransferOptions,
): Promise<TransferResult> {
  const ends: Endpoint[] = []
  let job: Job | undefined
  let error: TransferFailure | undefined
  try {
    const from = await openSource(source, options.signal)
    ends.push(from)
    const begin = startOf(from, options.offset)
    const length = lengthOf(from, begin, options.length)
    const to = await openSink(sink, length, options.signal)
    ends.unshift(to)
    job = plan(from, to, begin, length, options)
    return await move(job, length, options)
  } catch (reason) {
    // A stream fails with the same error for all who ask: what it says is of this transfer, also where it did not even begin.
    error = failure(reason as Error, job?.bytes ?? 0, job?.undelivered ?? [])
    throw error
  } finally {
    for (const end of ends) end.backing.release?.(error)
  }
}

function plan(
  source: Endpoint,
  sink: Endpoint,
  position: number,
  length: number,
  options: TransferOptions,
): Job {
  const range = { position, target: targetOf(sink, options.position), length }
  refuseOverlap(source, sink, range)
  return new Job(source, sink, range, options.signal, options.via !== undefined)
}

async function move(job: Job, length: number, options: TransferOptions): Promise<TransferResult> {
  const { source, sink } = job
  try {
    if (length >= MUCH_BYTES) sink.backing.unpace?.()
    const used = await carryOut(job, options.via)
    if (job.remaining > 0 && Number.isFinite(length)) throw tooShort(job, length)
    return { bytes: job.bytes, via: used }
  } catch (error) {
    giveBack(job)
    throw job.explain(error as Error)
  } finally {
    job.finish()
    if (source.seekable && options.offset === undefined) source.seek(job.position, SEEK.SET)
    if (job.target >= 0 && options.position === undefined) sink.seek(job.target, SEEK.SET)
  }
}

/** Tries one mechanism after the other. @returns the name of the one that ended it */
async function carryOut(job: Job, via: string | undefined): Promise<Via> {
  const { source, sink } = job
  takeEarly(job)
  const demanded = via === undefined ? undefined : MECHANISMS.get(via)
  const unfit = demanded?.unfit(source, sink)
  if (unfit !== undefined) throw unsupported(String(via), source, sink, unfit)
  const mechanisms = demanded === undefined ? candidates(job, measuredCosts()) : [demanded]
  let refusal: unknown
  for (const mechanism of mechanisms) {
    try {
      await runOne(job, mechanism)
      return mechanism.name
    } catch (error) {
      if (!(error instanceof Unsuitable)) throw error
      refusal = error.cause
    }
  }
  // read+write is the last: what it says is true of the descriptors, not of the mechanism.
  if (demanded === undefined) throw refusal
  throw isExhaustion(refusal) ? refusal : unsupported(demanded.name, source, sink, refusal)
}

async function runOne(job: Job, mechanism: Mechanism): Promise<void> {
  job.check()
  // A stream is written to by its mechanism alone.
  if (job.undelivered.length > 0 && job.sink.kind !== 'stream') await deliver(job)
  if (!job.done) await mechanism.run(job)
}
