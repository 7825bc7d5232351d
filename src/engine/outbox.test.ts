import assert from 'node:assert/strict'
import { prepareNop } from '../ring/index.js'
import { driverTest } from './driver-test.test.support.js'

/** After everything that the promises of this turn lead to, and before the event loop turns. */
function behindPromises(): Promise<void> {
  return new Promise(resolve => process.nextTick(() => process.nextTick(resolve)))
}

driverTest('what a completion leads to goes out before the event loop turns', async kit => {
  const engine = kit.engine()
  const nop = () => engine.run((queue, data) => prepareNop(queue, data), { syscall: 'nop' })
  await nop()
  // A few promises on.
  await undefined
  await undefined
  const { batches } = engine.stats()
  const next = nop()
  let turned = false
  setImmediate(() => {
    turned = true
  })
  await behindPromises()
  assert.deepEqual([engine.stats().batches, turned], [batches + 1, false])
  await next
})

driverTest('completions that lead to one another for ever let the event loop turn', async kit => {
  const engine = kit.engine()
  const nop = () => engine.run((queue, data) => prepareNop(queue, data), { syscall: 'nop' })
  let turned = false
  setImmediate(() => {
    turned = true
  })
  let rounds = 0
  for (; !turned && rounds < 100; rounds++) await nop()
  assert.ok(turned, `${rounds} rounds`)
})
