/** Parts of an octave: a bucket is a quarter as wide as where it begins, so a value is known to 25 % at worst. */
const PARTS = 4
/** The finest thing told apart, in parts of a microsecond. */
const FINEST = 4
const PARTS_PER_MS = 1000 * FINEST
const OCTAVES = 29
const LONGEST = 2 ** OCTAVES - 1

/** How many buckets there are: values below a microsecond, and then {@link PARTS} for each octave to 134 seconds. */
export const BUCKETS = PARTS + PARTS * (OCTAVES - 2)

/** Where a bucket ends, in microseconds: its values are below. */
export function bucketEnd(index: number): number {
  if (index < PARTS) return (index + 1) / FINEST
  const octave = (index >> 2) - 1
  return ((PARTS + (index & 3) + 1) * 2 ** octave) / FINEST
}

/**
 * The bucket that a duration belongs to: those grow with what they hold, and take a few instructions to find. Counts of
 * several threads add up.
 *
 * @param milliseconds as `performance.now()` tells them apart; below 0 counts as 0
 */
export function bucketOf(milliseconds: number): number {
  const parts = Math.max(0, Math.min(LONGEST, milliseconds * PARTS_PER_MS)) | 0
  if (parts < PARTS) return parts
  const octave = 31 - Math.clz32(parts) - 2
  return (octave + 1) * PARTS + ((parts >> octave) & 3)
}

/**
 * The value below which a part of what was counted lies, in microseconds: the end of its bucket.
 *
 * @param share such as 0.99
 * @returns 0 where nothing was counted
 */
export function quantile(counts: ArrayLike<number>, share: number): number {
  let left = share * Array.from(counts).reduce((sum, count) => sum + count, 0)
  if (left === 0) return 0
  for (let index = 0; index < counts.length; index++) {
    left -= counts[index] as number
    if (left <= 0) return bucketEnd(index)
  }
  return bucketEnd(counts.length - 1)
}
