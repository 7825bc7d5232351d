import { AbortError, errnoOf, systemError } from '../kernel/index.js'
import type { Slot } from './slot.js'

const ECANCELED = -errnoOf('ECANCELED')
const EINTR = -errnoOf('EINTR')

/**
 * Settles a slot whose operation could be aborted, now that its completion has come. A result that nobody wants any
 * more is undone; a failure of its own is told as what it is.
 *
 * @returns false when it was not aborted, and nothing has been settled
 */
export function settleAborted(slot: Slot, signal: AbortSignal, result: number): boolean {
  signal.removeEventListener('abort', slot.onAbort as () => void)
  if (!signal.aborted) return false
  if (result >= 0) slot.discard?.(result)
  if (result < 0 && result !== ECANCELED && result !== EINTR) {
    slot.reject(systemError(result, slot.syscall, slot.details))
  } else {
    slot.reject(new AbortError(signal))
  }
  return true
}
