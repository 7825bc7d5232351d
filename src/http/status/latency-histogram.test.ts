import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BUCKETS, bucketEnd, bucketOf, quantile } from './latency-histogram.js'

test('buckets follow one another without a gap, and none is wider than a quarter of where it begins', () => {
  for (let index = 1; index < BUCKETS; index++) {
    const [start, end] = [bucketEnd(index - 1), bucketEnd(index)]
    assert.ok(end > start)
    if (start >= 1) assert.ok(end / start <= 1.25, `${start} to ${end}`)
  }
})

test('a duration is counted in the bucket that holds it', () => {
  const durations = fc.double({ min: 0, max: 100_000_000, noNaN: true })
  fc.assert(
    fc.property(durations, microseconds => {
      const index = bucketOf(microseconds / 1000)
      // Told apart are quarters of a microsecond.
      const slack = 0.25 + microseconds * 1e-9
      assert.ok(microseconds < bucketEnd(index) + slack, `${microseconds} in ${index}`)
      assert.ok(index === 0 || microseconds >= bucketEnd(index - 1) - slack, `${microseconds} in ${index}`)
    }),
  )
})

test('what is shorter than nothing or longer than the last bucket is counted all the same', () => {
  assert.deepEqual([-1, 0, 1e9, Infinity].map(bucketOf), [0, 0, BUCKETS - 1, BUCKETS - 1])
})

test('a quantile is where its share of the counts ends', () => {
  const counts = new Float64Array(BUCKETS)
  counts[bucketOf(0.01)] = 99
  counts[bucketOf(1)] = 1
  assert.ok(quantile(counts, 0.5) >= 10 && quantile(counts, 0.5) <= 12.5)
  assert.equal(quantile(counts, 0.99), quantile(counts, 0.5))
  assert.ok(quantile(counts, 0.995) >= 1000 && quantile(counts, 0.995) <= 1250)
  assert.equal(quantile(new Float64Array(BUCKETS), 0.5), 0)
})
