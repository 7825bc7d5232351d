import assert from 'node:assert/strict'
import { addressOf, IOSQE } from '../kernel/index.js'
import { prepareNop, prepareRead, prepareReadAt } from '../ring/index.js'
import { driverTest, room } from './driver-test.test.support.js'
import type { ChainedOperation } from './index.js'
import { RingDriver } from './ring-driver.js'

driverTest('close() ends a chain whose operations go on when one is cancelled', async kit => {
  const engine = kit.engine()
  const [reader] = kit.pipe()
  const buffer = room(100)
  const read: ChainedOperation = {
    syscall: 'read',
    held: buffer,
    prepare: (queue, id) => prepareReadAt(queue, reader, addressOf(buffer), 1, -1, id),
  }
  const settled = Promise.allSettled(engine.chain([read, read, read], IOSQE.IO_HARDLINK))
  await new Promise(resolve => setImmediate(resolve))
  await engine.close()
  for (const result of await settled) {
    assert.equal(result.status === 'rejected' && result.reason.code, 'ECANCELED')
  }
})

driverTest('an engine that ends in the turn in which something was asked for ends well', async kit => {
  const engine = kit.engine()
  const handle = { complete() {}, flush() {}, abandon() {} }
  engine.handles.detach(engine.handles.attach(handle))
  await engine.close()
  await new Promise(resolve => setImmediate(resolve))
})

driverTest(
  'what was silenced and not consumed is in flight still',
  kit => {
    const driver = new RingDriver(8)
    const { ring } = driver
    // The kernel is short of memory, or of room for completions: it takes nothing this time.
    Object.defineProperty(ring, 'submit', {
      configurable: true,
      value: () => {
        driver.submissions.publish()
        return 0
      },
    })
    const memory = room(8)
    prepareRead(driver.submissions, kit.pipe()[0], memory, -1, 1)
    prepareNop(driver.submissions, 2)
    driver.silence()
    assert.equal(driver.submit(), 0)
    assert.equal(ring.inFlight, 2)
    Reflect.deleteProperty(ring, 'submit')
    assert.equal(driver.submit(), 2)
    driver.reap(() => assert.fail('a silent operation is not heard of'))
    assert.equal(ring.inFlight, 1)
    driver.close()
    assert.equal(memory.length, 8)
  },
  ['ring'],
)
