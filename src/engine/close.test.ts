import assert from 'node:assert/strict'
import { writeSync } from 'node:fs'
import { timespec } from '../kernel/index.js'
import { preparePollAdd, prepareTimeout } from '../ring/index.js'
import { driverTest, openDescriptors, room } from './driver-test.test.support.js'

driverTest('close() cancels what is in flight, and nothing is written afterwards', async kit => {
  const engine = kit.engine()
  const [reader, writer] = kit.pipe()
  const buffers = Array.from({ length: 100 }, () => room(16))
  const reads = buffers.map(buffer => engine.read(reader, buffer, 0, 16, -1))
  const settled = Promise.allSettled(reads)
  const time = timespec(60_000)
  const timeout = engine.run((queue, id) => prepareTimeout(queue, time, 0, 0, id), {
    syscall: 'timeout',
    held: time,
  })
  const poll = engine.run((queue, id) => preparePollAdd(queue, reader, 1, id), { syscall: 'poll' })
  const others = Promise.allSettled([timeout, poll])
  await new Promise(resolve => setImmediate(resolve))
  await engine.close()
  for (const result of [...(await settled), ...(await others)]) {
    assert.equal(result.status, 'rejected')
    assert.equal(result.status === 'rejected' && result.reason.code, 'ECANCELED')
  }
  writeSync(writer, 'this must not reach any of them')
  await new Promise(resolve => setTimeout(resolve, 10))
  for (const buffer of buffers) assert.deepEqual(buffer, room(16))
  assert.equal(engine.stats().inFlight, 0)
})

driverTest('close() before the turn ends takes back what was asked for in it', async kit => {
  const engine = kit.engine()
  const [reader] = kit.pipe()
  const read = engine.read(reader, room(16), 0, 16, -1)
  const closed = engine.close()
  await assert.rejects(read, { code: 'ECANCELED' })
  await closed
})

driverTest('file operations under way end as they would, and then the engine closes', async kit => {
  const engine = kit.engine({ threads: 2 })
  const fd = kit.file()
  const writes = Array.from({ length: 200 }, (_, index) =>
    engine.write(fd, room(4096), 0, 4096, index * 4096),
  )
  const settled = Promise.allSettled(writes)
  await new Promise(resolve => setImmediate(resolve))
  await engine.close()
  for (const result of await settled) {
    if (result.status === 'rejected') assert.equal(result.reason.code, 'ECANCELED')
    else assert.equal(result.value, 4096)
  }
})

driverTest('a closed engine takes nothing', async kit => {
  const engine = kit.engine()
  await engine.close()
  await engine.close()
  assert.equal(engine.isOpen, false)
  await assert.rejects(engine.read(0, room(1), 0, 1, 0), { code: 'ERR_SLUICE_CLOSED' })
  const options = { syscall: 'poll' }
  await assert.rejects(
    engine.run((queue, id) => preparePollAdd(queue, 0, 1, id), options),
    {
      code: 'ERR_SLUICE_CLOSED',
    },
  )
  assert.throws(
    () =>
      engine.multishot(
        (queue, id) => preparePollAdd(queue, 0, 1, id),
        () => {},
      ),
    {
      code: 'ERR_SLUICE_CLOSED',
    },
  )
})

driverTest('what waits for a slot is refused when the engine closes', async kit => {
  const engine = kit.engine({ maxInFlight: 1 })
  const [reader] = kit.pipe()
  const first = engine.read(reader, room(1), 0, 1, -1)
  const second = engine.read(reader, room(1), 0, 1, -1)
  const settled = Promise.allSettled([first, second])
  await engine.close()
  const codes = (await settled).map(result => result.status === 'rejected' && result.reason.code)
  assert.deepEqual(codes, ['ECANCELED', 'ERR_SLUICE_CLOSED'])
})

driverTest('nothing of an engine is left open', async kit => {
  const fd = kit.file('data')
  await kit.engine().close()
  const before = openDescriptors()
  for (let round = 0; round < 20; round++) {
    const engine = kit.engine({ threads: 1 })
    const time = timespec(1)
    const timeout = engine.run((queue, id) => prepareTimeout(queue, time, 0, 0, id), {
      syscall: 'timeout',
      held: time,
    })
    const expired = assert.rejects(timeout, { code: 'ETIME' })
    await engine.write(fd, room(4), 0, 4, 0)
    await expired
    await engine.close()
  }
  assert.equal(openDescriptors(), before)
})
