import assert from 'node:assert/strict'
import { readSync } from 'node:fs'
import {
  IORING_OP,
  IORING_REGISTER,
  IORING_RESTRICTION,
  IORING_SETUP,
  IOSQE,
  syscall,
} from '../kernel/index.js'
import { prepareNop, prepareRead, prepareTimeout, prepareWrite, type Ring, usePersonality } from './index.js'
import { bytesOf, room } from './operation.test.support.js'
import {
  byUserData,
  completion,
  completions,
  fails,
  failure,
  reapAll,
  ringTest,
  type Stage,
} from './ring.test.support.js'

const EFD_NONBLOCK = 0o4000

function eventfd(stage: Stage): number {
  return stage.owns(syscall('eventfd2', 0, EFD_NONBLOCK))
}

/** How often an eventfd was signalled since the last time. */
function signals(fd: number): number {
  const count = new BigUint64Array(1)
  try {
    readSync(fd, count)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
    throw error
  }
  return Number(count[0])
}

ringTest('an eventfd is signalled with each completion until it is unregistered', stage => {
  const ring = stage.ring()
  const fd = eventfd(stage)
  ring.registerEventfd(fd)
  assert.equal(signals(fd), 0)
  prepareNop(ring.submissions, 1)
  completion(ring)
  assert.ok(signals(fd) > 0)
  assert.throws(() => ring.registerEventfd(fd), { code: 'EBUSY' })
  ring.unregisterEventfd()
  prepareNop(ring.submissions, 1)
  completion(ring)
  assert.equal(signals(fd), 0)
  assert.throws(() => ring.unregisterEventfd(), { code: 'ENXIO' })
})

ringTest('an eventfd for asynchronous completions is signalled by those of workers alone', stage => {
  const ring = stage.ring()
  const fd = eventfd(stage)
  ring.registerEventfd(fd, { asyncOnly: true })
  prepareNop(ring.submissions, 1)
  completion(ring)
  assert.equal(signals(fd), 0)
  prepareRead(ring.submissions, stage.file('x'), room(1), 0, 2)
  ring.submissions.mark(IOSQE.ASYNC)
  completion(ring)
  assert.ok(signals(fd) > 0)
})

ringTest('a restricted ring does what it may and nothing else', stage => {
  const ring = stage.ring({ flags: IORING_SETUP.R_DISABLED })
  const { SQE_OP, SQE_FLAGS_ALLOWED, REGISTER_OP } = IORING_RESTRICTION
  ring.restrict([
    { kind: SQE_OP, value: IORING_OP.NOP },
    { kind: SQE_OP, value: IORING_OP.READ },
    { kind: SQE_FLAGS_ALLOWED, value: IOSQE.IO_LINK },
    { kind: REGISTER_OP, value: IORING_REGISTER.ENABLE_RINGS },
    { kind: REGISTER_OP, value: IORING_REGISTER.FILES },
  ])
  ring.enable()
  const file = stage.file('allowed')
  prepareNop(ring.submissions, 1)
  prepareRead(ring.submissions, file, room(7), 0, 2)
  prepareWrite(ring.submissions, file, bytesOf('no'), 0, 3)
  prepareNop(ring.submissions, 4)
  ring.submissions.mark(IOSQE.ASYNC)
  const refused = failure('EACCES')
  assert.deepEqual(byUserData(completions(ring, 4)), { 1: 0, 2: 7, 3: refused, 4: refused })
  ring.registerFiles([file])
  assert.throws(() => ring.registerBuffers([room(8)]), { code: 'EACCES' })
})

ringTest('a ring made disabled does nothing before it is enabled', stage => {
  const ring = stage.ring({ flags: IORING_SETUP.R_DISABLED })
  prepareNop(ring.submissions, 1)
  assert.throws(() => ring.submit(), { code: 'EBADFD' })
  ring.enable()
  assert.deepEqual(completion(ring), { userData: 1, result: 0, flags: 0 })
  assert.throws(() => ring.enable(), { code: 'EBADFD' })
})

ringTest('an operation takes on a registered personality, and none that is not registered', stage => {
  const ring = stage.ring()
  const file = stage.file('mine')
  const id = ring.registerPersonality()
  assert.ok(id > 0)
  prepareRead(ring.submissions, file, room(4), 0, 1)
  usePersonality(ring.submissions, id)
  assert.equal(completion(ring).result, 4)
  ring.unregisterPersonality(id)
  prepareRead(ring.submissions, file, room(4), 0, 1)
  usePersonality(ring.submissions, id)
  assert.equal(completion(ring).result, failure('EINVAL'))
  assert.throws(() => ring.unregisterPersonality(id), { code: 'EINVAL' })
})

ringTest('the limits of workers are what they were set to', stage => {
  const ring = stage.ring({ workers: { bounded: 3, unbounded: 5 } })
  assert.deepEqual(ring.limitWorkers(0, 0), { bounded: 3, unbounded: 5 })
  assert.deepEqual(ring.limitWorkers(2, 0), { bounded: 3, unbounded: 5 })
  assert.deepEqual(ring.limitWorkers(0, 0), { bounded: 2, unbounded: 5 })
  for (const [bounded, unbounded] of [
    [-1, 0],
    [0, 65536],
    [1.5, 0],
  ] as const) {
    assert.throws(() => ring.limitWorkers(bounded, unbounded), { code: 'ERR_OUT_OF_RANGE' })
  }
})

