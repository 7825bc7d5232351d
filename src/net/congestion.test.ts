import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import test from 'node:test'
import { congestionOf, unpaceLocal } from './congestion.js'
import type { Connection } from './connection.js'
import { dial, serve, testOnBoth, withPair } from './net.test.support.js'

/** What this machine's sockets begin with, and what is to become of it where both ends are here. */
async function expected(): Promise<{ own: string; here: string }> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const own = congestionOf((server as unknown as { _handle: { fd: number } })._handle.fd)
  await new Promise(resolve => server.close(resolve))
  return { own, here: /^bbr/.test(own) ? 'reno' : own }
}

testOnBoth('a connection within this machine is not paced', async () => {
  const { here } = await expected()
  await withPair(async (near, far) => {
    assert.equal(congestionOf(near.fd), here)
    assert.equal(congestionOf(far.fd), here)
  })
})

testOnBoth('one that came to every address is as the system has it until much is sent', async () => {
  const { own, here } = await expected()
  const work = async (_: Connection, far: Connection) => {
    assert.equal(congestionOf(far.fd), own)
    far.unpace()
    assert.equal(congestionOf(far.fd), here)
  }
  await withPair(work, { far: { host: '0.0.0.0' } })
})

testOnBoth('a congestion control that was chosen stays', async () => {
  const { own } = await expected()
  for (const congestion of ['reno', own]) {
    const work = async (near: Connection, far: Connection) => {
      far.unpace()
      assert.equal(congestionOf(near.fd), congestion)
      assert.equal(congestionOf(far.fd), congestion)
    }
    await withPair(work, { near: { congestion }, far: { congestion } })
  }
})

testOnBoth('a congestion control that there is not is an error of setsockopt', async () => {
  const nothing = async () => {}
  const refused = { code: /^(ENOENT|EPERM)$/, syscall: 'setsockopt' }
  await assert.rejects(serve(nothing, { congestion: 'nonesuch' }), refused)
  await assert.rejects(dial({ port: 1 }, { congestion: 'nonesuch' }), refused)
  for (const congestion of ['', 'x'.repeat(16), 'a b']) {
    await assert.rejects(serve(nothing, { congestion }), { code: 'ERR_INVALID_ARG_VALUE' })
  }
  await assert.rejects(serve(nothing, { congestion: 7 as never }), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('what is no socket of TCP has no congestion control, and stays as it is', () => {
  assert.equal(congestionOf(0), '')
  unpaceLocal(0)
})
