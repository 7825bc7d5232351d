import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prepareNop, Ring, type RingMode } from './index.js'

for (const mode of ['hosted', 'dedicated', 'sqpoll'] as RingMode[]) {
  test(`a ${mode} ring completes what it is given`, () => {
    using ring = new Ring({ entries: 8, mode })
    for (let index = 0; index < 5; index++) assert.ok(prepareNop(ring.submissions, index))
    assert.equal(ring.submit(5), 5)
    const seen: number[] = []
    ring.reap(userData => seen.push(userData))
    assert.deepEqual(seen, [0, 1, 2, 3, 4])
    assert.equal(ring.inFlight, 0)
  })
}
