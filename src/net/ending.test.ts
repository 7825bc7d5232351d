import assert from 'node:assert/strict'
import test from 'node:test'
import { engine } from '../engine/index.js'
import { MSG, syscall } from '../kernel/index.js'
import { connect } from './connect.js'
import type { Connection } from './connection.js'
import { listen } from './listen.js'
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
import { takenByPeer } from './socket-options.js'

testOnBoth('each half ends on its own', async () => {
  await withPair(async (near, far) => {
    await near.write('request')
    await near.end()
    assert.equal((await readAll(far)).toString(), 'request')
    await assert.rejects(near.write('more'), { code: 'EPIPE', syscall: 'write' })
    await far.write('response')
    await far.end()
    assert.equal((await readAll(near)).toString(), 'response')
    assert.equal(await near.read(), null)
  })
})

testOnBoth('what came before the end can be read after both halves have ended', async (_, driver) => {
  await withPair(async (near, far) => {
    await far.write('first')
    assert.deepEqual(await readExactly(near, 1), Buffer.from('f'))
    await far.write('last')
    await far.end()
    // By readiness nothing is received ahead.
    await settled(() => near.readableLength === 8, driver === 'ring' ? 2000 : 20)
    await near.end()
    await settled(() => !near.isOpen, 20)
    assert.equal((await readAll(near)).toString(), 'irstlast')
  })
})

testOnBoth('a connection whose halves have both ended gives its descriptor back', async () => {
  await withPair(async (near, far) => {
    await near.end()
    assert.equal(await far.read(), null)
    await far.end()
    assert.equal(await near.read(), null)
    await settled(() => near.fd === -1 && far.fd === -1)
    assert.equal(near.fd, -1)
    assert.equal(far.fd, -1)
    assert.equal(near.error, undefined)
  })
})

testOnBoth('close sends what was written before', async () => {
  await withPair(async (near, far) => {
    const got = readAll(far)
    near.write('small')
    near.write(pattern(200_000)).catch(() => {})
    await near.close()
    assert.equal(near.fd, -1)
    assert.equal((await got).length, 200_005)
    await assert.rejects(near.write('more'), { code: 'ERR_SLUICE_CLOSED' })
    await assert.rejects(near.read(), { code: 'ERR_SLUICE_CLOSED' })
    await near.close()
  })
})

testOnBoth('destroy rejects whoever waits, with the error it was given', async () => {
  await withPair(
    async (near, far) => {
      const reading = near.read()
      const writing = near.write(pattern(3_000_000))
      const flushing = near.flush()
      const reason = new Error('enough')
      await Promise.all([
        assert.rejects(reading, reason),
        assert.rejects(writing, reason),
        assert.rejects(flushing, reason),
        near.destroy(reason),
      ])
      assert.equal(near.error, reason)
      await assert.rejects(near.readInto(new Uint8Array(10)), reason)
      assert.equal(far.isOpen, true)
    },
    { near: { sendBufferSize: 10_000 }, far: { receiveBufferSize: 10_000 } },
  )
})

testOnBoth("destroy ends a read straight into the caller's memory", async () => {
  await withPair(async near => {
    const reading = near.readInto(new Uint8Array(100_000))
    await Promise.all([assert.rejects(reading, { code: 'ERR_SLUICE_CLOSED' }), near.destroy()])
  })
})

testOnBoth('a reset is told to the reader, and ends the connection', async () => {
  await withPair(async (near, far) => {
    const reading = near.read()
    await far.reset()
    await assert.rejects(reading, { code: 'ECONNRESET', syscall: 'read' })
    await assert.rejects(near.read(), { code: 'ECONNRESET' })
    await assert.rejects(near.write('x'), { code: 'ECONNRESET' })
    assert.equal((near.error as NodeJS.ErrnoException).code, 'ECONNRESET')
    await settled(() => near.fd === -1)
    assert.equal(near.fd, -1)
  })
})

