import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { IORING_OP, lockedMemory } from '#dist/kernel/index.js'
import { Arena } from '#dist/memory/index.js'
import { prepareReadFixed, Ring } from '#dist/ring/index.js'

/** Runs a test with a ring, or skips it where there is none to be had. */
function withRing(t: TestContext, use: (ring: Ring) => void): void {
  let ring: Ring
  try {
    ring = new Ring({ entries: 8, mode: 'dedicated' })
  } catch (error) {
    t.skip(`no ring can be had here: ${(error as Error).message}`)
    return
  }
  try {
    use(ring)
  } finally {
    ring.close()
  }
}

test('the kernel reads into a registered block, and not any more once it is unregistered', t =>
  withRing(t, ring => {
    using arena = new Arena({ blockSize: 8192, blocks: 4 })
    assert.deepEqual(arena.register(ring), { registered: true, index: 0, count: 1 })
    const fd = openSync('/dev/zero', 'r')
    const block = arena.take()
    assert.ok(block !== undefined)
    block.bytes.fill(1)
    const read = () => {
      assert.ok(prepareReadFixed(ring.submissions, fd, block.bytes, block.bufferIndex, 0, 1))
      ring.submit(1)
      let result = 0
      ring.reap((_, value) => {
        result = value
      })
      return result
    }
    assert.equal(read(), 8192)
    assert.ok(block.bytes.every(byte => byte === 0))
    block.release()
    closeSync(fd)
    arena.unregister()
    assert.deepEqual(ring.buffers, [])
  }))

test('several arenas share a sparse table, and each leaves its places empty', t =>
  withRing(t, ring => {
    ring.registerBuffers(3)
    const arenas = [0, 1, 2].map(() => new Arena({ blockSize: 4096, blocks: 1 }))
    for (const [index, arena] of arenas.entries()) {
      assert.deepEqual(arena.register(ring), { registered: true, index, count: 1 })
    }
    using late = new Arena({ blockSize: 4096, blocks: 1 })
    assert.equal(late.register(ring).registered, false)
    arenas[1]?.[Symbol.dispose]()
    assert.equal(ring.buffers[1], null)
    assert.deepEqual(late.register(ring), { registered: true, index: 1, count: 1 })
    for (const arena of arenas) arena[Symbol.dispose]()
    assert.ok(ring.supports(IORING_OP.READ_FIXED))
  }))

test('an arena beyond the memlock limit works unregistered and says what is missing', t =>
  withRing(t, ring => {
    const { limit, unlimited } = lockedMemory()
    if (unlimited || limit > 2 ** 28) return void t.skip('this user may lock as much memory as it likes')
    using arena = new Arena({ blockSize: 2 ** 16, blocks: Math.ceil(limit / 2 ** 16) + 1 })
    const answer = arena.register(ring)
    assert.ok(!answer.registered)
    assert.equal(answer.code, 'ENOMEM')
    assert.ok(answer.reason.includes(`RLIMIT_MEMLOCK is ${limit} bytes`), answer.reason)
    using block = arena.take()
    assert.equal(block?.bufferIndex, -1)
  }))
