import assert from 'node:assert/strict'
import { constants } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import { PAGE_SIZE, systemError } from '../kernel/index.js'
import { Arena, type ArenaOptions, type Block, type BufferTable, pin, regionOf, unpin } from './index.js'

function take(arena: Arena): Block {
  const block = arena.take()
  assert.ok(block !== undefined)
  return block
}

test('blocks are of the size asked for, on a page each, and never overlap', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 30 }), (blockSize, blocks) => {
      using arena = new Arena({ blockSize, blocks })
      const out = Array.from({ length: blocks }, () => take(arena))
      assert.equal(arena.take(), undefined)
      for (const block of out) {
        assert.equal(block.bytes.length, blockSize)
        assert.equal(block.address % PAGE_SIZE, 0)
        assert.equal(block.address, regionOf(block.bytes.buffer).address + block.bytes.byteOffset)
        block.bytes.fill(block.index + 1)
      }
      for (const block of out) assert.ok(block.bytes.every(byte => byte === block.index + 1))
      assert.equal(new Set(out.map(block => block.index)).size, blocks)
      for (const block of out) block.release()
    }),
    { numRuns: 30 },
  )
})

test('whatever is taken and released, each block is out once at most and the counts add up', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 200 }), steps => {
      using arena = new Arena({ blockSize: 100, blocks: 5 })
      const out: Block[] = []
      for (const step of steps) {
        if (step < 6) {
          const block = arena.take()
          assert.equal(block === undefined, out.length === 5)
          if (block !== undefined) {
            assert.ok(!out.includes(block))
            out.push(block)
          }
        } else {
          const [block] = out.splice(step % 5, 1)
          if (block !== undefined) arena.release(block)
        }
        assert.equal(arena.inUse, out.length)
        assert.equal(arena.available, 5 - out.length)
      }
      for (const block of out) block.release()
    }),
    { numRuns: 100 },
  )
})

test('the block given back last is handed out first', () => {
  using arena = new Arena({ blockSize: 1, blocks: 4 })
  const [first, second] = [take(arena), take(arena)]
  second.release()
  first.release()
  assert.equal(take(arena), first)
  first.release()
})

test('those who wait are served in the order they came', async () => {
  const arena = new Arena({ blockSize: 1, blocks: 1 })
  const block = take(arena)
  const order: number[] = []
  const waits = [0, 1, 2].map(async index => {
    using mine = await arena.acquire()
    assert.equal(mine, block)
    order.push(index)
  })
  assert.equal(arena.waiting, 3)
  block.release()
  await Promise.all(waits)
  assert.deepEqual(order, [0, 1, 2])
  assert.equal(arena.inUse, 0)
  await arena.close()
})

test('an arena that rejects does so at once, one that waits when too many do', async () => {
  const full = { code: 'ERR_SLUICE_QUEUE_FULL' }
  using strict = new Arena({ blockSize: 1, blocks: 1, exhausted: 'reject' })
  const held = await strict.acquire()
  await assert.rejects(strict.acquire(), full)
  held.release()

  using arena = new Arena({ blockSize: 1, blocks: 1, maxWaiting: 2 })
  const block = await arena.acquire()
  const waits = [arena.acquire(), arena.acquire()]
  await assert.rejects(arena.acquire(), full)
  block.release()
  for (const wait of waits) (await wait).release()
})

test('an abort ends a wait, before it and during it, and takes no block with it', async () => {
  using arena = new Arena({ blockSize: 1, blocks: 1 })
  const reason = new Error('enough')
  const aborted = { name: 'AbortError', code: 'ABORT_ERR', cause: reason }
  const early = AbortSignal.abort(reason)
  await assert.rejects(arena.acquire({ signal: early }), aborted)
  assert.equal(arena.inUse, 0)

  const block = take(arena)
  const controller = new AbortController()
  const wait = arena.acquire({ signal: controller.signal })
  const after = arena.acquire()
  controller.abort(reason)
  await assert.rejects(wait, aborted)
  block.release()
  const late = new AbortController()
  ;(await after).release()
  const served = await arena.acquire({ signal: late.signal })
  late.abort()
  assert.equal(arena.inUse, 1)
  served.release()
})

