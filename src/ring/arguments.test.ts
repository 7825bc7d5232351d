import assert from 'node:assert/strict'
import { IORING_SETUP } from '../kernel/index.js'
import { prepareNop, Ring, type RingOptions } from './index.js'
import { room } from './operation.test.support.js'
import { completion, reapAll, ringTest } from './ring.test.support.js'

const RANGE = 'ERR_OUT_OF_RANGE'
const TYPE = 'ERR_INVALID_ARG_TYPE'
const VALUE = 'ERR_INVALID_ARG_VALUE'

/** Numbers that are no sizes, and things that are no numbers. */
const NO_SIZES = [0, -1, 1.5, Number.NaN, Infinity, -Infinity, Number.MAX_SAFE_INTEGER]
const NO_NUMBERS = ['8', null, true, {}, [], 8n, Symbol.iterator, () => 8]

function refuses(code: string, options: Record<string, unknown>): void {
  const text = Object.entries(options).map(([name, value]) => `${name}: ${String(value)}`)
  assert.throws(() => new Ring(options as RingOptions).close(), { code }, text.join())
}

for (const name of ['entries', 'completionEntries']) {
  ringTest(`a ring is made of a sensible number of ${name} only`, () => {
    for (const value of NO_SIZES) refuses(RANGE, { [name]: value })
    for (const value of NO_NUMBERS) refuses(TYPE, { [name]: value })
    refuses(RANGE, { [name]: name === 'entries' ? 32769 : 65537 })
  })
}

ringTest('other options of a ring are checked too', () => {
  for (const name of ['sqThreadIdle', 'sqThreadCpu', 'flags']) {
    for (const value of [-2, 0.5, Number.NaN, 2 ** 31]) refuses(RANGE, { mode: 'sqpoll', [name]: value })
    for (const value of NO_NUMBERS) refuses(TYPE, { mode: 'sqpoll', [name]: value })
  }
  for (const mode of ['', 'fast', 'toString', 1, null]) refuses(VALUE, { mode })
  for (const bounded of [-1, 65536, 0.5]) refuses(RANGE, { workers: { bounded, unbounded: 1 } })
  refuses(TYPE, { workers: { bounded: '1', unbounded: 1 } })
})

ringTest('sizes are rounded up to powers of two', stage => {
  for (const [asked, got] of [
    [1, 1],
    [3, 4],
    [100, 128],
  ] as const) {
    const ring = stage.ring({ entries: asked })
    assert.equal(ring.submissions.capacity, got)
    assert.equal(ring.completions.capacity, got * 4)
  }
})

ringTest('fewer completions than submissions are refused by the kernel, in its words', () => {
  assert.throws(() => new Ring({ entries: 8, completionEntries: 4 }), {
    code: 'EINVAL',
    syscall: 'io_uring_setup',
  })
})

ringTest('the largest ring works', stage => {
  const ring = stage.ring({ entries: 32768 })
  assert.equal(ring.completions.capacity, 65536)
  for (let userData = 0; userData < 32768; userData++) assert.ok(prepareNop(ring.submissions, userData))
  assert.equal(prepareNop(ring.submissions, 0), false)
  assert.equal(ring.submit(32768), 32768)
  assert.equal(reapAll(ring).length, 32768)
})

ringTest('a ring that could not be set up leaves no descriptor behind', () => {
  const fds = new Set<number>()
  for (let round = 0; round < 20; round++) {
    refuses(RANGE, { workers: { bounded: -1, unbounded: 1 } })
    const ring = new Ring({ entries: 1 })
    fds.add(ring.fd)
    ring.close()
  }
  assert.equal(fds.size, 1)
})

