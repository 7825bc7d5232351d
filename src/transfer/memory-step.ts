import { engine } from '../engine/index.js'
import { addressOf, MSG } from '../kernel/index.js'
import { prepareReadAt, prepareSendAt, prepareWriteAt } from '../ring/index.js'
import type { Job } from './job.js'
import { rejected } from './mechanism.js'

/** What Direct I/O wants offsets and lengths to be multiples of, everywhere. */
const DIRECT_ALIGN = 4096

/** Bytes of a job in memory of ours. */
export interface Piece {
  /** The memory that was read into; a page-aligned block. */
  readonly block: Uint8Array<ArrayBuffer>
  /** Where in it the job's bytes begin. */
  readonly start: number
  /** How many they are; 0 at the source's end. */
  readonly length: number
}

/**
 * Reads a job's bytes into a block by way of the engine, which waits for them, or out of a stream of Node's.
 *
 * @param ahead bytes after the job's position that have been read already
 * @returns them also when the job was aborted meanwhile and they came nevertheless
 * @throws the system error, or `AbortError` when nothing came
 */
export async function readPiece(job: Job, block: Uint8Array<ArrayBuffer>, ahead: number): Promise<Piece> {
  job.check()
  const { fd, direct, backing } = job.source
  if (backing.read !== undefined) {
    const room = block.subarray(0, Math.min(block.length, job.remaining - ahead))
    return { block, start: 0, length: await backing.read(room, job.signal) }
  }
  const position = job.position < 0 ? -1 : job.position + ahead
  const start = direct ? position % DIRECT_ALIGN : 0
  const wanted = Math.min(block.length - start, job.remaining - ahead)
  const length = direct ? Math.ceil((start + wanted) / DIRECT_ALIGN) * DIRECT_ALIGN : wanted
  const from = position < 0 ? -1 : position - start
  const address = addressOf(block)
  let late = 0
  const result = await engine()
    .run((queue, userData) => prepareReadAt(queue, fd, address, length, from, userData), {
      syscall: 'read',
      held: block,
      buffers: [block],
      signal: job.signal,
      discard: count => {
        late = count
      },
      moves: true,
    })
    .catch(error => (late > 0 ? late : rejected(error)))
  return { block, start, length: Math.max(0, Math.min(wanted, result - start)) }
}

/**
 * Writes bytes to a job's sink by way of the engine, which waits until it takes them, and counts each that it took,
 * also when it fails or is aborted.
 *
 * @throws the system error, or `AbortError`
 */
export async function writeBytes(job: Job, bytes: Uint8Array): Promise<void> {
  const { fd, kind } = job.sink
  const base = addressOf(bytes)
  const moved = (count: number) => job.moved(count)
  let done = 0
  while (done < bytes.length) {
    job.check()
    const address = base + done
    const length = bytes.length - done
    const { target } = job
    const result = await engine()
      .run(
        (queue, userData) =>
          kind === 'socket'
            ? prepareSendAt(queue, fd, address, length, MSG.NOSIGNAL, userData)
            : prepareWriteAt(queue, fd, address, length, target, userData),
        {
          syscall: kind === 'socket' ? 'send' : 'write',
          held: bytes,
          buffers: [bytes],
          signal: job.signal,
          discard: moved,
          moves: true,
        },
      )
      .catch(rejected)
    moved(result)
    done += result
  }
}

/** Writes the bytes that come before all others, if there are any. What could not be written stays among them. */
export async function deliver(job: Job): Promise<void> {
  while (job.undelivered.length > 0) {
    const bytes = job.undelivered[0] as Uint8Array
    const before = job.bytes
    try {
      await writeBytes(job, bytes)
    } finally {
      const rest = bytes.subarray(job.bytes - before)
      if (rest.length > 0) job.undelivered[0] = rest
      else job.undelivered.shift()
    }
  }
}