testOnBoth('a writer hears that the peer is gone', async () => {
  await withPair(async (near, far) => {
    await far.reset()
    const failure = (async () => {
      while (true) {
        await near.write(pattern(10_000))
        await near.flush()
      }
    })()
    await assert.rejects(failure, error => {
      assert.ok(['EPIPE', 'ECONNRESET'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return true
    })
  })
})

testOnBoth('a connection that nobody reads ends by itself when its peer is gone', async () => {
  const ended: Promise<void>[] = []
  const failures: (Error | undefined)[] = []
  await using server = await serve(connection => {
    const push = () =>
      connection.write(pattern(1000)).then(
        () => setImmediate(push),
        () => {},
      )
    ended.push(connection.closed.then(() => void failures.push(connection.error)))
    push()
  })
  for (const way of ['reset', 'destroy', 'read'] as const) {
    const near = await dial(server)
    if (way === 'read') await near.read()
    await (way === 'reset' ? near.reset() : near.destroy())
  }
  await settled(() => ended.length === 3)
  await Promise.all(ended)
  assert.equal(server.connections.size, 0)
  for (const error of failures) {
    assert.ok(['EPIPE', 'ECONNRESET'].includes((error as NodeJS.ErrnoException | undefined)?.code ?? ''))
  }
})

testOnBoth('what had come before a send failed can still be read', async () => {
  const path = `\0sluice-ending-${process.pid}`
  const fars: Connection[] = []
  await using _server = await listen({ path }, connection => void fars.push(connection))
  const near = await connect({ path })
  await settled(() => fars.length === 1)
  await fars[0].write('last words')
  await fars[0].close()
  await near.write('too late')
  await assert.rejects(near.flush(), { code: 'EPIPE' })
  await settled(() => false, 20)
  assert.equal(near.isOpen, true)
  assert.equal((await readAll(near)).toString(), 'last words')
  await near.closed
  assert.equal((near.error as NodeJS.ErrnoException).code, 'EPIPE')
})

testOnBoth('an aborted read loses nothing, and the next read gets what came', async () => {
  await withPair(async (near, far) => {
    for (const buffer of [undefined, new Uint8Array(100), new Uint8Array(100_000)]) {
      const controller = new AbortController()
      const { signal } = controller
      const reading = buffer === undefined ? near.read({ signal }) : near.readInto(buffer, { signal })
      await assert.rejects(far.read({ signal: AbortSignal.abort() }), {
        name: 'AbortError',
        code: 'ABORT_ERR',
      })
      controller.abort(new Error('why'))
      await assert.rejects(reading, error => {
        assert.equal((error as Error).name, 'AbortError')
        assert.equal(((error as Error).cause as Error).message, 'why')
        return true
      })
      await far.write('data')
      assert.deepEqual(await readExactly(near, 4), Buffer.from('data'))
    }
  })
})

testOnBoth('a second read at the same time is refused', async () => {
  await withPair(async (near, far) => {
    const reading = near.read()
    await assert.rejects(near.read(), { code: 'ERR_SLUICE_BUSY' })
    await assert.rejects(near.readInto(new Uint8Array(1)), { code: 'ERR_SLUICE_BUSY' })
    await far.write('x')
    assert.deepEqual(await reading, new Uint8Array(Buffer.from('x')))
  })
})

testOnBoth('a connection without a byte for too long fails with ETIMEDOUT', async () => {
  await withPair(
    async (near, far) => {
      await assert.rejects(near.read(), { code: 'ETIMEDOUT', syscall: 'read' })
      assert.equal(await far.read(), null)
    },
    { near: { idleTimeout: 50 } },
  )
})

testOnBoth('a read that waits too long fails', async () => {
  await withPair(
    async (near, far) => {
      await far.write('here')
      await readExactly(near, 4)
      await assert.rejects(near.read(), { code: 'ETIMEDOUT' })
    },
    { near: { readTimeout: 60 } },
  )
})

testOnBoth('an abort ends the wait of its own read alone', async () => {
  await withPair(async (near, far) => {
    const [refused, served] = [new AbortController(), new AbortController()]
    const waiting = near.read()
    const second = assert.rejects(near.read({ signal: refused.signal }), { code: 'ERR_SLUICE_BUSY' })
    refused.abort()
    await far.write('ab')
    assert.equal((await waiting)?.length, 2)
    await second
    const loan = await near.lend('read')
    loan.release([Buffer.from('c')])
    const first = near.read({ signal: served.signal })
    const next = near.read()
    served.abort()
    assert.equal((await first)?.length, 1)
    await far.write('e')
    assert.equal((await next)?.length, 1)
  })
})

testOnBoth('a read that follows an aborted one has the whole time', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  await withPair(
    async (near, far) => {
      for (let count = 0; count < 3; count++) {
        const abort = new AbortController()
        const reading = near.read({ signal: abort.signal })
        t.mock.timers.tick(700)
        abort.abort()
        await assert.rejects(reading, { name: 'AbortError' })
      }
      const reading = near.read()
      t.mock.timers.tick(700)
      assert.ok(near.isOpen)
      await far.write('x')
      assert.equal((await reading)?.length, 1)
    },
    { near: { readTimeout: 800 } },
  )
  t.mock.timers.reset()
})

for (const driver of ['ring', 'epoll'] as const) {
  test(`closing the engine ends connections and listeners (${driver})`, async () => {
    await engine().close()
    const own = engine({ driver })
    const server = await serve(async connection => {
      for await (const bytes of connection) await connection.write(bytes)
    })
    const connection = await dial(server)
    const reading = connection.read()
    const closing = own.close()
    await assert.rejects(reading, { code: 'ERR_SLUICE_CLOSED' })
    await closing
    assert.equal(own.stats().handles, 0)
    assert.equal(connection.fd, -1)
    await server.close()
  })
}

testOnBoth('a peer that sends and never reads is given up after writeTimeout', async () => {
  await withPair(
    async (near, far) => {
      const chatter = setInterval(() => void far.write('still here').catch(() => {}), 5)
      const reading = (async () => {
        for await (const _ of near);
      })()
      const expected = { code: 'ETIMEDOUT', syscall: 'write' }
      const writing = near.write(pattern(3_000_000))
      await Promise.all([assert.rejects(writing, expected), assert.rejects(reading, expected)])
      clearInterval(chatter)
    },
    { near: { writeTimeout: 100, sendBufferSize: 10_000 }, far: { receiveBufferSize: 10_000 } },
  )
})

testOnBoth('a large write that goes on slowly is not idle', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  await withPair(
    async (near, far) => {
      const writing = near.write(pattern(200_000))
      for (let piece = 0; piece < 5; piece++) {
        const before = takenByPeer(near.fd)
        await readExactly(far, 20_000)
        await settled(() => takenByPeer(near.fd) !== before)
        assert.ok(near.writableLength > 0)
        t.mock.timers.tick(700)
      }
      await readExactly(far, 100_000)
      await writing
      assert.equal(near.error, undefined)
    },
    {
      near: { idleTimeout: 800, writeTimeout: 800, sendBufferSize: 10_000 },
      far: { receiveBufferSize: 10_000, receiveBound: 1000 },
    },
  )
})

