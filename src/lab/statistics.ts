/** A quantity that was measured several times. */
export interface Spread {
  min: number
  median: number
  max: number
}

/** The middle one; the mean of the two in the middle where there are as many above as below. 0 of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return 0
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

/** A value, and how much it counts. */
export interface Weighted {
  value: number
  weight: number
}

/** The value that has half of the weight below it and half above. 0 of nothing. */
export function weightedMedian(values: readonly Weighted[]): number {
  const half = values.reduce((sum, { weight }) => sum + weight, 0) / 2
  let below = 0
  for (const { value, weight } of values.toSorted((a, b) => a.value - b.value)) {
    below += weight
    if (below >= half) return value
  }
  return 0
}

/** Least, middle and greatest. */
export function spread(values: readonly number[]): Spread {
  return { min: Math.min(...values), median: median(values), max: Math.max(...values) }
}
