import assert from 'node:assert/strict'
import { constants } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import { addressOf, PAGE_SIZE } from '../kernel/index.js'
import { alignedBuffer } from './index.js'

test('the first byte stands at a multiple of the alignment, and the length is what was asked for', () => {
  fc.assert(
    fc.property(fc.nat(200_000), fc.nat(21), (size, power) => {
      const bytes = alignedBuffer(size, 2 ** power)
      assert.equal(bytes.length, size)
      assert.equal((addressOf(bytes.buffer) + bytes.byteOffset) % 2 ** power, 0)
      assert.ok(bytes.every(byte => byte === 0))
    }),
    { numRuns: 60 },
  )
})

test('the alignment is a page if left out', () => {
  const bytes = alignedBuffer(100)
  assert.equal((addressOf(bytes.buffer) + bytes.byteOffset) % PAGE_SIZE, 0)
})

test('an empty buffer is one, and has a place', () => {
  const bytes = alignedBuffer(0, 1)
  assert.equal(bytes.length, 0)
  assert.notEqual(addressOf(bytes.buffer), 0)
})

test('wrong types and numbers are refused', () => {
  for (const size of [-1, 1.5, NaN, Infinity, 2 ** 60]) {
    assert.throws(() => alignedBuffer(size), { code: 'ERR_OUT_OF_RANGE' }, String(size))
  }
  for (const size of ['1', null, undefined, 1n, {}]) {
    assert.throws(() => alignedBuffer(size as number), { code: 'ERR_INVALID_ARG_TYPE' }, String(size))
  }
  for (const alignment of [0, -4096, 3, 4095, 2 ** 31, 0.5]) {
    assert.throws(() => alignedBuffer(1, alignment), { code: 'ERR_OUT_OF_RANGE' }, String(alignment))
  }
  assert.throws(() => alignedBuffer(1, '4096' as unknown as number), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => alignedBuffer(constants.MAX_LENGTH + 1), { code: 'ERR_OUT_OF_RANGE' })
})
