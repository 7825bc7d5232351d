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

/**
 * Operations in batches of `most`, each batch beginning when the last has ended.
 *
 * @param batch carries out so many operations of `size` bytes
 */
export async function inBatches(
  lap: Lap,
  most: number,
  size: number,
  batch: (count: number) => Promise<void>,
): Promise<void> {
  const stamps = new Float64Array(most)
  for (let count = most; count === most; ) {
    count = 0
    while (count < most && lap.next() >= 0) stamps[count++] = lap.begin()
    if (count > 0) await batch(count)
    for (let index = 0; index < count; index++) lap.end(stamps[index], size)
  }
}
