import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { IORING_SQ } from '../kernel/index.js'
import { prepareNop, preparePollAdd, prepareRead, type Ring } from './index.js'
import { room } from './operation.test.support.js'
import { completions, MODES, reapAll, ringTest } from './ring.test.support.js'

const POLLIN = 1

/** Submits so many operations without ever reaping. */
function submitBlindly(ring: Ring, count: number, prepare: (userData: number) => boolean): void {
  for (let userData = 0; userData < count; userData++) {
    assert.ok(prepare(userData))
    if (ring.submissions.space === 0) ring.submit()
  }
  ring.submit()
}

for (const mode of MODES.filter(mode => mode !== 'sqpoll')) {
  ringTest(`completions that overflow the queue all come, in order (${mode})`, stage => {
    const ring = stage.ring({ entries: 8, completionEntries: 8, mode })
    submitBlindly(ring, 100, userData => prepareNop(ring.submissions, userData))
    assert.notEqual(ring.submissions.flags & IORING_SQ.CQ_OVERFLOW, 0)
    const seen = reapAll(ring).map(({ userData }) => userData)
    assert.deepEqual(
      seen,
      Array.from({ length: 100 }, (_, index) => index),
    )
    assert.equal(ring.submissions.flags & IORING_SQ.CQ_OVERFLOW, 0)
    assert.equal(ring.inFlight, 0)
    assert.equal(ring.completions.lost, 0)
  })
}

ringTest('completions that overflow under a polling kernel thread all come', stage => {
  const ring = stage.ring({ entries: 8, completionEntries: 8, mode: 'sqpoll' })
  const seen: number[] = []
  for (let userData = 0; userData < 100; ) {
    if (prepareNop(ring.submissions, userData)) userData++
    else ring.submit()
  }
  seen.push(...completions(ring, 100).map(({ userData }) => userData))
  assert.deepEqual(
    seen,
    Array.from({ length: 100 }, (_, index) => index),
  )
  assert.equal(ring.inFlight, 0)
})

ringTest('events that outnumber the queue all come although nobody reaps meanwhile', stage => {
  const ring = stage.ring({ entries: 4, completionEntries: 4 })
  const pipes = Array.from({ length: 50 }, () => stage.pipe())
  submitBlindly(ring, 50, index =>
    preparePollAdd(ring.submissions, (pipes[index] as number[])[0], POLLIN, index),
  )
  for (const [, writing] of pipes) writeSync(writing, 'x')
  const seen = completions(ring, 50).map(({ userData }) => userData)
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, index) => index),
  )
})

ringTest('the data of reads whose completions overflow is there', stage => {
  const ring = stage.ring({ entries: 2, completionEntries: 2 })
  const file = stage.file(Uint8Array.from({ length: 32 }, (_, index) => index))
  const bytes = room(32)
  submitBlindly(ring, 32, at => prepareRead(ring.submissions, file, bytes.subarray(at, at + 1), at, at))
  for (const { result } of completions(ring, 32)) assert.equal(result, 1)
  assert.deepEqual(
    [...bytes],
    Array.from({ length: 32 }, (_, index) => index),
  )
})

ringTest('a callback that submits more than fits loses nothing', stage => {
  const ring = stage.ring({ entries: 8, completionEntries: 8 })
  let left = 500
  const seen = new Set<number>()
  const submitMore = () => {
    while (left > 0 && prepareNop(ring.submissions, left)) left--
    ring.submit()
  }
  submitMore()
  while (seen.size < 500) {
    ring.reap(userData => {
      seen.add(userData)
      submitMore()
    })
  }
  assert.equal(ring.inFlight, 0)
})
