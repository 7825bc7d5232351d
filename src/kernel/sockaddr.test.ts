import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeSocketAddress, encodeSocketAddress } from './index.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

test('internet addresses are laid out as the kernel has them', () => {
  assert.equal(
    hex(encodeSocketAddress({ address: '127.0.0.1', port: 8080 })),
    `02001f907f000001${'00'.repeat(8)}`,
  )
  assert.equal(
    hex(encodeSocketAddress({ address: 'fe80::1%3', port: 1 })),
    `0a00000100000000fe80${'00'.repeat(13)}0103000000`,
  )
})

test('a path ends in a NUL, an abstract name is counted, an empty one is unnamed', () => {
  assert.equal(hex(encodeSocketAddress({ path: '/a' })), '01002f6100')
  assert.equal(hex(encodeSocketAddress({ path: '\0a' })), '01000061')
  assert.equal(hex(encodeSocketAddress({ path: '' })), '0100')
})

test('IPv6 addresses take the shape of RFC 5952', () => {
  const shapes: [string, string][] = [
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
    ['1::', '1::'],
  ]
  for (const [given, expected] of shapes) {
    const decoded = decodeSocketAddress(encodeSocketAddress({ address: given, port: 1 }))
    assert.deepEqual(decoded, { family: 'IPv6', address: expected, port: 1 })
  }
})

test('what is encoded is decoded to the same bytes again', () => {
  const port = fc.integer({ min: 0, max: 65535 })
  const internet = fc.record({ address: fc.oneof(fc.ipV4(), fc.ipV6()), port })
  const unix = fc.record({ path: fc.string({ maxLength: 100, unit: 'grapheme-ascii' }) })
  fc.assert(
    fc.property(fc.oneof(internet, unix), target => {
      const bytes = encodeSocketAddress(target)
      const decoded = decodeSocketAddress(bytes)
      assert.ok(decoded !== undefined)
      assert.equal(hex(encodeSocketAddress(decoded)), hex(bytes))
    }),
  )
})

test('what is no address is refused by its code', () => {
  const refused: [Parameters<typeof encodeSocketAddress>[0], string][] = [
    [{ address: 'localhost', port: 1 }, 'ERR_INVALID_ARG_VALUE'],
    [{ address: '1.2.3', port: 1 }, 'ERR_INVALID_ARG_VALUE'],
    [{ address: 'fe80::1%no-such-one', port: 1 }, 'ERR_INVALID_ARG_VALUE'],
    [{ address: '1.2.3.4', port: 65536 }, 'ERR_OUT_OF_RANGE'],
    [{ address: '1.2.3.4', port: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ path: 'a\0b' }, 'ERR_INVALID_ARG_VALUE'],
    [{ path: 'a'.repeat(108) }, 'ERR_INVALID_ARG_VALUE'],
  ]
  for (const [target, code] of refused) assert.throws(() => encodeSocketAddress(target), { code })
  assert.equal(encodeSocketAddress({ path: 'a'.repeat(107) }).byteLength, 110)
  assert.equal(encodeSocketAddress({ path: `\0${'a'.repeat(107)}` }).byteLength, 110)
})

test('bytes of another family, and too few, decode to nothing', () => {
  assert.equal(decodeSocketAddress(new Uint8Array(0)), undefined)
  assert.equal(decodeSocketAddress(new Uint8Array(128)), undefined)
  assert.equal(decodeSocketAddress(Uint8Array.of(2, 0, 1, 1, 1)), undefined)
  const bytes = encodeSocketAddress({ address: '::1', port: 1 })
  assert.equal(decodeSocketAddress(bytes, 10), undefined)
  const unnamed = decodeSocketAddress(Uint8Array.of(1, 0, 47, 0), 2)
  assert.deepEqual(unnamed, { family: 'Unix', path: '' })
})
