import assert from 'node:assert/strict'
import { addressOf, IOSQE, timespec } from '../kernel/index.js'
import { prepareNop, prepareReadAt, prepareTimeout } from '../ring/index.js'
import { driverTest, room } from './driver-test.test.support.js'
import type { ChainedOperation } from './index.js'

const NOP: ChainedOperation = { syscall: 'nop', prepare: prepareNop }

driverTest('operations beyond the limit wait, and then all are carried out', async kit => {
  const engine = kit.engine({ maxInFlight: 4 })
  const fd = kit.file('0123456789')
  let most = 0
  const reads = Array.from({ length: 100 }, async (_, index) => {
    const buffer = room(1)
    most = Math.max(most, engine.stats().inFlight)
    assert.equal(await engine.read(fd, buffer, 0, 1, index % 10), 1)
    assert.equal(buffer[0], 48 + (index % 10))
  })
  assert.equal(engine.stats().waiting, 96)
  await Promise.all(reads)
  assert.equal(most, 4)
  assert.equal(engine.stats().waiting, 0)
  assert.equal(engine.stats().submissions, 100)
  assert.ok(engine.stats().waits >= 96)
})

driverTest('where too many wait, the next is refused and nothing else is', async kit => {
  const engine = kit.engine({ maxInFlight: 2, maxWaiting: 3 })
  const [reader] = kit.pipe()
  const reads = Array.from({ length: 5 }, () => engine.read(reader, room(1), 0, 1, -1))
  const settled = Promise.allSettled(reads)
  await assert.rejects(engine.read(reader, room(1), 0, 1, -1), { code: 'ERR_SLUICE_QUEUE_FULL' })
  await assert.rejects(engine.run(prepareNop, NOP), { code: 'ERR_SLUICE_QUEUE_FULL' })
  assert.throws(() => engine.multishot(prepareNop, () => {}), { code: 'ERR_SLUICE_QUEUE_FULL' })
  await engine.close()
  assert.equal((await settled).length, 5)
})

for (const entries of [1, 2, 8]) {
  driverTest(`a queue of ${entries} loses nothing, however much is asked for in a turn`, async kit => {
    const engine = kit.engine({ entries })
    const fd = kit.file('0123456789')
    const reads = Array.from({ length: 300 }, async (_, index) => {
      const buffer = room(1)
      assert.equal(await engine.read(fd, buffer, 0, 1, index % 10), 1)
      return buffer[0] - 48
    })
    const expected = Array.from({ length: 300 }, (_, index) => index % 10)
    assert.deepEqual(await Promise.all(reads), expected)
    const nops = Array.from({ length: 300 }, () => engine.run(prepareNop, NOP))
    assert.deepEqual(await Promise.all(nops), new Array(300).fill(0))
    assert.equal(engine.stats().submissions, 600)
    assert.equal(engine.stats().completions, 600)
  })
}

driverTest('a chain is never split: it waits until it fits whole', async kit => {
  const engine = kit.engine({ entries: 8 })
  const fd = kit.file('short')
  const buffer = room(64)
  const address = addressOf(buffer)
  // The short read breaks its chain; if that had been split, its tail would succeed on its own.
  const short: ChainedOperation = {
    syscall: 'read',
    held: buffer,
    prepare: (queue, id) => prepareReadAt(queue, fd, address, 64, 0, id),
  }
  for (let before = 0; before <= 8; before++) {
    const singles = Array.from({ length: before }, () => engine.run(prepareNop, NOP))
    const chains = Array.from({ length: 5 }, () => engine.chain([short, NOP, NOP, NOP, NOP], IOSQE.IO_LINK))
    const after = engine.run(prepareNop, NOP)
    assert.deepEqual(await Promise.all(singles), new Array(before).fill(0))
    for (const [head, ...tail] of chains) {
      assert.equal(await head, 5)
      for (const result of await Promise.allSettled(tail)) {
        assert.equal(result.status === 'rejected' && result.reason.code, 'ECANCELED')
      }
    }
    assert.equal(await after, 0)
  }
})

driverTest('a chain as long as the queue runs, a longer one is refused', async kit => {
  const engine = kit.engine({ entries: 8 })
  await Promise.all(engine.chain(new Array(8).fill(NOP), IOSQE.IO_LINK))
  for (const result of await Promise.allSettled(engine.chain(new Array(9).fill(NOP), IOSQE.IO_LINK))) {
    assert.equal(result.status === 'rejected' && result.reason.code, 'ERR_SLUICE_QUEUE_FULL')
  }
  assert.deepEqual(engine.chain([], IOSQE.IO_LINK), [])
})

driverTest('a chain waits for slots as a whole', async kit => {
  const engine = kit.engine({ maxInFlight: 3 })
  const chains = Array.from({ length: 20 }, () => engine.chain([NOP, NOP, NOP], IOSQE.IO_LINK))
  assert.deepEqual(await Promise.all(chains.flat()), new Array(60).fill(0))
})

driverTest('a long chain does not exhaust the stack', async kit => {
  const engine = kit.engine({ entries: 32768 })
  const results = await Promise.all(engine.chain(new Array(32768).fill(NOP), IOSQE.IO_LINK))
  assert.ok(results.every(result => result === 0))
})

driverTest('more completions than the queue has room for are all seen', async kit => {
  const engine = kit.engine({ entries: 4 })
  const times = Array.from({ length: 500 }, () => timespec(5))
  const codes = await Promise.all(
    times.map(time =>
      engine
        .run((queue, id) => prepareTimeout(queue, time, 0, 0, id), { syscall: 'timeout', held: time })
        .catch(error => error.code),
    ),
  )
  assert.deepEqual(codes, new Array(500).fill('ETIME'))
  assert.equal(engine.stats().inFlight, 0)
})

driverTest('a failure in finish rejects its own promise and no other', async kit => {
  const engine = kit.engine()
  const broken = engine.run(prepareNop, {
    syscall: 'nop',
    finish: () => {
      throw new Error('finish')
    },
  })
  const sound = Array.from({ length: 10 }, () => engine.run(prepareNop, NOP))
  await assert.rejects(broken, /finish/)
  assert.deepEqual(await Promise.all(sound), new Array(10).fill(0))
  assert.equal(engine.stats().inFlight, 0)
})