test('a block is released once, and to its own arena', () => {
  const value = { code: 'ERR_INVALID_ARG_VALUE' }
  using arena = new Arena({ blockSize: 1, blocks: 2 })
  using other = new Arena({ blockSize: 1, blocks: 2 })
  const block = take(arena)
  assert.throws(() => other.release(block), value)
  block.release()
  assert.throws(() => block.release(), value)
  assert.throws(() => arena.release({} as Block), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => arena.release(undefined as unknown as Block), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.equal(arena.available, 2)
})

test('close waits for the blocks that are out, and turns away whoever waits for one', async () => {
  const closed = { code: 'ERR_SLUICE_CLOSED' }
  const arena = new Arena({ blockSize: 10, blocks: 1 })
  const block = take(arena)
  const wait = arena.acquire()
  assert.throws(() => arena[Symbol.dispose](), { code: 'ERR_SLUICE_IN_FLIGHT' })
  const ending = arena.close()
  await assert.rejects(wait, closed)
  await assert.rejects(arena.acquire(), closed)
  assert.throws(() => arena.take(), closed)
  assert.equal(arena.closed, true)
  assert.equal(block.bytes.length, 10)
  block.release()
  await ending
  await arena.close()
  arena[Symbol.dispose]()
  assert.equal(block.bytes.length, 0)
  assert.equal(arena.available, 0)
})

test('a slab that operations hold is unmapped when the last of them lets go', () => {
  const arena = new Arena({ blockSize: 10, blocks: 1 })
  const block = take(arena)
  const region = regionOf(block.bytes.buffer)
  pin(region)
  block.release()
  arena[Symbol.dispose]()
  assert.ok(region.idle !== undefined)
  unpin(region)
  assert.equal(region.idle, undefined)
})

test('wrong types and numbers are refused', async () => {
  const range = { code: 'ERR_OUT_OF_RANGE' }
  const type = { code: 'ERR_INVALID_ARG_TYPE' }
  const value = { code: 'ERR_INVALID_ARG_VALUE' }
  const make = (options: unknown) => () => new Arena(options as ArenaOptions)
  for (const number of [0, -1, 0.5, NaN, 2 ** 60]) {
    assert.throws(make({ blockSize: number, blocks: 1 }), range)
    assert.throws(make({ blockSize: 1, blocks: number }), range)
  }
  assert.throws(make({ blockSize: constants.MAX_LENGTH, blocks: 1000 }), range)
  assert.throws(make({ blockSize: 1, blocks: 1, maxWaiting: -1 }), range)
  for (const options of [undefined, null, {}, { blockSize: 1 }, { blockSize: '1', blocks: 1 }]) {
    assert.throws(make(options), type)
  }
  assert.throws(make({ blockSize: 1, blocks: 1, exhausted: 'drop' }), value)
  assert.throws(make({ blockSize: 1, blocks: 1, hugePages: '4KiB' }), value)
  using arena = new Arena({ blockSize: 1, blocks: 1 })
  await assert.rejects(arena.acquire({ signal: {} as AbortSignal }), type)
  assert.throws(() => arena.register({} as BufferTable), type)
})

/** A ring's table of buffers, as far as an arena sees it. */
class Table implements BufferTable {
  buffers: (ArrayBufferView | null)[] = []
  isOpen = true
  failure: Error | undefined

  registerBuffers(buffers: readonly ArrayBufferView[]): void {
    if (this.failure !== undefined) throw this.failure
    this.buffers = [...buffers]
  }

  updateBuffers(offset: number, buffers: readonly (ArrayBufferView | null)[]): void {
    this.buffers.splice(offset, buffers.length, ...buffers)
  }

  unregisterBuffers(): void {
    this.buffers = []
  }
}

test('registered, every block knows its buffer, until it is unregistered', () => {
  const ring = new Table()
  using arena = new Arena({ blockSize: 4096, blocks: 4 })
  const block = take(arena)
  assert.equal(block.bufferIndex, -1)
  assert.deepEqual(arena.register(ring), { registered: true, index: 0, count: 1 })
  assert.equal(block.bufferIndex, 0)
  assert.throws(() => arena.register(new Table()), { code: 'ERR_INVALID_ARG_VALUE' })
  arena.unregister()
  assert.equal(block.bufferIndex, -1)
  assert.deepEqual(ring.buffers, [])
  assert.equal(arena.registration, undefined)
  block.release()
})

test('a slab beyond 1 GiB takes several buffers, and no block lies in two', () => {
  const ring = new Table()
  ring.buffers = [null, new Uint8Array(1), null, null, null]
  const size = 3 * 2 ** 20
  using arena = new Arena({ blockSize: size, blocks: 700 })
  assert.deepEqual(arena.register(ring), { registered: true, index: 2, count: 3 })
  const out = Array.from({ length: 700 }, () => take(arena))
  for (const block of out) {
    const buffer = ring.buffers[block.bufferIndex] as Uint8Array
    assert.ok(block.bytes.byteOffset >= buffer.byteOffset)
    assert.ok(block.bytes.byteOffset + size <= buffer.byteOffset + buffer.length)
    assert.ok(buffer.length <= 2 ** 30)
  }
  arena.unregister()
  assert.deepEqual(ring.buffers, [null, new Uint8Array(1), null, null, null])
  for (const block of out) block.release()
})

test('where memory cannot be locked or the table is full, the reason is given and the blocks work', () => {
  const ring = new Table()
  ring.failure = systemError(12, 'io_uring_register')
  using arena = new Arena({ blockSize: 4096, blocks: 4 })
  const refused = arena.register(ring)
  assert.equal(refused.registered, false)
  assert.equal(refused.registered === false && refused.code, 'ENOMEM')
  assert.match(refused.registered === false ? refused.reason : '', /16384 bytes/)
  const block = take(arena)
  assert.equal(block.bufferIndex, -1)
  block.bytes.fill(1)
  block.release()

  const full = new Table()
  full.buffers = [new Uint8Array(1)]
  assert.equal(arena.register(full).registered, false)
  ring.failure = systemError(9, 'io_uring_register')
  assert.throws(() => arena.register(ring), { code: 'EBADF' })
})
