import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Pending } from './pending.js'
import { TimerHeap } from './timer-heap.js'

function due(deadline: number, index: number): Pending {
  const pending = new Pending(index)
  pending.deadline = deadline
  return pending
}

function drain(heap: TimerHeap): number[] {
  const order: number[] = []
  for (let { first } = heap; first !== undefined; first = heap.first) {
    heap.remove(first)
    order.push(first.index)
  }
  return order
}

test('the earliest comes first, and of one time the first to be added', () => {
  const heap = new TimerHeap()
  const deadlines = [5, 1, 3, 1, 5, 3, 1]
  for (const [index, deadline] of deadlines.entries()) heap.push(due(deadline, index))
  assert.deepEqual(drain(heap), [1, 3, 6, 2, 5, 0, 4])
})

test('what is taken out from anywhere leaves the rest in order', () => {
  let seed = 7
  const random = () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return seed >>> 16
  }
  for (let round = 0; round < 50; round++) {
    const heap = new TimerHeap()
    const all = Array.from({ length: 100 }, (_, index) => due(random() % 40, index))
    for (const pending of all) heap.push(pending)
    const left = all.filter(pending => {
      const stays = random() % 3 > 0
      if (!stays) heap.remove(pending)
      return stays
    })
    for (const pending of all.filter(each => !left.includes(each))) heap.remove(pending)
    const expected = left.toSorted((a, b) => a.deadline - b.deadline || a.index - b.index)
    assert.deepEqual(
      drain(heap),
      expected.map(pending => pending.index),
    )
  }
})
