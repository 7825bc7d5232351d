import assert from 'node:assert/strict'
import { IOSQE } from '../kernel/index.js'
import { prepareNop, prepareRead } from '../ring/index.js'
import { driverTest, room } from './driver-test.test.support.js'
import type { ChainedOperation } from './index.js'

const NOP: ChainedOperation = { syscall: 'nop', prepare: prepareNop }

/** Memory that is no longer there. */
function detached(): Uint8Array {
  const bytes = room(100)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
  return bytes
}

driverTest('an operation that cannot be prepared is refused and leaves nothing in flight', async kit => {
  const engine = kit.engine()
  const bytes = detached()
  const read: ChainedOperation = {
    syscall: 'read',
    prepare: (queue, id) => prepareRead(queue, 0, bytes, 0, id),
  }
  await assert.rejects(engine.run(read.prepare, read), TypeError)
  await assert.rejects(async () => engine.run(prepareNop, { ...NOP, buffers: [bytes] }), TypeError)
  await assert.rejects(async () => engine.read(0, bytes, 0, 0, 0), TypeError)
  assert.throws(() => engine.multishot(read.prepare, () => {}), TypeError)
  assert.equal(engine.stats().inFlight, 0)
  assert.equal(await engine.run(prepareNop, NOP), 0)
})

driverTest('a chain that cannot be prepared to its end is not begun', async kit => {
  const engine = kit.engine({ entries: 4 })
  const bytes = detached()
  let prepared = 0
  const counted: ChainedOperation = {
    syscall: 'nop',
    prepare: (queue, id) => {
      prepared++
      return prepareNop(queue, id)
    },
  }
  const broken: ChainedOperation = {
    syscall: 'read',
    prepare: (queue, id) => prepareRead(queue, 0, bytes, 0, id),
  }
  const before = engine.run(prepareNop, NOP)
  const chain = engine.chain([counted, counted, broken], IOSQE.IO_LINK)
  const behind = engine.run(prepareNop, NOP)
  for (const result of await Promise.allSettled(chain)) assert.equal(result.status, 'rejected')
  assert.equal(prepared, 2)
  assert.equal(await before, 0)
  assert.equal(await behind, 0)
  assert.equal(engine.stats().submissions, 2)
  assert.equal(engine.stats().inFlight, 0)
})
