import assert from 'node:assert/strict'
import { engine } from '../engine/index.js'
import { MSG, syscall } from '../kernel/index.js'
import type { Connection } from './connection.js'
import { FixedBytes } from './fixed-bytes.js'
import {
  dial,
  pattern,
  readAll,
  readExactly,
  serve,
  settled,
  testOnBoth,
  withPair,
} from './net.test.support.js'

const turns = (count: number) => settled(() => false, count)

testOnBoth('nothing is received before the first read', async () => {
  await withPair(async (near, far) => {
    await near.write(pattern(1000))
    await near.flush()
    await turns(20)
    assert.equal(far.bytesRead, 0)
    assert.deepEqual(await readExactly(far, 1000), pattern(1000))
  })
})

testOnBoth('a reader that stops has no more than the bound received for it', async () => {
  const receiveBound = 10_000
  await withPair(
    async (near, far) => {
      const writing = near.write(pattern(5_000_000)).catch(() => {})
      const first = await far.read()
      assert.ok(first !== null && first.length <= receiveBound)
      await turns(150)
      assert.ok(far.readableLength <= receiveBound, `${far.readableLength} bytes are queued`)
      assert.equal(far.bytesRead, first.length + far.readableLength)
      assert.deepEqual(await readExactly(far, 1_000_000), pattern(1_000_000, first.length))
      await turns(50)
      assert.ok(far.readableLength <= receiveBound, `${far.readableLength} bytes are queued`)
      await far.reset()
      await writing
    },
    { far: { receiveBound, receiveBufferSize: 20_000 } },
  )
})

testOnBoth('a writer at the bound waits until the reader has made room', async () => {
  const sendBound = 50_000
  await withPair(
    async (near, far) => {
      let accepted = 0
      const total = 400
      const writing = (async () => {
        for (; accepted < total; accepted++) await near.write(pattern(5000, accepted * 5000))
      })()
      await settled(() => near.writableLength >= sendBound)
      await turns(50)
      const stuck = accepted
      assert.ok(stuck < total)
      assert.ok(near.writableLength <= sendBound + 5000, `${near.writableLength} bytes are queued`)
      assert.ok((await readExactly(far, total * 5000)).equals(pattern(total * 5000)))
      await writing
      assert.equal(near.bytesWritten, total * 5000)
    },
    { near: { sendBound, sendBufferSize: 10_000 }, far: { receiveBufferSize: 10_000 } },
  )
})

testOnBoth(
  'a writer that does not wait is refused at the bound, and nothing of the refused is sent',
  async () => {
    await withPair(
      async (near, far) => {
        const accepted: number[] = []
        for (let index = 0; index < 600; index++) {
          const written = near.write(Buffer.alloc(1000, index))
          written.then(
            () => accepted.push(index),
            error => assert.equal(error.code, 'ERR_SLUICE_QUEUE_FULL'),
          )
        }
        await turns(50)
        assert.ok(accepted.length < 600 && accepted.length >= 20, `${accepted.length} were accepted`)
        const all = await readExactly(far, accepted.length * 1000)
        for (const [place, index] of accepted.entries()) assert.equal(all[place * 1000], index & 0xff)
        await near.end()
        assert.equal(await far.read(), null)
      },
      {
        near: { sendBound: 20_000, full: 'reject', sendBufferSize: 5000 },
        far: { receiveBufferSize: 5000 },
      },
    )
  },
)

testOnBoth('one write larger than the bound is taken where none waits', async () => {
  await withPair(
    async (near, far) => {
      const got = readExactly(far, 300_000)
      await near.write(pattern(300_000))
      assert.ok((await got).equals(pattern(300_000)))
    },
    { near: { sendBound: 1000, full: 'reject' } },
  )
})

testOnBoth('flush settles when the kernel has everything', async () => {
  await withPair(
    async (near, far) => {
      await near.flush()
      const got = readExactly(far, 300_005)
      near.write('small')
      await near.flush()
      assert.equal(near.bytesWritten, 5)
      const writing = near.write(pattern(300_000))
      await near.flush()
      assert.equal(near.bytesWritten, 300_005)
      await writing
      await got
    },
    { near: { sendBufferSize: 10_000 } },
  )
})

testOnBoth('large messages come straight into the memory of whoever brings it', async () => {
  await withPair(async (near, far) => {
    const into = new Uint8Array(100_000)
    for (const size of [50_000, 100, 60_000, 10, 20, 30, 40, 50, 70_000, 90_000]) {
      await near.write(pattern(size))
      let length = 0
      while (length < size) {
        const count = await far.readInto(into.subarray(length))
        assert.ok(count > 0)
        length += count
      }
      assert.equal(length, size)
      assert.ok(Buffer.from(into.subarray(0, size)).equals(pattern(size)))
    }
    assert.equal(far.bytesRead, 270_250)
  })
})

