import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PendingTable } from './pending.js'

function entry(userData: number): Int32Array {
  const words = new Int32Array(16)
  words[8] = userData
  words[9] = Math.floor(userData / 2 ** 32)
  return words
}

test('operations of one user data are all found, whichever ends first', () => {
  const table = new PendingTable()
  const key = 2 ** 40 + 5
  const [a, b, c] = [table.take(entry(key), 0), table.take(entry(key), 0), table.take(entry(key), 0)]
  const other = table.take(entry(5), 0)
  assert.deepEqual(new Set(table.list(key)), new Set([a, b, c]))
  assert.equal(table.list().length, 4)
  table.release(b)
  assert.deepEqual(new Set(table.list(key)), new Set([a, c]))
  table.release(c)
  assert.deepEqual(table.list(key), [a])
  table.rename(a, 5)
  assert.deepEqual(table.list(key), [])
  assert.deepEqual(new Set(table.list(5)), new Set([a, other]))
  table.release(other)
  table.release(a)
  assert.deepEqual([table.size, table.list().length], [0, 0])
})

test('an operation is made once and used over and over', () => {
  const table = new PendingTable()
  const first = table.take(entry(1), 0)
  first.done = 5
  table.release(first)
  const second = table.take(entry(2), 0)
  assert.equal(second, first)
  assert.deepEqual([second.done, second.userData, second.state], [0, 2, 'starting'])
})
