import { ServerResponse } from 'node:http'
import type { Http2ServerResponse } from 'node:http2'
import type { FileHandle } from '../file/index.js'
import {
  AbortError,
  checkInteger,
  invalidArgType,
  iovecs,
  outOfRange,
  RWF,
  SluiceError,
  syscall,
} from '../kernel/index.js'
import { measuredCosts } from './calibration/index.js'
import { type Endpoint, goneError } from './endpoint.js'
import { type HasDescriptor, openSource } from './ends.js'
import { Job } from './job.js'
import { lendTo } from './lent-answer.js'
import type { LentFile } from './lent-file.js'
import { readPiece } from './memory-step.js'
import { checkSignal, failure, type TransferFailure } from './plan.js'
import { Residency } from './residency.js'
import { assigned, hasNoBody, isDirect } from './server-response.js'
import { type TransferOptions, type TransferResult, transfer } from './transfer.js'
import { allowance, nextTurn, PIECE_BYTES } from './turns.js'
import { isWrapped, wrappedWriter } from './wrapped-response.js'

/** What of a file is sent, and how. */
export interface SendFileOptions {
  /** Where it begins, in bytes; at 0 by default, wherever the file's own position is. */
  offset?: number | undefined
  /** Bytes; to the file's end by default. */
  length?: number | undefined
  signal?: AbortSignal | undefined
  /** Demands a mechanism. */
  via?: TransferOptions['via']
}

/** Below that a response is best written by Node, head and body at once. */
const LEAST_LENT = 2 ** 16

/**
 * Answers a request with a file, or a part of it, and ends the response.
 *
 * On plain HTTP/1.1 the kernel moves the bytes; Node's socket gets its head before and its next response after them, so
 * that keep-alive and pipelining go on. Over TLS and HTTP/2, where bytes must be encrypted or framed, they are streamed. A
 * small file is read and written together with the head. Status and headers are the caller's; a `Content-Length` is
 * added where there is none.
 *
 * The answer is never padded: where the file turns out shorter than announced, or the transfer fails, the connection is
 * destroyed, so that the client can tell.
 *
 * ```ts
 * createServer(async (request, response) => {
 *   response.setHeader('Content-Type', 'video/mp4')
 *   await sendFile(response, file)
 * })
 * ```
 *
 * @returns as `transfer()`; 0 bytes where the answer has no body (HEAD, 204, 205, 304)
 */
export async function sendFile(
  response: ServerResponse | Http2ServerResponse,
  file: number | FileHandle | HasDescriptor,
  options: SendFileOptions = {},
): Promise<TransferResult> {
  if (typeof options !== 'object' || options === null)
    throw invalidArgType('options', 'of type object', options)
  if (!isResponse(response))
    throw invalidArgType('response', 'an instance of ServerResponse or Http2ServerResponse', response)
  const { signal } = options
  checkSignal(signal)
  if (signal?.aborted) throw failure(new AbortError(signal), 0, [])
  const source = await openSource(file, signal)
  try {
    return await answer(response, source, new Residency(source), options)
  } finally {
    source.backing.release?.(undefined)
  }
}

/**
 * As `sendFile()`, of a file that is sent again and again: what is known of it is not asked for anew, but how long it is.
 *
 * @throws `ERR_SLUICE_SHORT` also where it has become shorter than what is to be sent
 */
export async function sendLent(
  response: ServerResponse | Http2ServerResponse,
  file: LentFile,
  options: SendFileOptions,
): Promise<TransferResult> {
  const { source, residency } = file
  return answer(response, source, residency, options, source.sizeNow())
}

