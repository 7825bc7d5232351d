import assert from 'node:assert/strict'
import test from 'node:test'
import { unwatchProgress, type Watched, watchProgress } from './deadlines.js'

/** Something that beats when told to, and notes when it expired. */
function watched(): Watched & { beats: number | undefined; over: boolean } {
  return {
    beats: 0,
    over: false,
    beat() {
      return this.beats
    },
    expired() {
      this.over = true
    },
  }
}

test('what makes no progress expires after its time, and not before', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const still = watched()
  watchProgress(still, 800)
  t.mock.timers.tick(800)
  assert.equal(still.over, false)
  t.mock.timers.tick(100)
  assert.equal(still.over, true)
})

test('progress begins the time anew', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const busy = watched()
  watchProgress(busy, 800)
  for (let beat = 1; beat < 20; beat++) {
    t.mock.timers.tick(700)
    busy.beats = beat
  }
  assert.equal(busy.over, false)
  t.mock.timers.tick(900)
  assert.equal(busy.over, true)
})

test('where no progress is due nothing expires', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const idle = watched()
  idle.beats = undefined
  watchProgress(idle, 80)
  t.mock.timers.tick(8000)
  assert.equal(idle.over, false)
  idle.beats = 1
  t.mock.timers.tick(80)
  assert.equal(idle.over, false)
  t.mock.timers.tick(20)
  assert.equal(idle.over, true)
})

test('what is no longer watched does not expire', t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const [one, other] = [watched(), watched()]
  watchProgress(one, 80)
  watchProgress(other, 80)
  unwatchProgress(one, 80)
  unwatchProgress(one, 80)
  unwatchProgress(one, 12345)
  t.mock.timers.tick(1000)
  assert.deepEqual([one.over, other.over], [false, true])
})
