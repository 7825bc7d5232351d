import { errnoOf, POLL, SO, SOL, syscall, systemError } from '../kernel/index.js'
import type { Kind } from './endpoint.js'

/** Who writes to a sink that may go away while there is nothing to write. */
export interface SinkUser {
  readonly sink: { readonly fd: number; readonly kind: Kind }
  /** Told that nothing can be written to it any more. */
  sinkFailed(error: Error): void
}

/** How often they are looked at. */
const INTERVAL_MS = 1000
/** Sinks that one call looks at. */
const BATCH = 256
const GONE = POLL.ERR | POLL.HUP | POLL.NVAL

const users = new Set<SinkUser>()
let timer: NodeJS.Timeout | undefined

/** `struct pollfd`: the descriptor; what is asked for in the lower half of a word, what there is in the upper. */
const entries = new Int32Array(new ArrayBuffer(BATCH * 8))
/** `struct timespec` of no time at all. */
const NO_TIME = new Int32Array(new ArrayBuffer(64))
const value = new Int32Array(new ArrayBuffer(64))
const valueLength = new Uint32Array(new ArrayBuffer(64))

/**
 * Looks after a sink until `unwatchSink()`: one that fails while its source is silent would never be noticed, as nobody
 * writes to it.
 *
 * All of a thread's are looked at by one call a second. That costs a transfer that moves bytes nothing, and a silent one
 * neither a descriptor nor an operation of the engine.
 */
export function watchSink(user: SinkUser): void {
  users.add(user)
  timer ??= setInterval(lookAtAll, INTERVAL_MS).unref()
}

/** Undoes `watchSink()`. */
export function unwatchSink(user: SinkUser): void {
  users.delete(user)
}

/** How many sinks are looked after. */
export function watchedSinks(): number {
  return users.size
}

function lookAtAll(): void {
  if (users.size === 0) {
    clearInterval(timer)
    timer = undefined
    return
  }
  const all = [...users]
  for (let from = 0; from < all.length; from += BATCH) lookAt(all.slice(from, from + BATCH))
}

function lookAt(some: readonly SinkUser[]): void {
  for (const [index, { sink }] of some.entries()) {
    entries[2 * index] = sink.fd
    entries[2 * index + 1] = 0
  }
  if (syscall('ppoll', entries, some.length, NO_TIME, 0, 8) <= 0) return
  const found = some.map((_, index) => (entries[2 * index + 1] as number) >>> 16)
  for (const [index, user] of some.entries()) {
    const events = found[index] as number
    if ((events & GONE) === 0) continue
    const errno = failureOf(user.sink.fd, user.sink.kind, events)
    if (errno < 0) user.sinkFailed(systemError(errno, 'poll'))
  }
}

/** What writing would fail with. @returns -errno; 0 where it would not fail */
function failureOf(fd: number, kind: Kind, events: number): number {
  if ((events & POLL.NVAL) !== 0) return -errnoOf('EBADF')
  if (kind !== 'socket') return -errnoOf('EPIPE')
  valueLength[0] = 4
  value[0] = 0
  if (syscall('getsockopt', fd, SOL.SOCKET, SO.ERROR, value, valueLength) < 0) return 0
  if (value[0] !== 0) return -(value[0] as number)
  // Without an error of its own POLLERR tells of messages in the error queue, which are none.
  return (events & POLL.HUP) === 0 ? 0 : -errnoOf('EPIPE')
}
