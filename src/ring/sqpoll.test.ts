import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { IORING_SQ } from '../kernel/index.js'
import { prepareNop, prepareRead, type Ring } from './index.js'
import { room } from './operation.test.support.js'
import { completions, reapAll, ringTest } from './ring.test.support.js'

const LIMIT_MS = 10_000

function isAsleep(ring: Ring): boolean {
  return (ring.submissions.flags & IORING_SQ.NEED_WAKEUP) !== 0
}

/** Until the kernel's thread has gone to sleep. */
async function asleep(ring: Ring): Promise<void> {
  const deadline = Date.now() + LIMIT_MS
  while (!isAsleep(ring)) {
    assert.ok(Date.now() < deadline, 'the kernel thread does not fall asleep')
    await sleep(1)
  }
}

ringTest('a kernel thread that has fallen asleep is woken by a submission, again and again', async stage => {
  const ring = stage.ring({ mode: 'sqpoll', sqThreadIdle: 1 })
  for (let round = 0; round < 20; round++) {
    await asleep(ring)
    prepareNop(ring.submissions, round)
    assert.deepEqual(
      completions(ring, 1).map(({ userData }) => userData),
      [round],
    )
  }
})

ringTest('submissions around the moment of falling asleep are never stranded', stage => {
  const ring = stage.ring({ mode: 'sqpoll', sqThreadIdle: 1 })
  for (let round = 0; round < 300; round++) {
    // Ever longer pauses, so that some submissions fall into the moment at which the thread lies down.
    const until = performance.now() + (round % 100) / 50
    while (performance.now() < until);
    prepareNop(ring.submissions, round)
    ring.submit(1)
    assert.deepEqual(
      reapAll(ring).map(({ userData }) => userData),
      [round],
    )
  }
})

ringTest('while the kernel thread is awake, submitting takes no system call', stage => {
  const ring = stage.ring({ mode: 'sqpoll', sqThreadIdle: LIMIT_MS })
  prepareNop(ring.submissions, 0)
  ring.submit()
  const deadline = Date.now() + LIMIT_MS
  let seen = 0
  // Until it has begun, the thread still counts as asleep.
  while (seen === 0) {
    seen = reapAll(ring).length
    assert.ok(Date.now() < deadline, 'the thread did not begin')
  }
  const before = ring.enters
  for (let index = 1; index <= 100; index++) {
    assert.ok(prepareNop(ring.submissions, index))
    ring.submit()
    // Reaping without waiting: completions are found by looking.
    while (seen < index + 1) {
      seen += reapAll(ring).length
      assert.ok(Date.now() < deadline, 'no completion came')
    }
  }
  assert.equal(ring.enters, before)
})

ringTest('a full queue waits for the kernel thread instead of losing entries', async stage => {
  const ring = stage.ring({ entries: 4, completionEntries: 1024, mode: 'sqpoll', sqThreadIdle: 1 })
  await asleep(ring)
  for (let userData = 0; userData < 500; userData++) {
    while (!prepareNop(ring.submissions, userData)) ring.submit()
  }
  const seen = completions(ring, 500).map(({ userData }) => userData)
  assert.deepEqual(
    seen,
    Array.from({ length: 500 }, (_, index) => index),
  )
})

ringTest('a wait wakes the thread, and ends with the completion', async stage => {
  const ring = stage.ring({ mode: 'sqpoll', sqThreadIdle: 1 })
  const [reading, writing] = stage.pipe()
  await asleep(ring)
  prepareRead(ring.submissions, reading, room(8), -1, 7)
  ring.submit()
  writeSync(writing, 'woken')
  ring.submit(1)
  assert.deepEqual(reapAll(ring), [{ userData: 7, result: 5, flags: 0 }])
})
