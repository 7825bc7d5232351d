import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Pace, Schedule } from './schedule.js'

const PACE: Pace = { totalMs: 60_000, passes: 3, longestMs: 500, shortestMs: 40, share: false }

test('the slices of a run fit its time', () => {
  const schedule = new Schedule(PACE, 60)
  schedule.begin(10)
  assert.equal(schedule.passes, 3)
  // Sixty rows, each counted once and timed three times.
  assert.equal(schedule.lapsLeft, 240)
  const slice = schedule.slice()
  assert.ok(slice >= PACE.shortestMs && slice * 240 <= PACE.totalMs, `${slice} ms`)
})

test('few rows have long slices, but none longer than is useful', () => {
  const schedule = new Schedule(PACE, 1)
  schedule.begin(1)
  assert.equal(schedule.slice(), PACE.longestMs)
})

test('where laps cost much beside their slice, there are fewer passes, and one at least', () => {
  const schedule = new Schedule(PACE, 60)
  schedule.begin(10)
  for (let lap = 0; lap < 40; lap++) schedule.ran(40, 440)
  schedule.begin(10)
  assert.equal(schedule.passes, 1)
})

test('laps that are not run leave their time to the others', () => {
  const schedule = new Schedule(PACE, 60)
  schedule.begin(60)
  const before = schedule.slice()
  schedule.skip(120)
  assert.equal(schedule.lapsLeft, 120)
  assert.ok(schedule.slice() > before)
})

test('a run whose time is up is late', () => {
  assert.equal(new Schedule(PACE, 1).late, false)
  assert.equal(new Schedule({ ...PACE, totalMs: -1 }, 1).late, true)
})
