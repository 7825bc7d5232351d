import { AbortError } from '../kernel/index.js'
import { failure } from './plan.js'

type Tails = WeakMap<object, Promise<void>>

/** What the last transfer from, or to, an object is waited for by the next one. */
const sources: Tails = new WeakMap()
const sinks: Tails = new WeakMap()

/**
 * Waits until the transfers are over that were asked for before from the same source, and to the same sink.
 *
 * @param source,sink what to wait for; a number or undefined for nothing
 * @returns what lets the next ones go; rejects with `AbortError` at once, and the next ones still wait for those before
 */
export async function queueUp(
  source: unknown,
  sink: unknown,
  signal: AbortSignal | undefined,
): Promise<() => void> {
  if (signal?.aborted) throw failure(new AbortError(signal), 0, [])
  let leave = () => {}
  const over = new Promise<void>(resolve => {
    leave = resolve
  })
  const turn = Promise.all([follow(sources, source, over), follow(sinks, sink, over)])
  if (signal === undefined) {
    await turn
    return leave
  }
  let abort = () => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(failure(new AbortError(signal), 0, []))
  })
  signal.addEventListener('abort', abort, { once: true })
  try {
    await Promise.race([turn, aborted])
    return leave
  } catch (error) {
    void turn.then(leave)
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Whether a transfer to an object is under way, or waits for another. */
export function isQueuedFor(sink: object): boolean {
  return sinks.has(sink)
}

/** Puts itself at the end of a queue. @returns when those before are over */
function follow(tails: Tails, key: unknown, over: Promise<void>): Promise<void> | undefined {
  if (typeof key !== 'object' || key === null) return undefined
  const before = tails.get(key)
  // Whoever is over has itself waited for all before it.
  tails.set(key, over)
  void over.then(() => {
    if (tails.get(key) === over) tails.delete(key)
  })
  return before
}
