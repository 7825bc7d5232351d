import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { prepareNop, preparePollAdd, prepareRead, prepareReadFixed, type Ring } from './index.js'
import { bytesOf, room, textOf } from './operation.test.support.js'
import { completions, MODES, reapAll, ringTest, type Stage } from './ring.test.support.js'

const POLLIN = 1

/** A ring that can be resized; where the kernel has no such thing, says so. */
function resizable(stage: Stage, entries: number): Ring | undefined {
  const ring = stage.ring({ entries, mode: 'dedicated' })
  try {
    ring.resize(entries)
    return ring
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
    stage.skip('resizing needs kernel 6.13')
    return undefined
  }
}

for (const [from, to] of [
  [4, 64],
  [64, 4],
  [8, 8],
]) {
  ringTest(`a ring grows and shrinks with work in flight (${from} to ${to})`, stage => {
    const ring = resizable(stage, from as number)
    if (ring === undefined) return
    const pipes = [stage.pipe(), stage.pipe()] as const
    const bytes = room(8)
    prepareRead(ring.submissions, pipes[0][0], bytes, -1, 1)
    preparePollAdd(ring.submissions, pipes[1][0], POLLIN, 2)
    ring.submit()
    ring.resize(to as number)
    assert.equal(ring.submissions.capacity, to)
    assert.equal(ring.inFlight, 2)
    writeSync(pipes[0][1], 'after')
    writeSync(pipes[1][1], 'x')
    const seen = completions(ring, 2).map(({ userData }) => userData)
    assert.deepEqual(seen.sort(), [1, 2])
    assert.equal(textOf(bytes.subarray(0, 5)), 'after')
    assert.equal(ring.inFlight, 0)
    for (let index = 0; index < (to as number); index++) assert.ok(prepareNop(ring.submissions, index))
    assert.equal(prepareNop(ring.submissions, 0), false)
    assert.equal(completions(ring, to as number).length, to)
  })
}

ringTest('what was prepared before a resize is carried out', stage => {
  const ring = resizable(stage, 8)
  if (ring === undefined) return
  const file = stage.file('text')
  const buffer = room(4)
  ring.registerBuffers([buffer])
  prepareNop(ring.submissions, 1)
  prepareReadFixed(ring.submissions, file, buffer, 0, 0, 2)
  ring.resize(32)
  assert.deepEqual(
    completions(ring, 2).map(({ userData, result }) => [userData, result]),
    [
      [1, 0],
      [2, 4],
    ],
  )
  assert.deepEqual(buffer, bytesOf('text'))
})

ringTest('completions that were not reaped survive a resize', stage => {
  const ring = resizable(stage, 8)
  if (ring === undefined) return
  for (let index = 0; index < 8; index++) prepareNop(ring.submissions, index)
  ring.submit(8)
  ring.resize(16, 64)
  assert.equal(ring.completions.ready, 8)
  assert.deepEqual(
    reapAll(ring).map(({ userData }) => userData),
    [0, 1, 2, 3, 4, 5, 6, 7],
  )
})

ringTest('a resize from within the reaping hands out each completion once', stage => {
  const ring = resizable(stage, 8)
  if (ring === undefined) return
  for (let index = 0; index < 8; index++) prepareNop(ring.submissions, index)
  ring.submit(8)
  const seen: number[] = []
  const count = ring.reap(userData => {
    seen.push(userData)
    if (userData === 2) ring.resize(32)
    if (userData === 5) ring.resize(4)
  })
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7])
  assert.equal(count, 8)
  assert.equal(ring.inFlight, 0)
})

ringTest('a ring is resized over and over', stage => {
  const ring = resizable(stage, 4)
  if (ring === undefined) return
  let expected = 0
  for (let round = 0; round < 50; round++) {
    ring.resize(2 ** (1 + (round % 6)))
    prepareNop(ring.submissions, expected)
    prepareNop(ring.submissions, expected + 1)
    const seen: number[] = completions(ring, 2).map(({ userData }) => userData)
    assert.deepEqual(seen, [expected, expected + 1])
    expected += 2
  }
})

for (const mode of MODES.filter(mode => mode !== 'dedicated')) {
  ringTest(`a ${mode} ring cannot be resized, and goes on as it was`, stage => {
    const ring = stage.ring({ entries: 4, mode })
    assert.throws(() => ring.resize(8), { code: 'EINVAL' })
    prepareNop(ring.submissions, 1)
    assert.equal(completions(ring, 1).length, 1)
  })
}

ringTest('the largest ring that there is has as many completions as there can be', stage => {
  const ring = resizable(stage, 4)
  if (ring === undefined) return
  ring.resize(32768)
  assert.equal(ring.completions.capacity, 65536)
})

ringTest('sizes that are none are refused', stage => {
  const ring = stage.ring({ mode: 'dedicated' })
  for (const wrong of [0, -1, 1.5, 32769, Number.NaN, Number.MAX_SAFE_INTEGER]) {
    assert.throws(() => ring.resize(wrong), { code: 'ERR_OUT_OF_RANGE' }, `${wrong}`)
    const completions = wrong === 32769 ? 65537 : wrong
    assert.throws(() => ring.resize(8, completions), { code: 'ERR_OUT_OF_RANGE' }, `8, ${completions}`)
  }
  assert.throws(() => ring.resize('8' as unknown as number), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.equal(ring.submissions.capacity, 8)
})
