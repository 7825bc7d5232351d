import assert from 'node:assert/strict'
import { test } from 'node:test'
import { counted, plainText, shortText, sizeText } from './quantity.js'

test('sizes are in the unit in which they are short', () => {
  const cases: [number, string][] = [
    [1, '1 B'],
    [4096, '4 KiB'],
    [65536, '64 KiB'],
    [1 << 20, '1 MiB'],
    [1.5 * 2 ** 30, '1.5 GiB'],
  ]
  for (const [bytes, text] of cases) assert.equal(sizeText(bytes), text)
})

test('a number in a table never takes more than five characters', () => {
  for (let exponent = -6; exponent < 11; exponent++) {
    for (let digit = 1; digit < 10; digit += 0.0871) {
      const text = shortText(digit * 10 ** exponent)
      assert.ok(text.length <= 5, text)
    }
  }
  for (const value of [9.995, 99.95, 999.5, 9999.5, 99_950, 999_500, 999_999_999]) {
    assert.ok(shortText(value).length <= 5, shortText(value))
  }
})

test('a number in a table is not far from what it stands for', () => {
  const cases: [number | null, string][] = [
    [0, '0'],
    [0.016, '0.016'],
    [0.25, '0.25'],
    [2.134, '2.13'],
    [12.34, '12.3'],
    [1850, '1850'],
    [23_400, '23.4k'],
    [1_048_576, '1.05M'],
    [null, '–'],
    [Number.NaN, '–'],
    [Infinity, '–'],
  ]
  for (const [value, text] of cases) assert.equal(shortText(value), text)
})

test('numbers in sentences are round', () => {
  assert.equal(plainText(1_048_576.4), '1,048,576')
  assert.equal(plainText(28.4), '28')
  assert.equal(plainText(1.44), '1.4')
  assert.equal(plainText(0.0156), '0.02')
  assert.equal(plainText(0), '0')
  assert.equal(counted(1, 'row'), '1 row')
  assert.equal(counted(3, 'row'), '3 rows')
})
