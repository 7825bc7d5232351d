import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { AF, encodeSocketAddress, SOCK, syscall } from '../kernel/index.js'
import { connect } from './connect.js'
import type { Connection } from './connection.js'
import { listen } from './listen.js'
import { testOnBoth } from './net.test.support.js'
import { bindAddress } from './open-listening.js'
import { lockNames } from './stale-name.js'

const close = (connection: Connection) => connection.close()

async function inFolder(use: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-stale-'))
  try {
    await use(join(folder, 'socket'), folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

testOnBoth(
  'of several servers that replace one stale name a single one listens, under its name',
  async () => {
    await inFolder(async (path, folder) => {
      syscall('close', await bindAddress({ path }))
      const all = await Promise.allSettled([1, 2, 3].map(() => listen({ path, replaceStale: true }, close)))
      const [server, ...more] = all.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []))
      assert.ok(server !== undefined && more.length === 0, 'one listens')
      for (const one of all) if (one.status === 'rejected') assert.equal(one.reason.code, 'EADDRINUSE')
      await (await connect({ path })).close()
      await server.close()
      assert.deepEqual(readdirSync(folder), [])
    })
  },
)

testOnBoth('who replaces a name waits for others that do so in its directory', async () => {
  await inFolder(async (path, folder) => {
    syscall('close', await bindAddress({ path }))
    const unlock = await lockNames(path)
    const refused = assert.rejects(listen({ path, replaceStale: true }, close), { code: 'EADDRINUSE' })
    // Time enough to look at what is there twice.
    await setTimeout(300)
    rmSync(path)
    const fd = await bindAddress({ path })
    assert.equal(syscall('listen', fd, 1), 0)
    const { ino } = statSync(path)
    unlock()
    await refused
    assert.equal(statSync(path).ino, ino)
    assert.deepEqual(readdirSync(folder), ['socket'])
    syscall('close', fd)
  })
})

testOnBoth('a socket that is bound and is about to listen is not taken for a stale one', async () => {
  await inFolder(async path => {
    const fd = await bindAddress({ path })
    const { ino } = statSync(path)
    const late = listen({ path, replaceStale: true }, close)
    const refused = assert.rejects(late, { code: 'EADDRINUSE' })
    await setTimeout(20)
    assert.equal(syscall('listen', fd, 1), 0)
    await refused
    assert.equal(statSync(path).ino, ino)
    syscall('close', fd)
  })
})

testOnBoth('nor is one whose backlog is full, and the question ends', async () => {
  await inFolder(async path => {
    const fd = await bindAddress({ path })
    assert.equal(syscall('listen', fd, 0), 0)
    const address = encodeSocketAddress({ path })
    const clients: number[] = []
    for (let result = 0; result === 0; ) {
      const client = syscall('socket', AF.UNIX, SOCK.STREAM | SOCK.CLOEXEC | SOCK.NONBLOCK)
      clients.push(client)
      result = syscall('connect', client, address, address.byteLength)
    }
    assert.ok(clients.length > 1, 'some have come before it was full')
    await assert.rejects(listen({ path, replaceStale: true }, close), { code: 'EADDRINUSE' })
    for (const open of [...clients, fd]) syscall('close', open)
  })
})
