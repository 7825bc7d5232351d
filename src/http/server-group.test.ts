import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import http2 from 'node:http2'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { type Identity, makeIdentity } from './certificate.test.support.js'
import { serve } from './serve.js'
import { client, exchange, last, until } from './serve.test.support.js'
import type { ServerGroup } from './server-group.js'
import type { WorkerServeOptions } from './server-options.js'

const base = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-group-'))
const root = path.join(base, 'root')
fs.mkdirSync(root)
fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
fs.writeFileSync(path.join(root, 'large'), Buffer.alloc(8 << 20, 'x'))
after(() => fs.rmSync(base, { recursive: true }))

async function withGroup(
  options: Partial<WorkerServeOptions>,
  use: (group: ServerGroup) => Promise<void>,
): Promise<void> {
  const group = await serve({ root, host: '127.0.0.1', port: 0, workers: 2, ...options })
  try {
    await use(group)
  } finally {
    await group.close({ timeout: 2000 })
  }
}

const get = (where: number | string, target = '/a.txt') => exchange(where, last(target))

test('threads serve at one address; what they do is summed up, and noted in one file, line by line', {
  timeout: 60_000,
}, async () => {
  const accessLog = path.join(base, 'access.log')
  await withGroup({ accessLog, accessLogFormat: 'json' }, async group => {
    assert.equal(group.workers, 2)
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => get(group.port)))
      for (const answer of answers) assert.match(answer, /^HTTP\/1\.1 200 OK.*hello$/s)
    }
    assert.equal(group.stats.requests, 200)
    assert.equal(group.stats.statuses.get(200), 200)
    await until(() => group.connections === 0)
  })
  const lines = fs.readFileSync(accessLog, 'utf8').trimEnd().split('\n')
  assert.equal(lines.length, 200)
  for (const line of lines) assert.equal(JSON.parse(line).target, '/a.txt')
})

test('whichever thread is asked for the state tells that of all', { timeout: 60_000 }, async () => {
  await withGroup({ status: { path: '/state' } }, async group => {
    const state = async () => {
      const response = await exchange(group.port, last('/state/json').replace('Host: x', 'Host: localhost'))
      return JSON.parse(response.slice(response.indexOf('\r\n\r\n') + 4))
    }
    const first = await state()
    assert.equal(first.threads, 2)
    for (let round = 0; round < 5; round++)
      await Promise.all(Array.from({ length: 20 }, () => get(group.port)))
    let seen = first
    for (let asked = 1; asked <= 10; asked++) {
      const next = await state()
      assert.equal(next.requests, 100 + asked)
      assert.equal(next.latency.count, 100 + asked)
      assert.ok(next.uptimeSeconds >= seen.uptimeSeconds)
      assert.ok(next.process.systemCalls.value >= seen.process.systemCalls.value)
      assert.ok(next.ring.capacity >= seen.ring.capacity)
      seen = next
    }
  })
})

test('closing loses no response that is under way, in any thread', { timeout: 60_000 }, async () => {
  const group = await serve({ root, host: '127.0.0.1', port: 0, workers: 2 })
  const sockets = Array.from({ length: 16 }, () => client(group.port))
  const bodies = sockets.map(async socket => {
    let received = 0
    socket.on('data', chunk => {
      received += chunk.length
    })
    await new Promise(resolve => socket.once('close', resolve))
    return received
  })
  for (const socket of sockets) socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n')
  await Promise.all(sockets.map(socket => once(socket, 'data')))
  await group.close()
  for (const received of await Promise.all(bodies)) assert.ok(received > 8 << 20)
  await assert.rejects(once(net.connect(group.port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' })
})

test('connections of one address are counted over all threads', { timeout: 60_000 }, async () => {
  await withGroup({ maxConnectionsPerAddress: 4 }, async group => {
    const held = Array.from({ length: 4 }, () => client(group.port))
    for (const socket of held) socket.write('GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n')
    await Promise.all(held.map(socket => once(socket, 'data')))
    for (let more = 0; more < 8; more++) assert.equal(await get(group.port), '')
    assert.equal(group.stats.refused, 8)
    for (const socket of held) socket.destroy()
    await until(() => group.connections === 0)
    assert.match(await get(group.port), /hello$/)
  })
})

test('a Unix socket is shared, and one that a killed server left is replaced', {
  timeout: 60_000,
}, async () => {
  const socket = path.join(base, 'socket')
  for (let round = 0; round < 2; round++) {
    const left = net.createServer().listen(`${socket}.left`)
    await once(left, 'listening')
    fs.renameSync(`${socket}.left`, socket)
    left.close()
    await once(left, 'close')
    await withGroup({ path: socket }, async () => assert.match(await get(socket), /hello$/))
  }
  await withGroup({ path: socket }, async () => {
    await assert.rejects(serve({ root, path: socket }), { code: 'EADDRINUSE' })
    assert.match(await get(socket), /hello$/)
  })
  fs.writeFileSync(socket, 'no socket')
  await assert.rejects(serve({ root, path: socket }), { code: 'EADDRINUSE' })
  assert.equal(fs.readFileSync(socket, 'utf8'), 'no socket')
})

test('a certificate is renewed in every thread', { timeout: 60_000 }, async t => {
  const [first, second] = ['first', 'second'].map(name => makeIdentity(base, name) as Identity)
  if (first === undefined) {
    t.skip('there is no openssl to make a certificate with')
    return
  }
  const tls = { cert: path.join(base, 'live.crt'), key: path.join(base, 'live.key') }
  const put = (identity: Identity) => {
    fs.copyFileSync(identity.cert, tls.cert)
    fs.copyFileSync(identity.key, tls.key)
  }
  put(first)
  await withGroup({ tls }, async group => {
    const names = async () => {
      const seen = new Set<string>()
      for (let round = 0; round < 16; round++) {
        const session = http2.connect(`https://127.0.0.1:${group.port}`, { rejectUnauthorized: false })
        await once(session, 'connect')
        seen.add(
          (session.socket as unknown as import('node:tls').TLSSocket).getPeerCertificate().subject
            .CN as string,
        )
        session.destroy()
      }
      return [...seen]
    }
    assert.deepEqual(await names(), ['first'])
    put(second)
    await group.reload()
    assert.deepEqual(await names(), ['second'])
    fs.writeFileSync(tls.key, 'nonsense')
    await assert.rejects(group.reload(), { code: 'ERR_SLUICE_CERTIFICATE' })
  })
})

test('what cannot be is told before a thread starts', async () => {
  const start = (options: object) => serve({ root, port: 0, workers: 1, ...options })
  await assert.rejects(start({ workers: 0 }), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(start({ root: path.join(base, 'absent') }), { code: 'ENOENT' })
  await assert.rejects(start({ headTimeout: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(start({ tls: { cert: root, key: root } }), { code: 'EISDIR' })
})
