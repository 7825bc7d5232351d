import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import type net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { AddressCounts, addressKey, addressMemory } from './address-counts.js'
import { serve } from './serve.js'
import { client, kept, pause, serversOf, until } from './serve.test.support.js'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-limits-'))
const LARGE = 32 << 20
fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
fs.writeFileSync(path.join(root, 'large'), Buffer.alloc(LARGE, 'x'))
after(() => fs.rmSync(root, { recursive: true }))

const withServer = serversOf(() => root)

test('a client that takes nothing of a response is dropped after sendTimeout', {
  timeout: 30_000,
}, async () => {
  await withServer({ sendTimeout: 300 }, async server => {
    const socket = client(server.port)
    socket.write(kept('/large'))
    await once(socket, 'readable')
    await until(() => server.stats.timeouts > 0)
    await until(() => server.connections === 0)
    socket.destroy()
  })
})

test('a client that takes less than minRate is dropped, and one that takes more is not', {
  timeout: 30_000,
}, async () => {
  await withServer({ minRate: 2 ** 30, rateWindow: 500 }, async server => {
    const slow = client(server.port)
    slow.write(kept('/large'))
    await once(slow, 'readable')
    while (server.stats.timeouts === 0) {
      slow.read(1000)
      await pause(20)
    }
    slow.destroy()
  })
  await withServer({ minRate: 1000, rateWindow: 500, sendTimeout: 20_000 }, async server => {
    const steady = client(server.port)
    steady.write(kept('/large'))
    let received = 0
    for (let round = 0; round < 80 && received < LARGE; round++) {
      received += ((await nextChunk(steady)) as Buffer).length
      await pause(20)
    }
    assert.equal(server.stats.timeouts, 0)
    assert.ok(received > 0)
    steady.destroy()
  })
})

async function nextChunk(socket: net.Socket): Promise<unknown> {
  for (;;) {
    const chunk = socket.read()
    if (chunk !== null) return chunk
    await once(socket, 'readable')
  }
}

test('a connection is sent no more than maxRate, and all the same all of it', {
  timeout: 60_000,
}, async () => {
  const rate = 4 << 20
  // The first packets are not paced, and loopback's are large; and what the buffers hold counts as sent.
  const ahead = 4 << 20
  await withServer({ maxRate: rate }, async server => {
    const socket = client(server.port)
    const started = performance.now()
    socket.write(kept('/large'))
    let received = 0
    socket.on('data', chunk => {
      received += chunk.length
      const elapsed = (performance.now() - started) / 1000
      assert.ok(received <= ahead + rate * elapsed, `${received} bytes after ${elapsed} s`)
    })
    while (received < LARGE / 2) await once(socket, 'data')
    socket.destroy()
  })
})

test('a rate that cannot be kept is refused', async () => {
  await assert.rejects(serve({ root, path: path.join(root, 's'), maxRate: 1000 }), {
    code: 'ERR_INVALID_ARG_VALUE',
  })
  await assert.rejects(serve({ root, port: 0, maxRate: 10, minRate: 100 }), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('a client that sends more ahead than maxPipelined gets so many answers, the last of them with a close', async () => {
  await withServer({ maxPipelined: 3 }, async server => {
    const ask = async (requests: string): Promise<string> => {
      const socket = client(server.port)
      let received = ''
      socket.on('data', chunk => {
        received += chunk
      })
      socket.write(requests)
      await once(socket, 'close')
      return received
    }
    const text = await ask(kept('/a.txt').repeat(5))
    assert.equal(text.match(/200 OK/g)?.length, 3)
    assert.equal(text.match(/Connection: close/g)?.length, 1)
    const polite = client(server.port)
    for (let round = 0; round < 10; round++) {
      polite.write(kept('/a.txt').repeat(3))
      let answers = ''
      while (answers.match(/hello/g)?.length !== 3) answers += (await once(polite, 'data'))[0]
    }
    polite.destroy()
  })
})

test('addresses are counted as what one customer has', () => {
  assert.equal(addressKey('192.0.2.1'), '192.0.2.1')
  assert.equal(addressKey('::ffff:192.0.2.1'), '192.0.2.1')
  assert.equal(addressKey('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::')
  assert.equal(addressKey('2001:db8:1:2::6'), '2001:db8:1:2::')
  assert.equal(addressKey('2001:db8::6'), '2001:db8:0:0::')
  assert.equal(addressKey('::1'), '0:0:0:0::')
})

test('connections of an address are counted over threads, and a thread that ended leaves none', () => {
  const memory = addressMemory(2)
  const [one, two] = [new AddressCounts(2, memory, 0), new AddressCounts(2, memory, 1)]
  assert.equal(one.enter('192.0.2.1'), '192.0.2.1')
  assert.equal(two.enter('192.0.2.1'), '192.0.2.1')
  assert.equal(one.enter('192.0.2.1'), undefined)
  assert.equal(two.enter('192.0.2.1'), undefined)
  assert.equal(one.enter('192.0.2.2'), '192.0.2.2')
  two.leave('192.0.2.1')
  assert.equal(one.enter('192.0.2.1'), '192.0.2.1')
  assert.equal(new AddressCounts(2, memory, 0).enter('192.0.2.1'), '192.0.2.1')
})
