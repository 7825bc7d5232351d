import assert from 'node:assert/strict'
import test from 'node:test'
import { errnoOf, SluiceError } from '../kernel/index.js'
import type { Handles } from './handles.js'
import { Settlement } from './settlement.js'
import { type Slot, SlotTable } from './slot.js'

test('what cannot be asked for anew, as too many entries wait, fails with that', async () => {
  const slots = new SlotTable(1)
  const settlement = new Settlement(slots, {} as Handles, () => {
    throw new SluiceError('ERR_SLUICE_QUEUE_FULL', 'full')
  })
  const usage = { inFlight: 1, idle: undefined }
  const slot = slots.take() as Slot
  slot.usage = usage
  const promise = slot.defer()
  settlement.complete(slot.index, -errnoOf('ECANCELED'), 0)
  await assert.rejects(promise, { code: 'ERR_SLUICE_QUEUE_FULL' })
  assert.deepEqual([slots.used, usage.inFlight], [0, 0])
})
