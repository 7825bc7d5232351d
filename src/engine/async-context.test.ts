import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { prepareNop } from '../ring/index.js'
import { driverTest, room } from './driver-test.test.support.js'

const storage = new AsyncLocalStorage<number>()

driverTest('each caller finds its own store behind each await', async kit => {
  const engine = kit.engine({ maxInFlight: 8 })
  const fd = kit.file('data')
  const callers = Array.from({ length: 50 }, (_, index) =>
    storage.run(index, async () => {
      for (let round = 0; round < 5; round++) {
        await engine.read(fd, room(4), 0, 4, 0)
        assert.equal(storage.getStore(), index)
        await engine.run(prepareNop, { syscall: 'nop' })
        assert.equal(storage.getStore(), index)
      }
    }),
  )
  await Promise.all(callers)
})

driverTest("an abort from elsewhere is heard in the caller's context", async kit => {
  const engine = kit.engine()
  const [reader] = kit.pipe()
  const controller = new AbortController()
  const caller = storage.run(1, async () => {
    await assert.rejects(engine.read(reader, room(4), 0, 4, -1, undefined, controller.signal))
    assert.equal(storage.getStore(), 1)
  })
  await new Promise(resolve => setImmediate(resolve))
  storage.run(2, () => controller.abort())
  await caller
  assert.equal(storage.getStore(), undefined)
})

driverTest("a failure is caught in the caller's context", async kit => {
  const engine = kit.engine()
  await storage.run(3, async () => {
    await assert.rejects(engine.read(2 ** 30, room(4), 0, 4, 0))
    assert.equal(storage.getStore(), 3)
  })
})
