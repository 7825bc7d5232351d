import { invalidArgType, invalidArgValue, SluiceError } from '../kernel/index.js'
import type { Endpoint } from './endpoint.js'
import type { Job, Range } from './job.js'

/** What an error has besides when a transfer fails. */
export interface TransferFailure extends Error {
  /** Bytes that reached the sink before: they are with it, or on their way in its kernel buffers. */
  bytes: number
  /**
   * Bytes that a source without positions has given and the sink has not taken, where there are any. A connection and a
   * socket of Node's take them back instead: they come with the next read.
   */
  undelivered?: Uint8Array
}

/** Where in the source it begins; -1 without positions. */
export function startOf(source: Endpoint, offset: number | undefined): number {
  if (source.seekable) return offset ?? source.position()
  if (offset === undefined) return -1
  throw invalidArgValue('options.offset', offset, `has no meaning for a ${source.kind}`)
}

/** How many bytes; `Infinity` for all there will be. A file without a length may be one that the kernel makes up. */
export function lengthOf(source: Endpoint, begin: number, length: number | undefined): number {
  if (length !== undefined) return length
  if (!source.seekable || (source.kind === 'file' && source.size === 0)) return Number.POSITIVE_INFINITY
  return Math.max(0, source.length() - begin)
}

/** Where in the sink bytes go; -1 where it has no positions, or appends. */
export function targetOf(sink: Endpoint, position: number | undefined): number {
  if (sink.seekable && !sink.appends) return position ?? sink.position()
  if (position === undefined) return -1
  const what = sink.appends ? 'file that was opened for appending' : sink.kind
  throw invalidArgValue('options.position', position, `has no meaning for a ${what}`)
}

/**
 * Bytes would be read that the transfer itself has written: no mechanism promises an order.
 *
 * @throws `ERR_INVALID_ARG_VALUE` where a file is moved onto itself
 */
export function refuseOverlap(source: Endpoint, sink: Endpoint, range: Range): void {
  const { position, target, length } = range
  if (position < 0 || target < 0 || !Number.isFinite(length)) return
  if (source.inode !== sink.inode || source.device !== sink.device) return
  if (Math.abs(position - target) >= length) return
  throw invalidArgValue(
    'options.position',
    target,
    `overlaps what is read of the same file from ${position} on`,
  )
}

/** Bytes that were read from the source before the transfer began. */
export function takeEarly(job: Job): void {
  const early = job.source.backing.early?.(Math.min(job.remaining, Number.MAX_SAFE_INTEGER))
  if (early !== undefined) job.undelivered.push(...early.filter(bytes => bytes.length > 0))
}

/** Gives the source back what it has given and the sink has not taken, if it takes it. */
export function giveBack({ source, undelivered }: Job): void {
  if (undelivered.length > 0 && source.backing.restore?.(undelivered)) undelivered.length = 0
}

/** What a transfer fails with whose source ends early. */
export function tooShort(job: Job, length: number): SluiceError {
  const text = `The source ended after ${job.bytes} of ${length} bytes`
  return new SluiceError('ERR_SLUICE_SHORT', text)
}

/** Adds to an error what a transfer knows. */
export function failure(error: Error, bytes: number, undelivered: readonly Uint8Array[]): TransferFailure {
  const told = Object.assign(error, { bytes }) as TransferFailure
  if (undelivered.length > 0) told.undelivered = new Uint8Array(Buffer.concat(undelivered))
  else if (told.undelivered !== undefined) delete told.undelivered
  return told
}

/** @throws `ERR_INVALID_ARG_TYPE` unless it is absent or an AbortSignal */
export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgType('options.signal', 'an instance of AbortSignal', signal)
  }
}
