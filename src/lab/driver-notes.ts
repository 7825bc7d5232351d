import { engine } from '../engine/index.js'

/** What to know of rows that use the engine where it is not on a ring. */
export function driverNotes(): readonly string[] {
  const { driver, reason } = engine()
  return driver === 'ring' ? [] : [`FileHandle ran on the ${driver} driver: ${reason}`]
}