ringTest('waits are checked, and leave the ring as it was', stage => {
  const ring = stage.ring()
  prepareNop(ring.submissions, 1)
  for (const time of [-1, -Infinity, Number.NaN]) {
    assert.throws(() => ring.submit(1, time), { code: RANGE }, `${time}`)
  }
  for (const time of ['1', null, {}]) {
    assert.throws(() => ring.submit(1, time as never), { code: TYPE }, `${time}`)
  }
  assert.throws(() => ring.submit(1, 1, -1), { code: RANGE })
  // To the kernel -1 is more than four thousand million: it would wait for ever.
  for (const count of [-1, -Infinity, Infinity, Number.NaN, 2 ** 31]) {
    assert.throws(() => ring.submit(count), { code: RANGE }, `${count}`)
    assert.throws(() => ring.submit(count, 1), { code: RANGE }, `${count}`)
  }
  assert.throws(() => ring.submit('all' as never), { code: TYPE })
  assert.equal(completion(ring).userData, 1)
})

ringTest('a wait may be as long as can be said', stage => {
  const ring = stage.ring()
  for (const time of [Number.MAX_SAFE_INTEGER, 2 ** 31, 1e12, 0.000001]) {
    prepareNop(ring.submissions, 1)
    ring.submit(1, time)
    assert.equal(reapAll(ring).length, 1)
  }
})

ringTest('what is to be cancelled must be said in numbers', stage => {
  const ring = stage.ring()
  for (const target of [
    { userData: -1 },
    { userData: 1.5 },
    { userData: 2 ** 54 },
    { fd: -1 },
    { fd: 2 ** 31 },
  ]) {
    assert.throws(() => ring.cancelNow(target), { code: RANGE }, JSON.stringify(target))
  }
  for (const target of [{ userData: '1' }, { fd: null }, { operation: {} }]) {
    assert.throws(() => ring.cancelNow(target as never), { code: TYPE }, JSON.stringify(target))
  }
  assert.throws(() => ring.cancelNow({ any: true, timeoutMs: -1 }), { code: RANGE })
})

ringTest('limits and personalities must be numbers that can be', stage => {
  const ring = stage.ring()
  ring.registerFiles(4)
  for (const wrong of [-1, 0.5, 2 ** 33]) {
    assert.throws(() => ring.limitFileAllocation(wrong, 1), { code: RANGE }, `${wrong}`)
    assert.throws(() => ring.limitFileAllocation(1, wrong), { code: RANGE }, `${wrong}`)
    assert.throws(() => ring.unregisterPersonality(wrong), { code: RANGE }, `${wrong}`)
    assert.throws(() => ring.registerEventfd(wrong), { code: RANGE }, `${wrong}`)
  }
  assert.throws(() => ring.limitFileAllocation(3, 2), { code: 'EINVAL' })
  assert.throws(() => ring.registerEventfd(0), { code: 'EINVAL' })
  assert.throws(() => ring.restrict('all' as never), { code: TYPE })
  assert.throws(() => ring.restrict([{ kind: -1, value: 0 }]), { code: RANGE })
  assert.throws(() => ring.restrict([{ kind: 1, value: 256 }]), { code: RANGE })
})

ringTest('memory that is detached is refused', stage => {
  const ring = stage.ring()
  const bytes = room(128)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
  assert.throws(() => ring.registerBuffers([bytes]))
  assert.deepEqual(ring.buffers, [])
})

ringTest('flags of set-up that contradict one another are refused by the kernel', () => {
  assert.throws(() => new Ring({ mode: 'sqpoll', flags: IORING_SETUP.DEFER_TASKRUN }), { code: 'EINVAL' })
})

ringTest(
  'a ring that is closed, or none at all, is nothing to share workers with or take buffers from',
  stage => {
    const closed = new Ring({ entries: 1 })
    const { fd } = closed
    closed.close()
    // Has the number of the one that is closed.
    const other = stage.ring()
    assert.equal(other.fd, fd)
    other.registerBuffers([room(16)])
    const ring = stage.ring()
    for (const none of [{}, { fd }, fd, null, 'ring']) {
      refuses(TYPE, { share: none })
      assert.throws(() => ring.cloneBuffers(none as Ring), { code: TYPE })
    }
    refuses('ERR_SLUICE_CLOSED', { share: closed })
    assert.throws(() => ring.cloneBuffers(closed), { code: 'ERR_SLUICE_CLOSED' })
    assert.deepEqual(ring.buffers, [])
  },
)