async function answer(
  response: ServerResponse | Http2ServerResponse,
  source: Endpoint,
  residency: Residency,
  options: SendFileOptions,
  size?: number,
): Promise<TransferResult> {
  const { signal, via } = options
  try {
    const { offset, length } = rangeOf(source, options, size)
    if (response.writableEnded || response.destroyed) throw goneError(response, 'response')
    announce(response, length)
    if (response instanceof ServerResponse) await assigned(response, signal)
    if (hasNoBody(response)) return await withoutBody(response, signal)
    const small = length <= Math.max(LEAST_LENT, measuredCosts().copiedBytes)
    if (via === undefined && small) return await atOnce(response, source, offset, length, signal)
    return await moved(response, source, residency, { offset, length, signal, via })
  } catch (error) {
    const { bytes = 0 } = error as Partial<TransferFailure>
    const reason = failure(error as Error, bytes, [])
    abandon(response, reason)
    throw reason
  }
}

function isResponse(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && typeof (value as ServerResponse).setHeader === 'function'
  )
}

function rangeOf(
  source: Endpoint,
  options: SendFileOptions,
  sizeNow: number | undefined,
): { offset: number; length: number } {
  if (!source.seekable) throw invalidArgType('file', 'a regular file', source.kind)
  const { offset = 0, length } = options
  const size = sizeNow ?? source.length()
  // Who has looked at the file before has told of more than there is now: that is no fault of its caller's.
  if (sizeNow !== undefined && length !== undefined && offset + length > size) {
    throw tooShort(Math.max(0, size - offset), length)
  }
  checkInteger(offset, 'options.offset', 0, size)
  if (length !== undefined) checkInteger(length, 'options.length', 0)
  if (length !== undefined && length > size - offset) {
    throw outOfRange('options.length', `at most ${size - offset}, what the file has`, length)
  }
  return { offset, length: length ?? size - offset }
}

/** Says how long the body is, if nobody has. */
function announce(response: ServerResponse | Http2ServerResponse, length: number): void {
  if (response.headersSent) return
  // Without a length the client would not know where it ends; and it ends at once.
  if (response.statusCode === 205) response.setHeader('Content-Length', 0)
  if (response.hasHeader('content-length') || response.hasHeader('transfer-encoding')) return
  if (response.statusCode !== 204 && response.statusCode !== 304) response.setHeader('Content-Length', length)
}

/** Ends a response and waits until all of it is the kernel's, which its client may put off for ever; an abort breaks it off. */
function ended(
  response: ServerResponse | Http2ServerResponse,
  body: Uint8Array | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw new AbortError(signal)
    // It may have gone while the file was read, and then tells nothing any more.
    if (response.destroyed || response.writableEnded) throw goneError(response, 'response')
    const settle = (tell: () => void) => {
      response.off('close', onClose)
      response.off('finish', done)
      signal?.removeEventListener('abort', onAbort)
      tell()
    }
    const done = () => settle(resolve)
    const stream = response instanceof ServerResponse ? undefined : response.stream
    const onClose = () => {
      // An answer of HTTP/2 whose callback was forgotten tells no more than that.
      if (stream?.writableFinished && stream.rstCode === 0) done()
      else settle(() => reject(goneError(response, 'response')))
    }
    const onAbort = () => {
      const error = new AbortError(signal as AbortSignal)
      settle(() => reject(error))
      breakOff(response, error)
    }
    response.once('close', onClose)
    signal?.addEventListener('abort', onAbort, { once: true })
    endWith(response, body, done)
  })
}

function endWith(
  response: ServerResponse | Http2ServerResponse,
  body: Uint8Array | undefined,
  done: () => void,
): void {
  if (response instanceof ServerResponse) {
    // Middleware that has replaced end() may forget its callback.
    response.once('finish', done)
    if (body === undefined) response.end()
    else response.end(body)
  } else if (body === undefined) {
    response.end(done)
  } else {
    response.end(body, done)
  }
}

async function withoutBody(
  response: ServerResponse | Http2ServerResponse,
  signal: AbortSignal | undefined,
): Promise<TransferResult> {
  await ended(response, undefined, signal)
  return { bytes: 0, via: 'stream' }
}

