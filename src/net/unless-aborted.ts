import { AbortError, checkSignal } from '../kernel/index.js'

/**
 * Waits for something that cannot be called off, no longer than until an abort. What it comes to then is nobody's concern.
 *
 * @param failure what to reject with; an `AbortError` by default
 */
export async function unlessAborted<T>(
  signal: AbortSignal,
  work: Promise<T>,
  failure: (reason: unknown) => unknown = () => new AbortError(signal),
): Promise<T> {
  let abort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(failure(signal.reason))
  })
  aborted.catch(() => {})
  try {
    if (typeof signal === 'object' && signal?.aborted) abort()
    else checkSignal(signal)
    signal.addEventListener('abort', abort, { once: true })
    return await Promise.race([work, aborted])
  } finally {
    work.catch(() => {})
    signal?.removeEventListener?.('abort', abort)
  }
}