for (const lent of [false, true]) {
  const holder = lent ? 'whoever borrows the descriptor' : 'a write'
  testOnBoth(`a peer that takes what ${holder} left with the kernel is not idle, until it stops`, async t => {
    t.mock.timers.enable({ apis: ['setInterval'] })
    await withPair(
      async (near, far) => {
        const loan = lent ? await near.lend('write') : undefined
        const bytes = pattern(60_000)
        if (loan === undefined) await near.write(bytes)
        else loan.moved(syscall('sendto', loan.fd, bytes, bytes.length, MSG.DONTWAIT, 0, 0))
        await near.flush()
        t.mock.timers.tick(700)
        try {
          for (let piece = 0; piece < 3; piece++) {
            const before = takenByPeer(near.fd)
            await readExactly(far, 10_000)
            await settled(() => takenByPeer(near.fd) !== before)
            t.mock.timers.tick(700)
            assert.ok(near.isOpen)
          }
          assert.ok(near.bytesUnacknowledged > 0)
          t.mock.timers.tick(900)
        } finally {
          loan?.release()
        }
        await near.closed
        assert.equal((near.error as NodeJS.ErrnoException).code, 'ETIMEDOUT')
      },
      {
        near: { idleTimeout: 800, sendBufferSize: 100_000 },
        far: { receiveBufferSize: 10_000, receiveBound: 1000 },
      },
    )
  })
}

testOnBoth('a gentle close drops what the peer still sends, and the answer arrives', async () => {
  await withPair(async (near, far) => {
    const sending = near.write(pattern(300_000))
    await far.read()
    await far.write('enough')
    const closing = far.closeGently()
    assert.equal((await readExactly(near, 6)).toString(), 'enough')
    await sending
    assert.equal(await near.read(), null)
    await near.end()
    await closing
    assert.equal(near.error, undefined)
    assert.equal(far.error, undefined)
  })
})

testOnBoth('a gentle close while somebody reads waits for the peer all the same', async () => {
  for (const loops of [true, false]) {
    await withPair(async (near, far) => {
      const reading = loops ? readAll(far) : far.read()
      let isClosed = false
      const closing = far.closeGently().then(() => {
        isClosed = true
      })
      assert.equal(await near.read(), null)
      await near.write('more')
      // The first is for whoever reads.
      if (!loops) assert.equal(String(Buffer.from((await reading) as Uint8Array)), 'more')
      await near.write(' and more')
      await settled(() => false, 20)
      assert.equal(isClosed, false)
      await near.end()
      await closing
      if (loops) assert.equal(String(await reading), 'more and more')
      assert.equal(near.error, undefined)
    })
  }
})

testOnBoth('a gentle close waits no longer than it was told, nor for more bytes', async () => {
  for (const limit of [{ timeout: 20 }, { most: 10_000 }]) {
    await withPair(async (near, far) => {
      const sending = (async () => {
        while (near.isOpen) await near.write(pattern(1000))
      })()
      await far.closeGently(limit)
      assert.equal(far.fd, -1)
      await sending.catch(() => {})
    })
  }
})

testOnBoth('two hundred thousand flushes of one turn take no longer for one another', async () => {
  await withPair(async (near, far) => {
    await near.write('all of it')
    await Promise.all(Array.from({ length: 200_000 }, () => near.flush()))
    assert.equal((await readExactly(far, 9)).toString(), 'all of it')
  })
})

testOnBoth('an aborted flush waits no more, and what was written goes on', async () => {
  await withPair(
    async (near, far) => {
      const writing = near.write(pattern(1_000_000))
      const controller = new AbortController()
      const flushing = near.flush({ signal: controller.signal })
      controller.abort()
      await assert.rejects(flushing, { name: 'AbortError' })
      await assert.rejects(near.flush({ signal: AbortSignal.abort() }), { name: 'AbortError' })
      assert.ok((await readExactly(far, 1_000_000)).equals(pattern(1_000_000)))
      await writing
    },
    { near: { sendBufferSize: 100_000 }, far: { receiveBufferSize: 100_000 } },
  )
})
