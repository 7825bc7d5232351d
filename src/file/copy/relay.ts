import type { Engine } from '../../engine/index.js'
import type { Copying } from './copying.js'

/** A cached read copies on this thread, and is not to keep it long. */
const BLOCK_BYTES = 2 ** 20

/** The engine is loaded only for this: a copy is over sooner than that on most machines. */
async function loadEngine(): Promise<Engine> {
  const { engine } = await import('../../engine/index.js')
  return engine()
}

/** Copies a range by reads and writes of the engine. @returns where it ended: before `to` where the source does */
export async function copyByRing(copying: Copying, source: number, target: number, from: number, to: number) {
  return relay(copying, await loadEngine(), source, target, from, to)
}

/**
 * Copies from where the source is until it ends, to where the target is: either may be a FIFO, a terminal, a device. Whoever
 * waits for the other end of one is freed by an abort.
 *
 * @returns bytes
 */
export async function copyStream(copying: Copying, source: number, target: number): Promise<number> {
  return relay(copying, await loadEngine(), source, target, 0, Number.POSITIVE_INFINITY, false)
}

/** Reads the next block while it writes this one. */
async function relay(
  copying: Copying,
  engine: Engine,
  source: number,
  target: number,
  from: number,
  to: number,
  hasPositions = true,
): Promise<number> {
  let [buffer, other] = [0, 1].map(() => new Uint8Array(new ArrayBuffer(Math.min(BLOCK_BYTES, to - from))))
  const fill = (into: Uint8Array, at: number) =>
    read(engine, source, into, Math.min(into.length, to - at), hasPositions ? at : -1, reading?.signal)
  // What has positions waits for nobody, and is over in no time.
  const reading = hasPositions ? undefined : new AbortController()
  const stop = () => reading?.abort()
  const waits = reading && copying.signal
  let at = from
  waits?.addEventListener('abort', stop)
  try {
    copying.checkAborted()
    let bytes = at < to ? await fill(buffer, at) : 0
    while (bytes > 0) {
      copying.checkAborted()
      const next = at + bytes
      const write = writeAll(engine, target, buffer, bytes, hasPositions ? at : -1, waits)
      // What nobody can write any more is not waited for: it may never come.
      write.catch(stop)
      // Both are over before anybody closes a descriptor.
      const [written, ahead] = await Promise.allSettled([write, next < to ? fill(other, next) : 0])
      if (written.status === 'rejected') throw written.reason
      if (ahead.status === 'rejected') throw ahead.reason
      ;[buffer, other] = [other, buffer]
      at = next
      bytes = ahead.value
      copying.progress(at)
    }
  } finally {
    waits?.removeEventListener('abort', stop)
  }
  return at
}

function read(
  engine: Engine,
  fd: number,
  into: Uint8Array,
  length: number,
  position: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  return engine.read(fd, into, 0, length, position, undefined, signal) as Promise<number>
}

async function writeAll(
  engine: Engine,
  fd: number,
  buffer: Uint8Array,
  length: number,
  position: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let done = 0; done < length; ) {
    const place = position < 0 ? -1 : position + done
    done += (await engine.write(fd, buffer, done, length - done, place, undefined, signal)) as number
  }
}
