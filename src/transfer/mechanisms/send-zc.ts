import { type Engine, endUse, engine, type Usage } from '../../engine/index.js'
import { IORING_OP, MSG } from '../../kernel/index.js'
import { Arena, type Block } from '../../memory/index.js'
import { prepareReadAt, prepareReadFixedAt, prepareSendZcAt, prepareSendZcFixedAt } from '../../ring/index.js'
import type { Job } from '../job.js'
import { type Mechanism, rejected } from '../mechanism.js'

const BLOCK_BYTES = 2 ** 18
/** Together less than what an ordinary user may lock. */
const BLOCKS = 16

/**
 * Read into memory that is registered with the ring, where it may be, and sent from there: one copy, and the pages are
 * not pinned anew each time. A block comes back when the kernel says that the peer has what is in it.
 */
export const sendZc: Mechanism = {
  name: 'send_zc',
  unfit: (source, sink) => {
    if (sink.kind !== 'socket') return 'the sink is no socket'
    if (source.kind === 'stream') return 'the source has no descriptor'
    if (source.direct) return 'the file was opened for Direct I/O'
    if (engine().buffers === undefined) return 'it needs io_uring'
    return engine().supports(IORING_OP.SEND_ZC) ? undefined : 'this kernel has no IORING_OP_SEND_ZC'
  },
  run,
}

let arena: Arena | undefined
let arenaEngine: Engine | undefined

/** This thread's blocks, registered with its engine as far as it may. */
function ownArena(): Arena {
  const current = engine()
  if (arena === undefined || arenaEngine !== current) {
    arena = new Arena({ blockSize: BLOCK_BYTES, blocks: BLOCKS })
    arenaEngine = current
    if (current.buffers !== undefined) arena.register(current.buffers)
  }
  return arena
}

/** Blocks of this thread that hold bytes of a transfer, or are held by the kernel. */
export function sendZcBlocksInUse(): number {
  return arena?.inUse ?? 0
}

/** Bytes of a job in a block. */
interface Filled {
  readonly block: Block
  readonly length: number
}

type Outcome = Filled | Error

async function run(job: Job): Promise<void> {
  const blocks = ownArena()
  let ahead: Promise<Outcome> | undefined
  try {
    while (!job.done) {
      ahead ??= read(job, await obtain(job, blocks), 0)
      const filled = await ahead
      ahead = undefined
      if (filled instanceof Error) throw filled
      if (filled.length === 0) {
        job.ended = true
        filled.block.release()
        return
      }
      const next = job.remaining > filled.length ? blocks.take() : undefined
      if (next !== undefined) ahead = read(job, next, filled.length)
      await send(job, filled)
      job.check()
    }
  } finally {
    if (ahead !== undefined) await abandon(job, ahead)
  }
}

/** @throws what ends the job; a block that came all the same goes back */
async function obtain(job: Job, blocks: Arena): Promise<Block> {
  const block = await blocks.acquire({ signal: job.signal })
  try {
    job.check()
  } catch (error) {
    block.release()
    throw error
  }
  return block
}

/** @returns the failure rather than throw it: it may come while nobody waits */
async function read(job: Job, block: Block, ahead: number): Promise<Outcome> {
  const { fd, seekable } = job.source
  const position = seekable ? job.position + ahead : -1
  const length = Math.min(BLOCK_BYTES, job.remaining - ahead)
  const { address, bufferIndex, bytes } = block
  let late = 0
  try {
    const result = await engine().run(
      (queue, userData) =>
        bufferIndex >= 0
          ? prepareReadFixedAt(queue, fd, address, length, bufferIndex, position, userData)
          : prepareReadAt(queue, fd, address, length, position, userData),
      {
        syscall: 'read',
        held: bytes,
        buffers: [bytes],
        signal: job.signal,
        // What came although the job was aborted is as good as any other.
        discard: count => {
          late = count
        },
        moves: true,
      },
    )
    return { block, length: result }
  } catch (error) {
    if (late > 0) return { block, length: late }
    block.release()
    return error as Error
  }
}

/** Sends all of a block, which is given back when the kernel holds it no more: that may be long after. */
async function send(job: Job, { block, length }: Filled): Promise<void> {
  const usage: Usage = { inFlight: 1, idle: () => block.release() }
  const before = job.bytes
  try {
    while (job.bytes - before < length) await sendRest(job, block, job.bytes - before, length, usage)
  } catch (error) {
    if (!job.source.seekable) job.undelivered.push(block.bytes.slice(job.bytes - before, length))
    throw error
  } finally {
    endUse(usage)
  }
}

async function sendRest(job: Job, block: Block, from: number, to: number, usage: Usage): Promise<void> {
  const { fd } = job.sink
  const { bufferIndex, bytes } = block
  const address = block.address + from
  const flags = MSG.NOSIGNAL | MSG.WAITALL
  const moved = (count: number) => job.moved(count)
  const operation = engine().run(
    (queue, userData) =>
      bufferIndex >= 0
        ? prepareSendZcFixedAt(queue, fd, address, to - from, bufferIndex, flags, 0, userData)
        : prepareSendZcAt(queue, fd, address, to - from, flags, 0, userData),
    { syscall: 'send', held: bytes, buffers: [bytes], signal: job.signal, discard: moved, usage },
  )
  moved(await operation.catch(rejected))
}

/** A read that is under way for nothing: what it gives is kept if the source cannot give it again. */
async function abandon(job: Job, ahead: Promise<Outcome>): Promise<void> {
  job.interrupt()
  const filled = await ahead
  if (filled instanceof Error) return
  if (!job.source.seekable) job.undelivered.push(filled.block.bytes.slice(0, filled.length))
  filled.block.release()
}
