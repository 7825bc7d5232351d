import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatBytes, formatCount, visibleLength, wrap } from './layout.js'

test('no line is longer than the columns, unless a single word is', () => {
  const word = fc.string({ minLength: 1, maxLength: 30 }).map(text => text.replace(/\s/g, '_'))
  fc.assert(
    fc.property(fc.array(word, { minLength: 1 }), fc.integer({ min: 40, max: 100 }), (words, columns) => {
      const lines = wrap('  label   ', words, columns).split('\n')
      for (const line of lines) assert.ok(visibleLength(line) <= columns, line)
      assert.deepEqual(lines.map(line => line.slice(10)).join(' '), words.join(' '))
    }),
  )
})

test('colours take no column', () => {
  assert.equal(visibleLength('\u001b[32myes\u001b[39m'), 3)
  const words = Array.from({ length: 10 }, () => '\u001b[32mword\u001b[39m')
  assert.equal(wrap('', words, 49).split('\n').length, 1)
  assert.equal(wrap('', words, 48).split('\n').length, 2)
})

test('amounts are told in the largest unit that fits', () => {
  const amounts: [number, string][] = [
    [0, '0 bytes'],
    [1023, '1023 bytes'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [8 * 2 ** 20, '8 MiB'],
    [2 ** 40, '1 TiB'],
    [2 ** 60, '1024 PiB'],
  ]
  for (const [bytes, text] of amounts) assert.equal(formatBytes(bytes), text)
  assert.equal(formatCount(1234567), '1,234,567')
})
