import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IORING_SETUP } from '../kernel/index.js'
import { prepareNop, Ring } from './index.js'

test('a ring is refused whose memory would be laid out otherwise', () => {
  for (const flag of ['NO_MMAP', 'REGISTERED_FD_ONLY', 'SQ_REWIND'] as const) {
    assert.throws(() => new Ring({ flags: IORING_SETUP[flag] }), { code: 'ERR_INVALID_ARG_VALUE' })
  }
})

test('a time to wait that is none is refused, and leaves the ring as it was', () => {
  using ring = new Ring({ mode: 'dedicated' })
  prepareNop(ring.submissions, 1)
  for (const time of [Number.NaN, -1]) {
    assert.throws(() => ring.submit(1, time), { code: 'ERR_OUT_OF_RANGE' })
  }
  assert.throws(() => ring.submit(1, 'soon' as unknown as number), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => ring.submit(1, 1, -1), { code: 'ERR_OUT_OF_RANGE' })
  assert.equal(ring.submit(1), 1)
})
