import { addressOf } from '../../kernel/index.js'
import type { Copying } from './copying.js'
import { must } from './job-list.js'

/** Of the engine: a cached read copies on this thread, and is not to keep it long. */
const RING_BYTES = 2 ** 20
/** Of threads: waking one costs as much as copying some hundred KiB. */
const THREAD_BYTES = 4 * 2 ** 20

/** Moves bytes between a file and memory. @param position -1 for what has none @returns how many */
type Move = (
  fd: number,
  memory: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => Promise<number>

/** What carries the bytes of a relay. */
interface Carrier {
  blockBytes: number
  read: Move
  write: Move
}

/** The engine is loaded only for this: a copy is over sooner than that on most machines. */
async function ring(): Promise<Carrier> {
  const { engine } = await import('../../engine/index.js')
  return {
    blockBytes: RING_BYTES,
    read: (...move) => engine().read(...move) as Promise<number>,
    write: (...move) => engine().write(...move) as Promise<number>,
  }
}

const THREADS: Carrier = {
  blockBytes: THREAD_BYTES,
  read: (fd, memory, offset, length, position) =>
    must('pread64', memory, fd, addressOf(memory) + offset, length, position),
  write: (fd, memory, offset, length, position) =>
    must('pwrite64', memory, fd, addressOf(memory) + offset, length, position),
}

/** Copies a range by reads and writes of the engine. @returns where it ended: before `to` where the source does */
export async function copyByRing(copying: Copying, source: number, target: number, from: number, to: number) {
  return relay(copying, await ring(), source, target, from, to)
}

/** As `copyByRing()`, on two threads: while one copies out of the page cache, the other copies into it. */
export function copyByThreads(copying: Copying, source: number, target: number, from: number, to: number) {
  return relay(copying, THREADS, source, target, from, to)
}

/** Writes what a file holds to what has no positions: a FIFO, a terminal, a device. @returns bytes */
export async function copyToStream(copying: Copying, source: number, target: number): Promise<number> {
  return relay(copying, await ring(), source, target, 0, Number.POSITIVE_INFINITY, false)
}

/** Reads the next block while it writes this one. */
async function relay(
  copying: Copying,
  { blockBytes, read, write }: Carrier,
  source: number,
  target: number,
  from: number,
  to: number,
  hasPositions = true,
): Promise<number> {
  let [buffer, other] = [0, 1].map(() => new Uint8Array(new ArrayBuffer(Math.min(blockBytes, to - from))))
  const fill = (into: Uint8Array, at: number) => read(source, into, 0, Math.min(into.length, to - at), at)
  let at = from
  let bytes = at < to ? await fill(buffer, at) : 0
  while (bytes > 0) {
    copying.checkAborted()
    const next = at + bytes
    // Both are over before anybody closes a descriptor.
    const [written, ahead] = await Promise.allSettled([
      writeAll(write, target, buffer, bytes, hasPositions ? at : -1),
      next < to ? fill(other, next) : 0,
    ])
    if (written.status === 'rejected') throw written.reason
    if (ahead.status === 'rejected') throw ahead.reason
    ;[buffer, other] = [other, buffer]
    at = next
    bytes = ahead.value
    copying.progress(at)
  }
  return at
}

async function writeAll(
  write: Move,
  fd: number,
  buffer: Uint8Array,
  length: number,
  position: number,
): Promise<void> {
  for (let done = 0; done < length; ) {
    done += await write(fd, buffer, done, length - done, position < 0 ? -1 : position + done)
  }
}
