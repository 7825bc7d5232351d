import assert from 'node:assert/strict'
import { syscall } from '../kernel/index.js'
import { pattern, readAll, readExactly, settled, testOnBoth, withPair } from './net.test.support.js'

const DONTWAIT = 0x40

testOnBoth(
  'whoever borrows the descriptor to write comes after what was written, and before what follows',
  async () => {
    await withPair(async (near, far) => {
      near.write('before ')
      const loan = await near.lend('write')
      await assert.rejects(near.write('meanwhile'), { code: 'ERR_SLUICE_BUSY' })
      await assert.rejects(near.lend('write'), { code: 'ERR_SLUICE_BUSY' })
      const bytes = Buffer.from('borrowed, ')
      assert.equal(syscall('write', loan.fd, bytes, bytes.length), bytes.length)
      loan.moved(bytes.length)
      loan.release()
      loan.release()
      await near.write('after')
      await near.end()
      assert.equal((await readAll(far)).toString(), 'before borrowed, after')
      assert.equal(near.bytesWritten, 22)
    })
  },
)

testOnBoth('whoever borrows it to read gets what had come, and gives back what is not his', async () => {
  await withPair(async (near, far) => {
    await far.write('first.')
    assert.deepEqual(await readExactly(near, 1), Buffer.from('f'))
    await far.write('second.')
    const loan = await near.lend('read')
    await assert.rejects(near.read(), { code: 'ERR_SLUICE_BUSY' })
    await far.write('third.')
    const rest = Buffer.alloc(100)
    let got = Buffer.concat(loan.early)
    await settled(() => {
      const count = syscall('recvfrom', loan.fd, rest, rest.length, DONTWAIT)
      if (count > 0) got = Buffer.concat([got, rest.subarray(0, count)])
      return got.length === 18
    })
    assert.equal(got.toString(), 'irst.second.third.')
    loan.release([got.subarray(12)])
    await far.write('fourth.')
    await far.end()
    assert.equal((await readAll(near)).toString(), 'third.fourth.')
  })
})

testOnBoth('a read that waits keeps the descriptor from being lent', async () => {
  await withPair(async (near, far) => {
    const reading = near.read()
    await assert.rejects(near.lend('read'), { code: 'ERR_SLUICE_BUSY' })
    await far.write('x')
    await reading
    const loan = await near.lend('read')
    loan.release()
  })
})

testOnBoth(
  'a descriptor that is lent stays open until it is given back, and the borrower hears of the end',
  async () => {
    await withPair(async (near, far) => {
      const loan = await near.lend('write')
      const gone = new Promise(resolve => loan.gone.addEventListener('abort', resolve))
      const destroyed = near.destroy(new Error('enough'))
      await gone
      assert.equal((loan.gone.reason as Error).message, 'enough')
      assert.equal(near.fd, loan.fd)
      assert.equal(await far.read(), null)
      loan.release()
      await destroyed
      assert.equal(near.fd, -1)
      await assert.rejects(near.lend('read'), { message: 'enough' })
    })
  },
)

testOnBoth(
  'an end that was asked for while the descriptor was lent comes when it is given back',
  async () => {
    await withPair(async (near, far) => {
      const loan = await near.lend('write')
      const ended = near.end()
      const bytes = pattern(10)
      syscall('write', loan.fd, bytes, bytes.length)
      loan.release()
      await ended
      assert.deepEqual(await readAll(far), pattern(10))
    })
  },
)

testOnBoth('a loan that is called off before it was granted leaves the connection as it was', async () => {
  await withPair(
    async (near, far) => {
      const written = near.write(pattern(500_000))
      const controller = new AbortController()
      const lending = near.lend('write', { signal: controller.signal })
      await assert.rejects(near.write('meanwhile'), { code: 'ERR_SLUICE_BUSY' })
      const ended = near.end()
      controller.abort()
      await assert.rejects(lending, { name: 'AbortError' })
      assert.ok((await readAll(far)).equals(pattern(500_000)))
      await Promise.all([written, ended])
    },
    { near: { sendBufferSize: 10_000 }, far: { receiveBufferSize: 10_000 } },
  )
})

testOnBoth('after a loan that was called off, others are granted', async () => {
  await withPair(
    async (near, far) => {
      const written = near.write(pattern(500_000))
      await assert.rejects(near.lend('write', { signal: AbortSignal.abort() }), { name: 'AbortError' })
      const controller = new AbortController()
      const lending = near.lend('write', { signal: controller.signal })
      controller.abort()
      await assert.rejects(lending, { name: 'AbortError' })
      const next = near.lend('write')
      assert.ok((await readExactly(far, 500_000)).equals(pattern(500_000)))
      await written
      const loan = await next
      loan.release()
      await near.write('x')
      assert.equal((await readExactly(far, 1)).toString(), 'x')
    },
    { near: { sendBufferSize: 10_000 }, far: { receiveBufferSize: 10_000 } },
  )
})

testOnBoth('what came before both halves had ended is lent without a descriptor', async (_, driver) => {
  await withPair(async (near, far) => {
    await far.write('first')
    assert.equal((await readExactly(near, 1)).toString(), 'f')
    await far.write('last')
    await far.end()
    // By readiness nothing is received ahead.
    await settled(() => near.readableLength === 8, driver === 'ring' ? 2000 : 20)
    await near.end()
    await settled(() => !near.isOpen, driver === 'ring' ? 2000 : 20)
    const loan = await near.lend('read')
    if (driver === 'ring') {
      assert.deepEqual([loan.fd, loan.gone.aborted], [-1, false])
      assert.equal(Buffer.concat(loan.early).toString(), 'irstlast')
      await assert.rejects(near.lend('write'), { code: 'ERR_SLUICE_CLOSED' })
    }
    await assert.rejects(near.read(), { code: 'ERR_SLUICE_BUSY' })
    loan.release(loan.early)
    loan.release(loan.early)
    assert.equal((await readAll(near)).toString(), 'irstlast')
  })
})

testOnBoth('both halves may have ended while what had come is lent', async (_, driver) => {
  await withPair(async (near, far) => {
    await far.write('first')
    assert.equal((await readExactly(near, 1)).toString(), 'f')
    await far.end()
    await settled(() => near.readableLength === 4, driver === 'ring' ? 2000 : 20)
    await settled(() => false, 20)
    const loan = await near.lend('read')
    await near.end()
    assert.deepEqual([loan.gone.aborted, near.isOpen], [false, true])
    loan.release(loan.early)
    assert.equal((await readAll(near)).toString(), 'irst')
    await near.closed
    assert.equal(near.error, undefined)
  })
})

testOnBoth('a connection that is reset while it is lent never tells its peer of an end', async () => {
  for (const direction of ['read', 'write'] as const) {
    await withPair(async (near, far) => {
      await near.write('cut sh')
      const loan = await near.lend(direction)
      assert.equal((await readExactly(far, 6)).toString(), 'cut sh')
      const outcome = far.read().catch(error => error.code)
      const resetting = near.reset()
      assert.equal(loan.gone.aborted, true)
      const heard = await outcome
      loan.release()
      await resetting
      assert.equal(heard, 'ECONNRESET')
    })
  }
})