/** More connections than there are shared blocks, each with most of a block to receive. */
const CROWD = 40
const EACH = 49152
const bytes = pattern(EACH)

/** Into the shared memory, where `readExactly()` would bring its own. */
async function readByChunks(connection: Connection, length: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for (let left = length; left > 0; left -= chunks.at(-1)?.length ?? 0) {
    const chunk = await connection.read()
    assert.ok(chunk !== null, 'the stream ended early')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

testOnBoth(
  'where the shared memory is used up, everybody receives on as soon as there is some',
  async (_, driver) => {
    const fars: Connection[] = []
    await using listener = await serve(connection => void fars.push(connection))
    const nears = await Promise.all(
      Array.from({ length: CROWD }, () => dial(listener, { receiveBound: 2 ** 20 })),
    )
    await settled(() => fars.length === CROWD)
    const loans = await Promise.all(fars.map(far => far.lend('write')))
    const reading = nears.map(near => readByChunks(near, EACH + 1))
    await new Promise(setImmediate)
    const before = engine().stats().submissions
    // All in one turn, so that nobody replaces the blocks meanwhile.
    for (const { fd } of loans) {
      for (let sent = 0; sent < EACH; ) {
        const part = bytes.subarray(sent)
        const result = syscall('sendto', fd, part, part.length, MSG.DONTWAIT | MSG.NOSIGNAL, 0, 0)
        assert.ok(result > 0, `${result}`)
        sent += result
      }
    }
    const last = new Uint8Array(new ArrayBuffer(128)).fill(1).subarray(0, 1)
    for (const { fd } of loans) assert.equal(syscall('sendto', fd, last, 1, MSG.NOSIGNAL, 0, 0), 1)
    const expected = Buffer.concat([bytes, last])
    for (const got of await Promise.all(reading)) assert.ok(got.equals(expected))
    const armed = engine().stats().submissions - before
    if (driver === 'ring') assert.ok(armed > 10, `${armed} receives were armed again`)
    for (const loan of loans) loan.release()
    await Promise.all([...nears, ...fars].map(connection => connection.destroy()))
  },
)

testOnBoth(
  'fixed bytes that have to wait are sent as they were in their turn, whatever their size',
  async () => {
    for (const size of [1000, 20_000]) {
      await withPair(
        async (near, far) => {
          const ahead = pattern(2_000_000)
          const fixed = new FixedBytes(Buffer.alloc(size, 'a'))
          const writing = [near.write(ahead), near.writeFixed(fixed)]
          await turns(2)
          fixed.bytes.fill(0x62)
          const received = await readExactly(far, ahead.length + size)
          assert.ok(received.subarray(ahead.length).equals(Buffer.alloc(size, 'a')), `${size} bytes`)
          await Promise.all(writing)
        },
        { near: { sendBufferSize: 10_000, sendBound: 4_000_000 }, far: { receiveBufferSize: 10_000 } },
      )
    }
  },
)

testOnBoth('writev is taken as a whole or not at all', async () => {
  await withPair(
    async (near, far) => {
      const waiting = near.write(pattern(1_000_000))
      await turns(5)
      const most = 20_000 - near.writableLength
      assert.ok(near.writableLength > 0)
      const pieces = [pattern(100), pattern(Math.max(0, most) + 100), pattern(100)]
      await assert.rejects(near.writev(pieces), { code: 'ERR_SLUICE_QUEUE_FULL' })
      const wrong = ['fine', 5 as unknown as string]
      await assert.rejects(near.writev(wrong), { code: 'ERR_INVALID_ARG_TYPE' })
      const got = readExactly(far, 1_000_000)
      await near.flush()
      await waiting
      assert.ok((await got).equals(pattern(1_000_000)))
      // Nothing waits: more than the bound is taken, all of it.
      const whole = near.writev([pattern(15_000), 'between', pattern(15_000)])
      const expected = Buffer.concat([pattern(15_000), Buffer.from('between'), pattern(15_000)])
      assert.ok((await readExactly(far, 30_007)).equals(expected))
      await whole
      await near.end()
      assert.equal(await far.read(), null)
    },
    {
      near: { sendBound: 20_000, full: 'reject', sendBufferSize: 50_000 },
      far: { receiveBufferSize: 50_000 },
    },
  )
})

testOnBoth(
  'beyond 16384 writes that wait, also one that would wait is refused, and those are sent',
  async () => {
    await withPair(
      async (near, far) => {
        const writes = Array.from({ length: 17_000 }, () => near.write('x'))
        const results = await Promise.allSettled(writes.slice(16_384))
        const refused = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]
        assert.ok(refused.length > 0)
        assert.ok(refused.every(({ reason }) => reason.code === 'ERR_SLUICE_QUEUE_FULL'))
        await Promise.all(writes.slice(0, 16_384))
        await near.end()
        assert.equal((await readAll(far)).length, 17_000 - refused.length)
      },
      { near: { sendBound: 1 } },
    )
  },
)
