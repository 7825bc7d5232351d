import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { IORING_FEAT, IORING_REGISTER, IORING_SETUP, timespec } from '../kernel/index.js'
import { prepareNop, prepareRead, prepareTimeout, type Ring } from './index.js'
import { room } from './operation.test.support.js'
import { completions, MODES, reapAll, ringTest, runModule } from './ring.test.support.js'

for (const mode of MODES) {
  ringTest(`a wait never waits for more than is in flight (${mode})`, stage => {
    const ring = stage.ring({ mode })
    assert.equal(ring.submit(1), 0)
    assert.equal(ring.submit(1000), 0)
    prepareNop(ring.submissions, 1)
    prepareNop(ring.submissions, 2)
    assert.equal(ring.submit(1000), 2)
    assert.equal(ring.completions.ready, 2)
    assert.equal(reapAll(ring).length, 2)
    assert.equal(ring.submit(1), 0)
  })

  ringTest(`a limited wait ends without what does not come (${mode})`, stage => {
    const ring = stage.ring({ mode })
    const [reading] = stage.pipe()
    prepareRead(ring.submissions, reading, room(1), -1, 1)
    ring.submit(1, 5)
    assert.deepEqual(reapAll(ring), [])
    assert.equal(ring.inFlight, 1)
    ring.submit(1, 0)
    ring.submit(1, 0.25)
    assert.equal(ring.inFlight, 1)
  })

  ringTest(`a limited wait ends with what comes (${mode})`, stage => {
    const ring = stage.ring({ mode })
    prepareTimeout(ring.submissions, timespec(2), 0, 0, 1)
    ring.submit(1, 60_000)
    assert.equal(reapAll(ring).length, 1)
  })
}

ringTest('an unlimited wait may be asked for in so many words', stage => {
  const ring = stage.ring()
  prepareTimeout(ring.submissions, timespec(2), 0, 0, 1)
  ring.submit(1, Infinity)
  assert.equal(reapAll(ring).length, 1)
})

ringTest('waiting for more completions than the queue holds ends when it is full', stage => {
  const ring = stage.ring({ entries: 4, completionEntries: 4, mode: 'dedicated' })
  for (let userData = 0; userData < 12; userData++) {
    assert.ok(prepareNop(ring.submissions, userData))
    if (ring.submissions.space === 0) ring.submit()
  }
  ring.submit(12)
  assert.equal(completions(ring, 12).length, 12)
})

ringTest('a wait that holds out for a batch takes less when its time is up', stage => {
  const ring = stage.ring({ mode: 'dedicated' })
  if ((ring.features & IORING_FEAT.MIN_TIMEOUT) === 0) return stage.skip('the least wait needs kernel 6.12')
  const [reading, writing] = stage.pipe()
  prepareRead(ring.submissions, reading, room(1), -1, 1)
  prepareRead(ring.submissions, stage.pipe()[0], room(1), -1, 2)
  writeSync(writing, 'x')
  ring.submit(2, 60_000, 1000)
  assert.deepEqual(
    reapAll(ring).map(({ userData }) => userData),
    [1],
  )
})

for (const mode of MODES) {
  ringTest(`limits can be told through memory that the kernel has registered (${mode})`, stage => {
    let ring: Ring
    try {
      ring = stage.ring({ mode, registerWaits: true })
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EINVAL')
      return stage.skip('registered waits need kernel 6.13')
    }
    // A ring has one region, and this is taken.
    assert.throws(() => ring.register(IORING_REGISTER.MEM_REGION, new Uint8Array(new ArrayBuffer(32)), 1), {
      code: 'EBUSY',
    })
    const [reading, writing] = stage.pipe()
    prepareRead(ring.submissions, reading, room(1), -1, 1)
    prepareRead(ring.submissions, stage.pipe()[0], room(1), -1, 2)
    ring.submit(1, 5)
    ring.submit(1, 0)
    assert.deepEqual(reapAll(ring), [])
    assert.equal(ring.inFlight, 2)
    writeSync(writing, 'x')
    // The least wait, and then what there is; else it would be a minute.
    ring.submit(2, 60_000, 1000)
    assert.deepEqual(
      reapAll(ring).map(({ userData }) => userData),
      [1],
    )
    prepareTimeout(ring.submissions, timespec(2), 0, 0, 3)
    ring.submit(1, 60_000)
    assert.deepEqual(
      reapAll(ring).map(({ userData }) => userData),
      [3],
    )
  })
}

ringTest('a ring with registered waits that is to start disabled does so', stage => {
  let ring: Ring
  try {
    ring = stage.ring({ registerWaits: true, flags: IORING_SETUP.R_DISABLED })
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'EINVAL')
    return stage.skip('registered waits need kernel 6.13')
  }
  prepareNop(ring.submissions, 1)
  assert.throws(() => ring.submit(), { code: 'EBADFD' })
  ring.enable()
  ring.submit(1, 60_000)
  assert.equal(reapAll(ring).length, 1)
})

ringTest('waiting costs one system call, and finding nothing to do none', stage => {
  const ring = stage.ring({ mode: 'dedicated' })
  const before = ring.enters
  ring.submit()
  ring.submit(1)
  reapAll(ring)
  assert.equal(ring.enters, before)
  for (let userData = 0; userData < 8; userData++) prepareNop(ring.submissions, userData)
  ring.submit(8)
  assert.equal(reapAll(ring).length, 8)
  assert.equal(ring.enters, before + 1)
})

const SIGNALLED = `
import { spawn } from 'node:child_process'
const { Ring, prepareTimeout, prepareNop } = ring
const mine = new Ring({ entries: 8, mode: MODE })
// A handler, so that the signal interrupts system calls rather than end the process.
let signals = 0
process.on('SIGUSR1', () => signals++)
const shooter = spawn('sh', ['-c', 'for i in $(seq 60); do kill -USR1 ' + process.pid + ' || exit; sleep 0.01; done'])
// It takes its time to begin on a slow machine.
while (signals === 0 && shooter.exitCode === null) await new Promise(resolve => setTimeout(resolve, 5))
signals = 0
const time = kernel.timespec(100)
let waited = 0
while (shooter.exitCode === null && waited < 3) {
  prepareTimeout(mine.submissions, time, 0, 0, 1)
  mine.submit(1, LIMIT)
  const seen = []
  mine.reap((userData, result) => seen.push(result))
  if (seen.length !== 1 || seen[0] !== -62) throw new Error('the wait ended with ' + JSON.stringify(seen))
  waited++
}
shooter.kill()
await new Promise(resolve => setTimeout(resolve, 50))
console.log(waited, signals > 0, mine.inFlight)
mine.close()
process.removeAllListeners('SIGUSR1')
`

for (const mode of MODES) {
  for (const [kind, limit] of [
    ['an unlimited', 'undefined'],
    ['a limited', '60_000'],
  ] as const) {
    ringTest(`signals do not cut ${kind} wait short (${mode})`, async () => {
      const script = SIGNALLED.replace('MODE', `'${mode}'`).replace('LIMIT', limit)
      const { code, output } = await runModule(script)
      assert.equal(code, 0, output)
      assert.equal(output.trim(), '3 true 0')
    })
  }
}
