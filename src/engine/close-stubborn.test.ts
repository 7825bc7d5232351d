import assert from 'node:assert/strict'
import { addressOf, IOSQE } from '../kernel/index.js'
import { prepareReadAt } from '../ring/index.js'
import { driverTest, room } from './driver-test.test.support.js'
import type { ChainedOperation } from './index.js'

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
