import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompletionList } from './completion-list.js'

test('what overflows is kept, in order, and counted once', () => {
  const list = new CompletionList(4)
  for (let index = 0; index < 100; index++) list.post(index, 0, index * 2, 0)
  assert.equal(list.full, true)
  assert.equal(list.overflows, 1)
  const seen: number[] = []
  assert.equal(
    list.drain((userData, result) => {
      assert.equal(result, userData * 2)
      seen.push(userData)
    }),
    100,
  )
  assert.deepEqual(
    seen,
    Array.from({ length: 100 }, (_, index) => index),
  )
  assert.equal(list.full, false)
  assert.equal(list.counted, 100)
})

test('what a callback posts is seen in the same drain, up to a limit', () => {
  const list = new CompletionList(4)
  list.post(0, 0, 0, 0)
  let calls = 0
  list.drain(userData => {
    calls++
    if (userData < 10) list.post(userData + 1, 0, 0, 0)
  })
  assert.equal(calls, 11)
  let endless = 0
  list.post(0, 0, 0, 0)
  list.drain(() => {
    endless++
    list.post(0, 0, 0, 0)
  })
  assert.ok(endless < 10_000)
})

test('what a throwing callback has not seen is seen next time', () => {
  const list = new CompletionList(4)
  for (let index = 0; index < 10; index++) list.post(index, 0, 0, 0)
  const seen: number[] = []
  assert.throws(() =>
    list.drain(userData => {
      seen.push(userData)
      if (userData === 2) throw new Error('callback')
    }),
  )
  list.drain(userData => seen.push(userData))
  assert.deepEqual(
    seen,
    Array.from({ length: 10 }, (_, index) => index),
  )
})
