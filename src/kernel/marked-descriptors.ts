import { isMainThread } from 'node:worker_threads'
import { systemError } from './errors.js'
import { native } from './native.js'

/** Descriptors that can be marked; what lies beyond outlives its thread. */
const MAX_DESCRIPTORS = 2 ** 20

/** A bit for each descriptor; undefined on the main thread, whose end is the process's. */
let marks: Uint8Array | undefined

/**
 * Marks a descriptor that comes and goes, such as a connection's, as this thread's: it is closed when the thread ends,
 * however it does. Threads share descriptors, so those of a worker that is terminated would stay open else, and their
 * peers would never hear of it. It is to be unmarked before it is closed.
 */
export function markDescriptor(fd: number): void {
  if (isMainThread || fd >= MAX_DESCRIPTORS) return
  marks ??= makeMarks()
  marks[fd >> 3] |= 1 << (fd & 7)
}

/** Takes the mark back: somebody else owns the descriptor, or it is about to be closed. */
export function unmarkDescriptor(fd: number): void {
  if (marks !== undefined && fd < MAX_DESCRIPTORS) marks[fd >> 3] &= ~(1 << (fd & 7))
}

function makeMarks(): Uint8Array {
  const fresh = new Uint8Array(new ArrayBuffer(MAX_DESCRIPTORS / 8))
  const result = native().ownMarked(fresh)
  if (result < 0) throw systemError(result, 'close')
  return fresh
}
