import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { ChecksumRows, crc32c } from './index.js'

/** Bit by bit, as the polynomial says. */
function reference(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

test('the checksum is that of RFC 3720', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, index) => index)
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa)
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43)
  assert.equal(crc32c(ascending), 0x46dd794e)
  assert.equal(crc32c(ascending.toReversed()), 0x113fdb5c)
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283)
  assert.equal(crc32c(new Uint8Array(0)), 0)
})

test('any bytes, in one piece or two, give the checksum of the polynomial', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
      const expected = reference(bytes)
      assert.equal(crc32c(bytes), expected)
      assert.equal(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut))), expected)
    }),
  )
})

test('rows are stored in order, and checked up to the first that is wrong', () => {
  const bytes = new Uint8Array(new ArrayBuffer(64)).map((_, index) => index)
  const rows = new ChecksumRows()
  rows.add(8, 8, 4, 7)
  rows.add(4, 60, 0, 9)
  rows.store(bytes)
  const view = new DataView(bytes.buffer)
  assert.equal(view.getUint32(4, true), crc32c(bytes.subarray(8, 16), 7))
  assert.equal(view.getUint32(0, true), crc32c(bytes.subarray(4), 9))
  assert.equal(rows.check(bytes), 2)
  bytes[63] ^= 1
  assert.equal(rows.check(bytes), 1)
  bytes[8] ^= 0x80
  assert.equal(rows.check(bytes), 0)
})

test('rows may be many, and none leaves its buffer', () => {
  const bytes = new Uint8Array(4096)
  const rows = new ChecksumRows()
  for (let index = 0; index < 1000; index++) rows.add(8, 100, 0, index)
  rows.store(bytes)
  assert.equal(rows.count, 1000)
  rows.clear()
  rows.add(0, 16, 4000, 0)
  rows.add(4000, 97, 0, 0)
  assert.throws(() => rows.store(bytes), RangeError)
  rows.clear()
  rows.add(0, 16, 4093, 0)
  assert.throws(() => rows.store(bytes), RangeError)
})
