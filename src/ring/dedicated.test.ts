import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { IORING_SETUP } from '../kernel/index.js'
import { preparePollAdd, prepareRead, type Ring } from './index.js'
import { room } from './operation.test.support.js'
import { completions, reapAll, ringTest, type Stage } from './ring.test.support.js'

const POLLIN = 1

/** As many pipes, each with something in flight. */
function arm(stage: Stage, ring: Ring, count: number): number[] {
  const pipes = Array.from({ length: count }, () => stage.pipe())
  for (const [index, [reading]] of pipes.entries()) {
    if (index % 2 === 0) preparePollAdd(ring.submissions, reading, POLLIN, index)
    else prepareRead(ring.submissions, reading, room(1), -1, index)
  }
  ring.submit()
  return pipes.map(([, writing]) => writing)
}

for (const count of [20, 21, 100]) {
  ringTest(
    `under DEFER_TASKRUN one reap hands out all of ${count} completions, though one enter runs 20`,
    stage => {
      const ring = stage.ring({ entries: 128, mode: 'dedicated' })
      if ((ring.flags & IORING_SETUP.DEFER_TASKRUN) === 0) return stage.skip('DEFER_TASKRUN needs kernel 6.1')
      for (const writing of arm(stage, ring, count)) writeSync(writing, 'x')
      const seen = reapAll(ring).map(({ userData }) => userData)
      assert.deepEqual(
        seen.sort((a, b) => a - b),
        Array.from({ length: count }, (_, index) => index),
      )
      assert.equal(ring.inFlight, 0)
    },
  )
}

ringTest('deferred completions that led to more come in the same reap', stage => {
  const ring = stage.ring({ entries: 128, mode: 'dedicated' })
  const writing = arm(stage, ring, 60)
  const again = stage.pipe()
  writeSync(again[1], 'x')
  for (const fd of writing) writeSync(fd, 'x')
  const seen: number[] = []
  ring.reap(userData => {
    seen.push(userData)
    if (userData !== 30) return
    preparePollAdd(ring.submissions, again[0], POLLIN, 1000)
    ring.submit()
  })
  if (!seen.includes(1000)) seen.push(...completions(ring, 1).map(({ userData }) => userData))
  assert.equal(seen.length, 61)
  assert.equal(new Set(seen).size, 61)
})

ringTest('a wait counts deferred completions', stage => {
  const ring = stage.ring({ entries: 64, mode: 'dedicated' })
  const writing = arm(stage, ring, 40)
  for (const fd of writing) writeSync(fd, 'x')
  ring.submit(40)
  assert.equal(ring.completions.ready, 40)
  assert.equal(reapAll(ring).length, 40)
})