/** Reads it all, and has Node write it behind the head. */
async function atOnce(
  response: ServerResponse | Http2ServerResponse,
  source: Endpoint,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<TransferResult> {
  const body = new Uint8Array(new ArrayBuffer(Math.max(1, length)))
  const job = new Job(source, source, { position: offset, target: -1, length }, signal)
  try {
    let filled = readNow(source, body, offset, length)
    while (filled < length) {
      const rest = new Uint8Array(new ArrayBuffer(length - filled + 2 * 4096))
      const piece = await readPiece(job, rest, filled)
      if (piece.length === 0) break
      body.set(rest.subarray(piece.start, piece.start + piece.length), filled)
      filled += piece.length
    }
    if (filled < length) throw tooShort(filled, length)
  } finally {
    job.finish()
  }
  await ended(response, body.subarray(0, length), signal)
  return { bytes: length, via: 'preadv2' }
}

/** What the page cache has of it. @returns bytes */
function readNow(source: Endpoint, body: Uint8Array, offset: number, length: number): number {
  if (source.direct || length === 0) return 0
  const result = syscall('preadv2', source.fd, iovecs([body.subarray(0, length)]), 1, offset, 0, RWF.NOWAIT)
  // What it cannot do is done, or told, by the read that waits.
  return Math.max(0, result)
}

async function moved(
  response: ServerResponse | Http2ServerResponse,
  source: Endpoint,
  residency: Residency,
  options: TransferOptions & { offset: number; length: number },
): Promise<TransferResult> {
  if (response instanceof ServerResponse) {
    const result = await movedPlain(response, source, residency, options)
    response.end()
    return result
  }
  // Nothing but its stream knows when an answer of HTTP/2 has gone away.
  if (!response.headersSent) response.writeHead(response.statusCode)
  const result = isWrapped(response)
    ? await throughWrapped(response, source, options)
    : await transfer(source.fd, response.stream, options)
  response.end()
  return result
}

/** What goes at once goes first, and in one piece where others have used this turn up; what is left goes when the client takes it. */
async function movedPlain(
  response: ServerResponse,
  source: Endpoint,
  residency: Residency,
  options: TransferOptions & { offset: number; length: number },
): Promise<TransferResult> {
  const { offset, length, signal, via } = options
  if (via !== undefined || !isDirect(response)) return transfer(source.fd, response, options)
  if (allowance() < Math.min(length, PIECE_BYTES)) await nextTurn()
  const done = signal?.aborted ? 0 : lendTo(response, source, residency, offset, length)
  if (done === length) return { bytes: done, via: 'sendfile' }
  try {
    const rest = await transfer(source.fd, response, {
      offset: offset + done,
      length: length - done,
      signal,
    })
    return { bytes: done + rest.bytes, via: rest.via }
  } catch (error) {
    const failed = error as TransferFailure & { code?: string }
    failed.bytes += done
    if (failed.code !== 'ERR_SLUICE_SHORT') throw error
    throw failure(tooShort(failed.bytes, length), failed.bytes, [])
  }
}

async function throughWrapped(
  response: Http2ServerResponse,
  source: Endpoint,
  options: TransferOptions,
): Promise<TransferResult> {
  const { writable, release } = wrappedWriter(response)
  try {
    return await transfer(source.fd, writable, options)
  } finally {
    release()
  }
}

/** The client was told of more bytes than will come, and must be able to tell. */
function abandon(response: ServerResponse | Http2ServerResponse, error: Error): void {
  if (response.headersSent && !response.writableEnded) breakOff(response, error)
}

function breakOff(response: ServerResponse | Http2ServerResponse, error: Error): void {
  if (response instanceof ServerResponse) response.destroy()
  // Without an error the stream would end as if all were well.
  else response.stream.destroy(error)
}

function tooShort(bytes: number, length: number): SluiceError {
  return new SluiceError('ERR_SLUICE_SHORT', `The file ended after ${bytes} of ${length} bytes`)
}
