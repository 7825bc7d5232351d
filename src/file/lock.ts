import { offload } from '../engine/index.js'
import { AbortError, checkInteger, checkObject, F, FLOCK, flock } from '../kernel/index.js'
import { checkBoolean, checkSignal } from './arguments.js'
import { closedError, type Descriptor } from './descriptor.js'

/** Which part of a file is locked, and how. */
export interface LockOptions {
  /** Others may have a shared lock there, too; nobody an exclusive one. False by default: exclusive. */
  shared?: boolean | undefined
  /** First byte; 0 by default. */
  offset?: number | undefined
  /** Bytes; 0, the default, to the end, however far the file grows. */
  length?: number | undefined
  /** Waits until the lock can be had. True by default; otherwise it rejects with `EAGAIN`. */
  wait?: boolean | undefined
  signal?: AbortSignal | undefined
}

/** A part of a file. */
export interface LockRange {
  /** First byte; 0 by default. */
  offset?: number | undefined
  /** Bytes; 0, the default, to the end. */
  length?: number | undefined
}

/** A lock that is held, until it is released or its handle closed. */
export interface FileLock {
  readonly shared: boolean
  readonly offset: number
  readonly length: number
  /** Gives it up. */
  release(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** Whoever waits in this thread asks at once when a lock is given up here. */
const waiting = new Set<() => void>()

/** Between two attempts, at least and at most. */
const FIRST_WAIT_MS = 1
const LONGEST_WAIT_MS = 50

function checkRange({ offset = 0, length = 0 }: LockRange): { offset: number; length: number } {
  checkInteger(offset, 'options.offset', 0)
  checkInteger(length, 'options.length', 0)
  return { offset, length }
}

async function setLock(descriptor: Descriptor, kind: number, offset: number, length: number): Promise<void> {
  const lock = flock(kind, offset, length)
  await offload('fcntl', [descriptor.fd, F.OFD_SETLK, lock], { usage: descriptor })
}

/**
 * Locks a part of a file by an open file description's lock.
 *
 * A thread that slept in fcntl(2) could not be woken by an abort, nor end with the process; so this asks again, ever
 * less often, and at once when a lock is given up in this thread.
 */
export async function lock(descriptor: Descriptor, options: LockOptions): Promise<FileLock> {
  checkObject(options)
  const { shared = false, wait = true, signal } = options
  const { offset, length } = checkRange(options)
  checkBoolean(shared, 'options.shared')
  checkBoolean(wait, 'options.wait')
  checkSignal(signal)
  const kind = shared ? FLOCK.READ : FLOCK.WRITE
  await descriptor.during(async () => {
    for (let delay_ms = FIRST_WAIT_MS; ; delay_ms = Math.min(delay_ms * 2, LONGEST_WAIT_MS)) {
      try {
        return await setLock(descriptor, kind, offset, length)
      } catch (error) {
        if (!wait || (error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
        await pause(delay_ms, signal)
        if (descriptor.isClosing) throw closedError('fcntl')
      }
    }
  })
  const release = () => unlock(descriptor, { offset, length })
  return { shared, offset, length, release, [Symbol.asyncDispose]: release }
}

/** Waits until a lock may have become free. */
function pause(delay_ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer)
      waiting.delete(end)
      signal?.removeEventListener('abort', end)
      if (signal?.aborted) reject(new AbortError(signal))
      else resolve()
    }
    const timer = setTimeout(end, delay_ms)
    waiting.add(end)
    signal?.addEventListener('abort', end)
  })
}

/** Gives up every lock on a part of a file. */
export async function unlock(descriptor: Descriptor, range: LockRange): Promise<void> {
  checkObject(range)
  const { offset, length } = checkRange(range)
  // The lock ends with the descriptor, whose number may be another file's by now.
  if (descriptor.isClosing) return
  await setLock(descriptor, FLOCK.UNLOCK, offset, length)
  wakeWaiting()
}

/** Lets those who wait for a lock in this thread ask again. */
export function wakeWaiting(): void {
  for (const wake of [...waiting]) wake()
}