ringTest('more blocking operations than workers all complete', stage => {
  const ring = stage.ring({ entries: 32, workers: { bounded: 1, unbounded: 1 } })
  const file = stage.file('x'.repeat(32))
  for (let index = 0; index < 32; index++) {
    prepareRead(ring.submissions, file, room(1), index, index)
    ring.submissions.mark(IOSQE.ASYNC)
  }
  for (const { result } of completions(ring, 32)) assert.equal(result, 1)
})

ringTest('workers are bound to CPUs and freed again', stage => {
  const ring = stage.ring()
  ring.bindWorkers([0])
  prepareRead(ring.submissions, stage.file('x'), room(1), 0, 1)
  ring.submissions.mark(IOSQE.ASYNC)
  assert.equal(completion(ring).result, 1)
  ring.bindWorkers()
  assert.throws(() => ring.bindWorkers([]), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => ring.bindWorkers([-1]), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => ring.bindWorkers([0.5]), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => ring.bindWorkers([1e9]), { code: 'ERR_OUT_OF_RANGE' })
})

ringTest('a ring shares another’s workers', stage => {
  const first = stage.ring({ workers: { bounded: 2, unbounded: 2 } })
  const second = stage.ring({ share: first })
  const file = stage.file('x')
  for (const ring of [first, second]) {
    prepareRead(ring.submissions, file, room(1), 0, 1)
    ring.submissions.mark(IOSQE.ASYNC)
    assert.equal(completion(ring).result, 1)
  }
})

ringTest('rings share one polling kernel thread', stage => {
  const first = stage.ring({ mode: 'sqpoll', sqThreadIdle: 10 })
  const second = stage.ring({ mode: 'sqpoll', sqThreadIdle: 10, share: first })
  for (let round = 0; round < 20; round++) {
    for (const ring of [first, second]) {
      prepareNop(ring.submissions, round)
      assert.equal(completion(ring).userData, round)
    }
  }
})

ringTest('what a kernel supports is asked once and answered for anything', stage => {
  const ring: Ring = stage.ring()
  assert.equal(ring.supports(IORING_OP.NOP), true)
  assert.equal(ring.supports(IORING_OP.READ), true)
  for (const wrong of [255, 256, 1e9, -1, 0.5, Number.NaN]) {
    assert.equal(ring.supports(wrong), false, `${wrong}`)
  }
})

ringTest('an unknown registration is refused by the kernel, in its words', stage => {
  const ring = stage.ring()
  assert.throws(() => ring.register(9999, 0, 0), { code: 'EINVAL', syscall: 'io_uring_register' })
  const time = new Uint32Array(new ArrayBuffer(16))
  prepareTimeout(ring.submissions, time, 0, 0, 1)
  assert.equal(completion(ring).result, failure('ETIME'))
  assert.deepEqual(reapAll(ring), [])
})

ringTest('busy polling is said, and said again when it changes', stage => {
  const ring = stage.ring()
  const off = { busyPollUs: 0, prefer: false }
  const before = { value: off }
  const register = (options: { busyPollUs: number; prefer?: boolean }) => {
    before.value = ring.registerNapi(options)
  }
  if (fails('EINVAL', () => register({ busyPollUs: 50, prefer: true }))) {
    return stage.skip('busy polling needs kernel 6.9')
  }
  assert.deepEqual(before.value, off)
  register({ busyPollUs: 7 })
  assert.deepEqual(before.value, { busyPollUs: 50, prefer: true })
  assert.deepEqual(ring.unregisterNapi(), { busyPollUs: 7, prefer: false })
  assert.deepEqual(ring.unregisterNapi(), off)
})

ringTest('a limited wait goes by either clock, and by no other', stage => {
  const ring = stage.ring()
  if (fails('EINVAL', () => ring.setClock('boottime'))) return stage.skip('clocks need kernel 6.12')
  prepareRead(ring.submissions, stage.pipe()[0], room(1), -1, 1)
  for (const clock of ['boottime', 'monotonic'] as const) {
    ring.setClock(clock)
    ring.submit(1, 1)
    assert.deepEqual(reapAll(ring), [])
  }
  assert.throws(() => ring.setClock('realtime' as 'boottime'), { code: 'ERR_INVALID_ARG_VALUE' })
})

ringTest('a ring that polls its devices carries out what needs none', stage => {
  const ring = stage.ring({ flags: IORING_SETUP.IOPOLL })
  prepareNop(ring.submissions, 1)
  assert.deepEqual(completion(ring), { userData: 1, result: 0, flags: 0 })
  // Only Direct I/O is polled for.
  prepareRead(ring.submissions, stage.file('x'), room(1), 0, 2)
  assert.deepEqual(completion(ring), { userData: 2, result: failure('EOPNOTSUPP'), flags: 0 })
})
