import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { engine } from '../engine/index.js'
import { RLIMIT, syscall } from '../kernel/index.js'
import { Arena } from '../memory/index.js'
import { connect } from './connect.js'
import type { Connection } from './connection.js'
import { listen } from './listen.js'
import { pattern, readExactly, settled, testOnBoth, withPair } from './net.test.support.js'

const BLOCK = 65536

/** Counts sends without a copy: the operations of a connection that are told of. */
async function sendsOf(work: () => Promise<void>): Promise<number> {
  let sends = 0
  const seen = (message: unknown) => {
    if ((message as { syscall: string }).syscall === 'send') sends++
  }
  subscribe('sluice:operation', seen)
  try {
    await work()
  } finally {
    unsubscribe('sluice:operation', seen)
  }
  return sends
}

/** Memory that is registered where there is a ring. */
async function registered(work: (arena: Arena) => Promise<void>): Promise<void> {
  const arena = new Arena({ blockSize: BLOCK, blocks: 8 })
  const { buffers } = engine()
  if (buffers !== undefined) assert.ok(arena.register(buffers).registered)
  try {
    await work(arena)
  } finally {
    arena.unregister()
    await arena.close()
  }
}

testOnBoth('what lies in registered memory comes as any other, between what does not', async () => {
  await registered(async arena => {
    await withPair(
      async (near, far) => {
        const blocks = Array.from({ length: arena.blocks }, () => arena.take())
        const sent: Buffer[] = []
        const writes: Promise<void>[] = []
        for (const [index, block] of blocks.entries()) {
          if (block === undefined) throw new Error('no block')
          block.bytes.set(pattern(BLOCK, index * 1000))
          const bytes = block.bytes.subarray(index, BLOCK - index * 100)
          sent.push(Buffer.from(bytes), Buffer.from(`small ${index}`))
          writes.push(
            near.write(bytes).then(() => block.release()),
            near.write(`small ${index}`),
          )
        }
        const all = Buffer.concat(sent)
        assert.ok((await readExactly(far, all.length)).equals(all))
        await Promise.all(writes)
        assert.equal(near.bytesWritten, all.length)
        assert.equal(arena.inUse, 0)
      },
      { near: { zeroCopy: 'always' } },
    )
  })
})

testOnBoth('who is destroyed meanwhile has the memory back too', async () => {
  await registered(async arena => {
    await withPair(
      async near => {
        const block = arena.take()
        if (block === undefined) throw new Error('no block')
        const failures = Array.from({ length: 200 }, () => near.write(block.bytes).catch(error => error.code))
        await new Promise(resolve => setTimeout(resolve, 5))
        await near.reset()
        const codes = new Set(await Promise.all(failures))
        assert.ok(codes.has('ERR_SLUICE_CLOSED'), [...codes].join())
        block.release()
      },
      { near: { zeroCopy: 'always', sendBound: 2 ** 24 } },
    )
  })
})

for (const zeroCopy of ['always', 'auto', 'never'] as const) {
  testOnBoth(
    `${zeroCopy}: registered memory, and no other, is sent so to this machine`,
    async (_, driver) => {
      await registered(async arena => {
        await withPair(
          async (near, far) => {
            const block = arena.take()
            if (block === undefined) throw new Error('no block')
            block.bytes.set(pattern(BLOCK))
            const send = async (bytes: Uint8Array) => {
              const writing = near.write(bytes)
              assert.ok((await readExactly(far, BLOCK)).equals(pattern(BLOCK)))
              await writing
            }
            const others = await sendsOf(() => send(pattern(BLOCK)))
            const sends = await sendsOf(() => send(block.bytes))
            assert.deepEqual([others, sends], [0, zeroCopy === 'always' && driver === 'ring' ? 1 : 0])
            block.release()
          },
          { near: { zeroCopy } },
        )
      })
    },
  )
}

testOnBoth('where a socket cannot do without a copy, it is sent with one from then on', async (_, driver) => {
  await registered(async arena => {
    const path = `\0sluice-zero-copy-${process.pid}`
    const fars: Connection[] = []
    await using _server = await listen({ path }, connection => void fars.push(connection))
    const near = await connect({ path, zeroCopy: 'always' })
    await settled(() => fars.length === 1)
    const block = arena.take()
    if (block === undefined) throw new Error('no block')
    block.bytes.set(pattern(BLOCK))
    const send = async () => {
      const writes = [near.write(block.bytes), near.write('between'), near.write(block.bytes)]
      const expected = Buffer.concat([pattern(BLOCK), Buffer.from('between'), pattern(BLOCK)])
      assert.ok((await readExactly(fars[0], expected.length)).equals(expected))
      await Promise.all(writes)
    }
    const sends = [await sendsOf(send), await sendsOf(send)]
    assert.deepEqual(sends, [driver === 'ring' ? 1 : 0, 0])
    assert.equal(near.isOpen, true)
    block.release()
    await near.close()
    await fars[0].close()
  })
})

testOnBoth('memory that may not be locked is sent with a copy', async t => {
  const limits = new BigUint64Array(new ArrayBuffer(128))
  assert.equal(syscall('prlimit64', 0, RLIMIT.MEMLOCK, 0, limits), 0)
  const none = limits.slice().fill(0n, 0, 1)
  assert.equal(syscall('prlimit64', 0, RLIMIT.MEMLOCK, none, 0), 0)
  const arena = new Arena({ blockSize: BLOCK, blocks: 1 })
  try {
    const { buffers } = engine()
    if (buffers !== undefined && arena.register(buffers).registered) {
      t.skip('this user may lock as much as he likes')
      return
    }
    await withPair(
      async (near, far) => {
        const block = await arena.acquire()
        block.bytes.set(pattern(BLOCK))
        const writing = near.write(block.bytes)
        assert.ok((await readExactly(far, BLOCK)).equals(pattern(BLOCK)))
        await writing
        block.release()
      },
      { near: { zeroCopy: 'always' } },
    )
  } finally {
    syscall('prlimit64', 0, RLIMIT.MEMLOCK, limits, 0)
    arena.unregister()
    await arena.close()
  }
})
