import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inLanes, inTurn } from './lanes.js'
import { Lap, type LapOptions, shuffled } from './lap.js'
import { LatencyRecorder } from './latency.js'

const KIB = 1024

function lapOf(options: Partial<LapOptions>): Lap {
  return new Lap({
    window: 16 * KIB,
    size: 4 * KIB,
    wraps: false,
    durationMs: 60_000,
    latency: new LatencyRecorder(),
    ...options,
  })
}

function positions(lap: Lap, most = Infinity): number[] {
  const seen: number[] = []
  inTurn(lap, position => {
    seen.push(position)
    return seen.length < most ? 4 * KIB : 0
  })
  return seen
}

test('a lap that does not wrap visits every block once, in order', () => {
  const lap = lapOf({})
  assert.deepEqual(positions(lap), [0, 4096, 8192, 12288])
  assert.equal(lap.operations, 4)
  assert.equal(lap.bytes, 16 * KIB)
  assert.equal(lap.next(), -1)
})

test('a window that ends within a block leaves that block out', () => {
  assert.deepEqual(positions(lapOf({ window: 10 * KIB })), [0, 4096])
})

test('a lap that wraps goes on from the start, and ends with its time', () => {
  const lap = lapOf({ wraps: true })
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => lap.next()),
    [0, 4096, 8192, 12288, 0],
  )
  const short = lapOf({ wraps: true, durationMs: 5 })
  assert.ok(positions(short).length > 4)
  assert.equal(short.over, true)
})

test('a lap of no time still does something, so that a slow device has a number', () => {
  assert.ok(positions(lapOf({ wraps: true, durationMs: 0 })).length >= 1)
})

test('random blocks come in a new order, each once, and the same for the same seed', () => {
  const order = shuffled(1000, 7)
  assert.deepEqual(
    [...order].toSorted((a, b) => a - b),
    [...Array(1000).keys()],
  )
  assert.deepEqual(order, shuffled(1000, 7))
  assert.notDeepEqual(order, shuffled(1000, 8))
  assert.notDeepEqual([...order], [...Array(1000).keys()])
  assert.deepEqual(positions(lapOf({ order: Uint32Array.of(2, 0, 3, 1) })), [8192, 0, 12288, 4096])
})

test('lanes keep as many operations in flight as they are, and no more', async () => {
  const lap = lapOf({ window: 400 * KIB })
  let inFlight = 0
  let most = 0
  await inLanes(lap, 8, async () => {
    most = Math.max(most, ++inFlight)
    await new Promise(resolve => setImmediate(resolve))
    inFlight--
    return 4 * KIB
  })
  assert.equal(most, 8)
  assert.equal(lap.deepest, 8)
  assert.equal(lap.operations, 100)
})

test('an operation that is abandoned is neither counted nor in flight', () => {
  const lap = lapOf({})
  lap.begin()
  lap.abandon()
  lap.end(lap.begin(), 1)
  assert.equal(lap.operations, 1)
  assert.equal(lap.deepest, 1)
})
