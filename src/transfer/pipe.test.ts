import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CAP, hasCapability, syscall } from '../kernel/index.js'
import { countAfterEach, openDescriptors } from './ends.test.support.js'
import { Pipe, PipePool } from './index.js'

countAfterEach()

const limit = (name: string) => Number(readFileSync(`/proc/sys/fs/${name}`, 'utf8'))
const ordinary = !hasCapability(CAP.SYS_RESOURCE) && !hasCapability(CAP.SYS_ADMIN)

test('a pipe is as large as asked for, keeps bytes in order, and is closed', () => {
  const before = openDescriptors()
  const pipe = new Pipe({ capacity: 2 ** 19 })
  assert.equal(pipe.capacity, 2 ** 19)
  assert.equal(pipe.reduced, undefined)
  assert.equal(pipe.pending, 0)
  const bytes = new Uint8Array(new ArrayBuffer(1000)).map((_, index) => index)
  assert.equal(syscall('write', pipe.writeFd, bytes, 1000), 1000)
  assert.equal(pipe.pending, 1000)
  assert.deepEqual(pipe.read(10), bytes.slice(0, 10))
  assert.deepEqual(pipe.read(), bytes.slice(10))
  assert.equal(pipe.pending, 0)
  assert.equal(pipe.read().length, 0)
  pipe.close()
  pipe.close()
  assert.ok(pipe.closed)
  assert.equal(openDescriptors(), before)
})

test('a pipe that may not be as large as asked for is the largest that may, and says why', t => {
  if (!ordinary) return t.skip('the limits on pipes do not hold for the superuser')
  const most = limit('pipe-max-size')
  using pipe = new Pipe({ capacity: most * 4 })
  assert.equal(pipe.capacity, most)
  assert.match(pipe.reduced ?? '', /EPERM.*pipe-max-size/)
})

test('beyond what a user may have in pipes, they still work', t => {
  if (!ordinary) return t.skip('the limits on pipes do not hold for the superuser')
  const soft = limit('pipe-user-pages-soft') * 4096
  const pipes: Pipe[] = []
  try {
    // Others of this user have some, so that it may come sooner.
    for (let bytes = 0; bytes <= soft + 2 ** 20; bytes += 2 ** 20) pipes.push(new Pipe())
    const small = pipes.filter(pipe => pipe.capacity < 2 ** 20)
    assert.ok(small.length > 0)
    const last = pipes.at(-1) as Pipe
    assert.match(last.reduced ?? '', /pipe-user-pages-soft/)
    assert.ok(last.capacity >= 4096)
    assert.equal(syscall('write', last.writeFd, new Uint8Array(new ArrayBuffer(100)), 100), 100)
    assert.equal(last.read().length, 100)
  } finally {
    for (const pipe of pipes) pipe.close()
  }
})

test('a pool enlarges a pipe that was reduced as soon as that is allowed', t => {
  if (!ordinary) return t.skip('the limits on pipes do not hold for the superuser')
  const soft = limit('pipe-user-pages-soft') * 4096
  const held: Pipe[] = []
  using pool = new PipePool({ pipes: 1 })
  try {
    for (let bytes = 0; bytes <= soft + 2 ** 20; bytes += 2 ** 20) held.push(new Pipe())
    const pipe = pool.take() as Pipe
    assert.notEqual(pipe.reduced, undefined)
    pool.release(pipe)
  } finally {
    for (const pipe of held) pipe.close()
  }
  const again = pool.take() as Pipe
  assert.deepEqual([again.capacity, again.reduced], [2 ** 20, undefined])
  assert.equal(pool.stats().made, 1)
  pool.release(again)
})

test('a pool hands an empty pipe out again, and never one with bytes in it', () => {
  using pool = new PipePool({ pipes: 2, capacity: 65536 })
  const pipe = pool.take() as Pipe
  pool.release(pipe)
  assert.equal(pool.take(), pipe)
  syscall('write', pipe.writeFd, new Uint8Array(new ArrayBuffer(100)), 100)
  pool.release(pipe)
  assert.ok(pipe.closed)
  const other = pool.take() as Pipe
  assert.notEqual(other, pipe)
  assert.equal(other.pending, 0)
  assert.deepEqual(pool.stats(), { open: 1, idle: 0, waiting: 0, made: 2, discarded: 1, reduced: undefined })
  pool.release(other)
})

test('a pool has no more pipes than its bound; who waits gets one in turn', async () => {
  using pool = new PipePool({ pipes: 2, capacity: 4096, maxWaiting: 2 })
  const [one, other] = [pool.take() as Pipe, await pool.acquire()]
  assert.equal(pool.take(), undefined)
  const order: string[] = []
  const wait = async (name: string) => {
    const pipe = await pool.acquire()
    order.push(name)
    return pipe
  }
  const [first, second] = [wait('first'), wait('second')]
  await assert.rejects(pool.acquire(), { code: 'ERR_SLUICE_QUEUE_FULL' })
  assert.equal(pool.stats().waiting, 2)
  pool.release(other)
  assert.equal(await first, other)
  pool.release(one)
  assert.equal(await second, one)
  assert.deepEqual(order, ['first', 'second'])
  pool.release(one)
  pool.release(other)
  assert.throws(() => pool.release(one), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.equal(pool.trim(), 2)
  assert.equal(pool.stats().open, 0)
})

test('who no longer waits for a pipe leaves their place to others', async () => {
  using pool = new PipePool({ pipes: 1, capacity: 4096, maxWaiting: 2 })
  const pipe = pool.take() as Pipe
  for (let count = 0; count < 2; count++) {
    const abort = new AbortController()
    const gone = pool.acquire(abort.signal)
    abort.abort()
    await assert.rejects(gone, { name: 'AbortError' })
  }
  assert.equal(pool.stats().waiting, 0)
  const next = pool.acquire()
  pool.release(pipe)
  assert.equal(await next, pipe)
  pool.release(pipe)
})

test('who no longer waits for a pipe is passed over', async () => {
  using pool = new PipePool({ pipes: 1, capacity: 4096 })
  const pipe = pool.take() as Pipe
  const abort = new AbortController()
  const gone = pool.acquire(abort.signal)
  const next = pool.acquire()
  abort.abort()
  await assert.rejects(gone, { name: 'AbortError' })
  await assert.rejects(pool.acquire(abort.signal), { name: 'AbortError' })
  pool.release(pipe)
  assert.equal(await next, pipe)
  pool.release(pipe)
})

test('closing a pool turns away who waits, and closes pipes as they come back', async () => {
  const before = openDescriptors()
  const pool = new PipePool({ pipes: 1, capacity: 4096 })
  const pipe = pool.take() as Pipe
  const waiting = pool.acquire()
  pool.close()
  await assert.rejects(waiting, { code: 'ERR_SLUICE_CLOSED' })
  assert.throws(() => pool.take(), { code: 'ERR_SLUICE_CLOSED' })
  pool.release(pipe)
  assert.ok(pipe.closed)
  assert.equal(openDescriptors(), before)
})

test('options are checked', () => {
  assert.throws(() => new Pipe({ capacity: 0 }), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => new Pipe(1 as never), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => new PipePool({ pipes: 0 }), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => new PipePool({ capacity: 1.5 }), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => new PipePool(1 as never), { code: 'ERR_INVALID_ARG_TYPE' })
})
