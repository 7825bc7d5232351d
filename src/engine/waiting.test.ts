import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { writeSync } from 'node:fs'
import { IOSQE } from '../kernel/index.js'
import { Mapping } from '../memory/index.js'
import { prepareNop } from '../ring/index.js'
import { driverTest, isMapped, room, textOf, until } from './driver-test.test.support.js'
import type { ChainedOperation, Usage } from './index.js'

const NOP: ChainedOperation = { syscall: 'nop', prepare: prepareNop }

driverTest('a chain that waits for more slots than come free lets others of the loop run', async kit => {
  const engine = kit.engine({ maxInFlight: 2 })
  const [reader, writer] = kit.pipe()
  const reads = [engine.read(reader, room(1), 0, 1, -1), engine.read(reader, room(1), 0, 1, -1)]
  const chain = Promise.all(engine.chain([NOP, NOP], IOSQE.IO_LINK))
  const behind = engine.run(prepareNop, NOP)
  await new Promise(resolve => setImmediate(resolve))
  writeSync(writer, '1')
  await Promise.race(reads)
  // One slot is free now, and who comes first is not passed by.
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(engine.stats().inFlight, 1)
  assert.equal(engine.stats().waiting, 2)
  writeSync(writer, '2')
  assert.deepEqual(await chain, [0, 0])
  assert.equal(await behind, 0)
})

driverTest('a chain longer than what may be in flight is refused', async kit => {
  const engine = kit.engine({ maxInFlight: 2 })
  for (const result of await Promise.allSettled(engine.chain([NOP, NOP, NOP], IOSQE.IO_LINK))) {
    assert.equal(result.status === 'rejected' && result.reason.code, 'ERR_SLUICE_QUEUE_FULL')
  }
})

driverTest('what waits for a slot can be aborted, at once', async kit => {
  const engine = kit.engine({ maxInFlight: 1 })
  const [reader, writer] = kit.pipe()
  const first = engine.read(reader, room(1), 0, 1, -1)
  const controller = new AbortController()
  const { signal } = controller
  const usage: Usage = { inFlight: 0, idle: undefined }
  const read = engine.read(reader, room(1), 0, 1, -1, undefined, signal, usage)
  const nop = engine.run(prepareNop, { ...NOP, signal, usage })
  const chain = engine.chain([{ ...NOP, usage }], IOSQE.IO_LINK)
  const aborted = engine.chain([{ ...NOP, signal, usage }], IOSQE.IO_LINK)
  assert.equal(engine.stats().waiting, 4)
  assert.equal(usage.inFlight, 4)
  controller.abort()
  for (const promise of [read, nop, ...aborted]) await assert.rejects(promise, { name: 'AbortError' })
  assert.equal(engine.stats().waiting, 1)
  assert.equal(usage.inFlight, 1)
  writeSync(writer, '1')
  assert.equal(await first, 1)
  assert.deepEqual(await Promise.all(chain), [0])
  await until(() => usage.inFlight === 0, 'all is over')
  assert.equal(engine.stats().waiting, 0)
})

driverTest('what was aborted while it waited takes no place of those who may wait', async kit => {
  const engine = kit.engine({ maxInFlight: 1, maxWaiting: 4 })
  const [reader, writer] = kit.pipe()
  const first = engine.read(reader, room(1), 0, 1, -1)
  const order: number[] = []
  const kept: Promise<unknown>[] = []
  const rejected: Promise<void>[] = []
  for (let round = 0; round < 100; round++) {
    // Of the three that stay, one comes before the aborted ones, one between them, and one after.
    if (round % 49 === 1) kept.push(engine.run(prepareNop, NOP).then(() => order.push(round)))
    const controller = new AbortController()
    const { signal } = controller
    rejected.push(assert.rejects(engine.run(prepareNop, { ...NOP, signal }), { name: 'AbortError' }))
    controller.abort()
  }
  await Promise.all(rejected)
  assert.equal(engine.stats().waiting, 3)
  kept.push(engine.run(prepareNop, NOP).then(() => order.push(100)))
  await assert.rejects(engine.run(prepareNop, NOP), { code: 'ERR_SLUICE_QUEUE_FULL' })
  writeSync(writer, '1')
  assert.equal(await first, 1)
  await Promise.all(kept)
  assert.deepEqual(order, [1, 50, 99, 100])
})

driverTest(
  'a mapping that is unmapped while its operation waits stays mapped until that has run',
  async kit => {
    const engine = kit.engine({ maxInFlight: 1 })
    const [reader, writer] = kit.pipe()
    const first = engine.read(reader, room(1), 0, 1, -1)
    const mapping = new Mapping({ length: 2 ** 20 })
    const { address } = mapping
    const second = engine.read(reader, mapping.bytes, 0, 1, -1)
    mapping.unmap()
    assert.equal(isMapped(address), true)
    writeSync(writer, '12')
    assert.equal(await first, 1)
    assert.equal(await second, 1)
    await until(() => !isMapped(address), 'it is unmapped')
  },
)

driverTest('what waits writes from where its view was, also when that is unmapped meanwhile', async kit => {
  const engine = kit.engine({ maxInFlight: 1 })
  const [reader, writer] = kit.pipe()
  const first = engine.read(reader, room(1), 0, 1, -1)
  const mapping = new Mapping({ length: 4096, access: 'write' })
  mapping.bytes.set(Buffer.from('data'), 100)
  const fd = kit.file()
  const write = engine.write(fd, mapping.bytes.subarray(99), 1, 4, 0)
  mapping.unmap()
  writeSync(writer, '1')
  await Promise.all([first, write])
  const read = room(8)
  assert.equal(await engine.read(fd, read, 0, 8, 0), 4)
  assert.equal(textOf(read.subarray(0, 4)), 'data')
})

driverTest(
  'where one signal of many refuses to be listened to, the others are listened to no more',
  async kit => {
    const engine = kit.engine({ maxInFlight: 2 })
    const [reader, writer] = kit.pipe()
    const { signal } = new AbortController()
    const deaf = {
      aborted: false,
      addEventListener: () => {
        throw new Error('deaf')
      },
      removeEventListener: () => {},
    } as unknown as AbortSignal
    const usage: Usage = { inFlight: 0, idle: undefined }
    const refused = async () => {
      const chain = engine.chain(
        [NOP, NOP].map((nop, index) => ({ ...nop, usage, signal: index === 0 ? signal : deaf })),
        IOSQE.IO_LINK,
      )
      for (const promise of chain) await assert.rejects(promise, { message: 'deaf' })
      assert.deepEqual(getEventListeners(signal, 'abort'), [])
      assert.equal(usage.inFlight, 0)
      assert.equal(engine.stats().waiting, 0)
    }
    await refused()
    await assert.rejects(engine.run(prepareNop, { ...NOP, signal: deaf }), { message: 'deaf' })
    await assert.rejects(engine.read(reader, room(1), 0, 1, -1, undefined, deaf), { message: 'deaf' })
    assert.equal(engine.stats().inFlight, 0)
    const first = engine.read(reader, room(1), 0, 1, -1)
    await refused()
    writeSync(writer, '1')
    assert.equal(await first, 1)
  },
)
