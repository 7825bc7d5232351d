import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clockNs, LatencyRecorder } from './latency.js'

const near = (value: number | null, expected: number) =>
  assert.ok(
    value !== null && Math.abs(value - expected) <= expected * 0.01 + 1,
    `${value} instead of ${expected}`,
  )

test('percentiles are those of the recorded times, less what the clock takes', () => {
  const recorder = new LatencyRecorder()
  // 1 to 2000 microseconds, in no order.
  for (let index = 0; index < 2000; index++) recorder.record((((index * 773) % 2000) + 1) / 1000)
  const { p50, p99, p999, samples } = recorder.summary()
  assert.equal(samples, 2000)
  near(p50, 1_000_000 - clockNs)
  near(p99, 1_980_000 - clockNs)
  near(p999, 1_998_000 - clockNs)
})

test('a percentile of too few operations is not given', () => {
  const recorder = new LatencyRecorder()
  assert.deepEqual(recorder.summary(), { p50: null, p99: null, p999: null, samples: 0 })
  for (let index = 0; index < 100; index++) recorder.record(1)
  const { p50, p99, p999 } = recorder.summary()
  near(p50, 1e6 - clockNs)
  near(p99, 1e6 - clockNs)
  assert.equal(p999, null)
})

test('a time shorter than the clock’s own is not negative', () => {
  const recorder = new LatencyRecorder()
  for (let index = 0; index < 10; index++) recorder.record(0)
  assert.equal(recorder.summary().p50, 1)
})
