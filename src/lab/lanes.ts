import type { Lap } from './lap.js'

/**
 * Keeps `depth` operations in flight, each lane beginning its next when its last has ended.
 *
 * @param operation moves the block at `position` with the lane's own buffer. @returns bytes moved
 */
export async function inLanes(
  lap: Lap,
  depth: number,
  operation: (position: number, lane: number) => Promise<number>,
): Promise<void> {
  const lane = async (index: number) => {
    for (let position = lap.next(); position >= 0; position = lap.next()) {
      const stamp = lap.begin()
      lap.end(stamp, await operation(position, index))
    }
  }
  await Promise.all(Array.from({ length: depth }, (_, index) => lane(index)))
}

/** One after another, on this thread. @param operation moves the block at `position`. @returns bytes moved */
export function inTurn(lap: Lap, operation: (position: number) => number): void {
  for (let position = lap.next(); position >= 0; position = lap.next()) {
    const stamp = lap.begin()
    lap.end(stamp, operation(position))
  }
}
