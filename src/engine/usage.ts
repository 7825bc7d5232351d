/**
 * Counts the operations on something that must outlive them, such as a descriptor that is to be closed.
 *
 * The engine counts an operation from when it is asked for, also while it waits for a slot, to its last completion.
 */
export interface Usage {
  /** Operations asked for and not yet over. */
  inFlight: number
  /** Called when the last one is over; its promise has been settled by then. */
  idle: (() => void) | undefined
}

/** Takes back one count of a usage. */
export function endUse(usage: Usage | undefined): void {
  if (usage !== undefined && --usage.inFlight === 0) usage.idle?.()
}
