import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { prepareNop } from '../ring/index.js'
import { driverTest, room } from './driver-test.test.support.js'

driverTest('what is submitted completes, and the counts add up', async kit => {
  const engine = kit.engine()
  const fd = kit.file('0123456789')
  assert.deepEqual(
    { ...engine.stats(), enters: 0, capacity: 0 },
    {
      driver: kit.driver,
      capacity: 0,
      enters: 0,
      submissions: 0,
      completions: 0,
      batches: 0,
      overflows: 0,
      waits: 0,
      bytes: 0,
      inFlight: 0,
      handles: 0,
      waiting: 0,
    },
  )
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 7 }, () => engine.read(fd, room(10), 0, 10, 0)))
    await engine.write(fd, room(5), 0, 5, 5)
  }
  const stats = engine.stats()
  assert.ok(stats.capacity >= 80)
  assert.deepEqual([stats.submissions, stats.completions], [80, 80])
  assert.equal(stats.bytes, 10 * (7 * 10 + 5))
  assert.deepEqual([stats.inFlight, stats.waiting, stats.overflows, stats.waits], [0, 0, 0, 0])
})

driverTest('one system call a turn, however many operations', async kit => {
  const engine = kit.engine()
  const fd = kit.file(new Uint8Array(1 << 16))
  await engine.read(fd, room(1024), 0, 1024, 0)
  const before = engine.stats()
  const rounds = 100
  for (let round = 0; round < rounds; round++) {
    await Promise.all(
      Array.from({ length: 64 }, (_, index) => engine.read(fd, room(1024), 0, 1024, index * 1024)),
    )
  }
  const after = engine.stats()
  assert.equal(after.batches - before.batches, rounds)
  assert.equal(after.submissions - before.submissions, rounds * 64)
  assert.equal(after.enters - before.enters, rounds)
})

driverTest('subscribers hear of engines and operations', async kit => {
  const heard: unknown[] = []
  const listen = (message: unknown) => heard.push(message)
  subscribe('sluice:engine', listen)
  subscribe('sluice:operation', listen)
  try {
    const engine = kit.engine()
    await engine.run(prepareNop, { syscall: 'nop', details: { path: 'x' } })
    await assert.rejects(engine.read(2 ** 30, room(1), 0, 1, 0))
    await engine.close()
    assert.deepEqual(heard, [
      { event: 'open', driver: kit.driver, reason: engine.reason },
      { syscall: 'nop', result: 0, path: 'x' },
      { syscall: 'read', result: -9 },
      { event: 'close', driver: kit.driver, reason: engine.reason },
    ])
    assert.match(engine.reason, /demands/)
  } finally {
    unsubscribe('sluice:engine', listen)
    unsubscribe('sluice:operation', listen)
  }
})
