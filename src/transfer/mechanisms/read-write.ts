import { giveBlock, takeBlock } from '../blocks.js'
import type { Job } from '../job.js'
import type { Mechanism } from '../mechanism.js'
import { type Piece, readPiece, writeBytes } from '../memory-step.js'

/** Into memory of ours and out again: two copies, and nothing that it does not work with. */
export const readWrite: Mechanism = {
  name: 'read+write',
  unfit: (_source, sink) => (sink.kind === 'stream' ? 'the sink has no descriptor' : undefined),
  run,
}

/** A read that is under way while what came before is being written. */
interface Ahead {
  outcome: Promise<Piece | Error>
  block: Uint8Array<ArrayBuffer>
}

function readAhead(job: Job, bytes: number): Ahead {
  const block = takeBlock()
  // It may fail while nobody waits for it: the failure is a value until somebody does.
  return { outcome: readPiece(job, block, bytes).catch((error: Error) => error), block }
}

async function run(job: Job): Promise<void> {
  let ahead: Ahead | undefined
  try {
    while (!job.done) {
      ahead ??= readAhead(job, 0)
      const piece = await ahead.outcome
      if (piece instanceof Error) throw piece
      ahead = undefined
      if (piece.length > 0) {
        ahead = await pass(job, piece)
      } else {
        job.ended = true
        giveBlock(piece.block)
      }
      job.check()
    }
  } finally {
    if (ahead !== undefined) await abandon(job, ahead)
  }
}

/** Writes one piece, gives its block back, and reads the next one meanwhile. @returns that read */
async function pass(job: Job, piece: Piece): Promise<Ahead | undefined> {
  const bytes = piece.block.subarray(piece.start, piece.start + piece.length)
  const ahead = job.remaining > piece.length ? readAhead(job, piece.length) : undefined
  const before = job.bytes
  try {
    await writeBytes(job, bytes)
    return ahead
  } catch (error) {
    if (!job.source.seekable) job.undelivered.push(bytes.slice(job.bytes - before))
    if (ahead !== undefined) await abandon(job, ahead)
    throw error
  } finally {
    giveBlock(piece.block)
  }
}

/** What has been read for nothing is kept, if the source cannot give it again. */
async function abandon(job: Job, { outcome, block }: Ahead): Promise<void> {
  job.interrupt()
  const piece = await outcome
  if (!(piece instanceof Error) && piece.length > 0 && !job.source.seekable) {
    job.undelivered.push(piece.block.slice(piece.start, piece.start + piece.length))
  }
  giveBlock(block)
}
