import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, spread, weightedMedian } from './statistics.js'

test('the median is the middle, or between the two in the middle', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 3]), 2.5)
  assert.equal(median([]), 0)
})

test('a weighted median hardly heeds what has hardly any weight', () => {
  assert.equal(weightedMedian([1, 2, 3].map(value => ({ value, weight: 1 }))), 2)
  const stalled = [
    { value: 58, weight: 1 },
    { value: 0.3, weight: 100 },
    { value: 72, weight: 2 },
  ]
  assert.equal(weightedMedian(stalled), 0.3)
  assert.equal(weightedMedian([]), 0)
})

test('a spread has its ends', () => {
  assert.deepEqual(spread([5, 1, 3]), { min: 1, median: 3, max: 5 })
})
