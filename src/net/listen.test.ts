import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { type DriverName, engine } from '../engine/index.js'
import { AF, encodeSocketAddress, errnoOf, MSG, SOCK, syscall, systemError } from '../kernel/index.js'
import { connect } from './connect.js'
import type { Connection } from './connection.js'
import { listen } from './listen.js'
import type { Listener } from './listener.js'
import { dial, readAll, serve, settled, testOn, testOnBoth } from './net.test.support.js'
import { bindAddress } from './open-listening.js'

const RLIMIT_NOFILE = 7
/** The address of a module beside this one. */
const here = (name: string) => new URL(name, import.meta.url).href

const echo = async (connection: Connection) => {
  for await (const bytes of connection) await connection.write(bytes)
}

async function assertEchoes(connection: Connection): Promise<void> {
  await connection.write('ping')
  await connection.end()
  assert.equal((await readAll(connection)).toString(), 'ping')
  await connection.close()
}

testOnBoth('addresses of both ends are told, as Node tells them', async () => {
  const seen: Connection['remoteAddress'][] = []
  await using server = await serve(async connection => {
    seen.push(connection.remoteAddress, connection.localAddress)
  })
  await using connection = await dial(server)
  assert.deepEqual(server.address(), { family: 'IPv4', address: '127.0.0.1', port: server.port })
  assert.deepEqual(connection.remoteAddress, server.address())
  assert.equal(await connection.read(), null)
  assert.deepEqual(seen, [connection.localAddress, server.address()])
})

testOnBoth('IPv6 is served, and IPv4 beside it without a host', async t => {
  let server: Listener
  try {
    server = await listen({}, echo)
  } catch (error) {
    t.skip(`no IPv6 here: ${(error as Error).message}`)
    return
  }
  assert.equal(server.address()?.family, 'IPv6')
  await assertEchoes(await connect({ host: '::1', port: server.port }))
  await assertEchoes(await connect({ host: '127.0.0.1', port: server.port }))
  await assertEchoes(await connect({ host: 'localhost', port: server.port }))
  await server.close()
  await using only = await listen({ host: '::', ipv6Only: true }, echo)
  await assert.rejects(connect({ host: '127.0.0.1', port: only.port }), { code: 'ECONNREFUSED' })
})

testOnBoth('Unix sockets are served, by path and by abstract name', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  try {
    for (const path of [join(folder, 'socket'), `\0sluice-${process.pid}`]) {
      await using server = await listen({ path }, echo)
      assert.deepEqual(server.address(), { family: 'Unix', path })
      const connection = await connect({ path })
      assert.deepEqual(connection.remoteAddress, { family: 'Unix', path })
      await assertEchoes(connection)
    }
    assert.deepEqual(readdirSync(folder), [])
    await assert.rejects(connect({ path: join(folder, 'none') }), { code: 'ENOENT', syscall: 'connect' })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

testOnBoth(
  "a Unix socket's path has the permissions asked for, and replaces one that nobody listens on",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
    try {
      const path = join(folder, 'socket')
      // As a process that was killed leaves it.
      const dead = await bindAddress({ path })
      syscall('close', dead)
      await assert.rejects(listen({ path }, echo), { code: 'EADDRINUSE' })
      await using server = await listen({ path, mode: 0o620, replaceStale: true }, echo)
      assert.equal(statSync(path).mode & 0o777, 0o620)
      await assertEchoes(await connect({ path }))
      await assert.rejects(listen({ path, replaceStale: true }, echo), { code: 'EADDRINUSE' })
      await assertEchoes(await connect({ path }))
      const file = join(folder, 'file')
      writeFileSync(file, 'precious')
      await assert.rejects(listen({ path: file, replaceStale: true }, echo), { code: 'EADDRINUSE' })
      assert.equal(readFileSync(file, 'utf8'), 'precious')
      await server.close()
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)

testOnBoth("a listening descriptor of somebody else's is taken over", async () => {
  const first = createServer().listen(0, '127.0.0.1')
  await once(first, 'listening')
  const { fd } = (first as unknown as { _handle: { fd: number } })._handle
  const copy = syscall('dup', fd)
  first.close()
  await using server = await listen({ fd: copy }, echo)
  await assertEchoes(await dial(server))
})

testOnBoth('two listeners share a port when both want to', async () => {
  await using server = await serve(echo, { reusePort: true })
  await using other = await serve(echo, { reusePort: true, port: server.port })
  assert.equal(other.port, server.port)
  await assert.rejects(serve(echo, { port: server.port }), { code: 'EADDRINUSE', port: server.port })
  for (let count = 0; count < 20; count++) await assertEchoes(await dial(server))
  assert.equal(server.stats().accepted + other.stats().accepted, 20)
})

testOnBoth('at maxConnections further ones wait until one is closed', async () => {
  let open = 0
  let most = 0
  const doors: (() => void)[] = []
  await using server = await serve(
    async connection => {
      most = Math.max(most, ++open)
      await connection.write('in')
      await new Promise<void>(resolve => doors.push(resolve))
      open--
    },
    { maxConnections: 3 },
  )
  const clients = await Promise.all(Array.from({ length: 10 }, () => dial(server)))
  const reading = clients.map(readAll)
  for (let served = 0; served < 10; served++) {
    await settled(() => doors.length > 0)
    doors.shift()?.()
  }
  const got = await Promise.all(reading)
  assert.deepEqual(got.map(String), new Array(10).fill('in'))
  assert.equal(most, 3)
  assert.ok(server.stats().pauses > 0)
  for (const client of clients) await client.close()
})

/** Descriptors of this process. */
const descriptorCount = () => readdirSync('/proc/self/fd').length

testOnBoth('at maxConnections a burst of clients takes no further descriptors', async () => {
  const server = await serve(() => {}, { maxConnections: 3 })
  const before = descriptorCount()
  const clients = await Promise.all(Array.from({ length: 100 }, () => dial(server)))
  await settled(() => server.connections.size === 3)
  await settled(() => false, 50)
  assert.equal(descriptorCount() - before, clients.length + 3)
  assert.deepEqual(server.stats(), { accepted: 3, connections: 3, pauses: 1 })
  for (const client of clients) await client.destroy()
  await server.close({ timeout: 0 })
})

testOnBoth('a limit that is far is reached as one that is near, and all are served', async () => {
  const most = 520
  await using server = await serve(
    async connection => {
      await connection.read()
      assert.ok(server.connections.size <= most)
    },
    { maxConnections: most },
  )
  const clients = await Promise.all(Array.from({ length: most + 80 }, () => dial(server)))
  await settled(() => server.connections.size === most)
  assert.equal(server.stats().accepted, most)
  assert.ok(server.stats().pauses > 0)
  await Promise.all(clients.map(client => client.end()))
  for (const ends of await Promise.all(clients.map(client => client.read()))) assert.equal(ends, null)
  await Promise.all(clients.map(client => client.close()))
  assert.equal(server.stats().accepted, clients.length)
})

testOnBoth('a handler that throws is told of, and the others go on', async () => {
  const errors: [string, boolean][] = []
  let calls = 0
  await using server = await serve(
    connection => {
      if (++calls === 1) throw new Error('at once')
      if (calls === 2) return Promise.reject(new Error('later'))
      return echo(connection)
    },
    { onError: (error, connection) => errors.push([error.message, connection?.isOpen ?? false]) },
  )
  for (let count = 0; count < 2; count++) {
    const connection = await dial(server)
    await connection.read().catch(() => {})
    await connection.close()
  }
  await assertEchoes(await dial(server))
  assert.deepEqual(errors, [
    ['at once', true],
    ['later', true],
  ])
})

testOnBoth("what a peer does to its own connection is no error of the listener's", async () => {
  const errors: Error[] = []
  await using server = await serve(echo, { onError: error => errors.push(error) })
  const connection = await dial(server)
  await connection.write('ping')
  await connection.read()
  await connection.reset()
  await settled(() => server.connections.size === 0)
  assert.deepEqual(errors, [])
})

testOnBoth('an ECONNRESET from elsewhere is told, while the connection itself is well', async () => {
  const told: string[] = []
  const elsewhere = systemError(errnoOf('ECONNRESET'), 'read')
  await using server = await serve(() => Promise.reject(elsewhere), {
    onError: error => told.push(error.message),
  })
  const client = await dial(server)
  await client.read().catch(() => {})
  await client.close()
  assert.deepEqual(told, [elsewhere.message])
})

testOnBoth('a handler that returns no promise keeps its connection', async () => {
  const kept: Connection[] = []
  await using server = await serve(connection => {
    kept.push(connection)
  })
  await using client = await dial(server)
  await settled(() => kept.length === 1)
  await settled(() => false, 20)
  assert.equal(kept[0].isOpen, true)
  await kept[0].write('still here')
  await kept[0].close()
  assert.equal((await readAll(client)).toString(), 'still here')
})

testOnBoth('close lets connections finish, and ends those that do not in time', async () => {
  const server = await serve(echo)
  const [quick, slow] = [await dial(server), await dial(server)]
  await settled(() => server.connections.size === 2)
  const closing = server.close({ timeout: 100 })
  await assertEchoes(quick)
  await assert.rejects(dial(server), { code: 'ECONNREFUSED' })
  assert.equal(await slow.read(), null)
  await closing
  assert.equal(server.connections.size, 0)
  await slow.close()
})

testOnBoth('a listener that is closed while it takes a connection closes its descriptor once', async () => {
  let taken: Connection | undefined
  let closing: Promise<void> | undefined
  // One at a time is accepted, so that the accept has ended when the handler runs.
  const server: Listener = await serve(
    connection => {
      taken = connection
      closing = server.close()
    },
    { maxConnections: 10 },
  )
  await settled(() => false, 5)
  const { submissions } = engine().stats()
  const client = createConnection(server.port, '127.0.0.1')
  await settled(() => closing !== undefined)
  await settled(() => false, 5)
  assert.equal(engine().stats().submissions - submissions, 1)
  await taken?.destroy()
  await closing
  client.destroy()
  await once(client, 'close')
})

testOnBoth('where descriptors are exhausted accepting pauses, says so, and goes on later', async () => {
  const errors: NodeJS.ErrnoException[] = []
  await using server = await serve(echo, { onError: error => errors.push(error) })
  const limit = new BigUint64Array(2)
  syscall('prlimit64', 0, RLIMIT_NOFILE, 0, limit)
  const before = limit.slice()
  limit[0] = 0n
  // Its own descriptor is made before the limit; the one that accepting needs is not.
  const peer = syscall('socket', AF.INET, SOCK.STREAM)
  const address = encodeSocketAddress({ address: '127.0.0.1', port: server.port })
  syscall('prlimit64', 0, RLIMIT_NOFILE, limit, 0)
  try {
    assert.equal(syscall('connect', peer, address, address.byteLength), 0)
    await settled(() => errors.length > 0)
  } finally {
    syscall('prlimit64', 0, RLIMIT_NOFILE, before, 0)
  }
  assert.deepEqual([errors[0].code, errors[0].syscall], ['EMFILE', 'accept'])
  assert.ok(server.stats().pauses > 0)
  const bytes = Buffer.from('after it')
  assert.equal(syscall('sendto', peer, bytes, bytes.length, MSG.NOSIGNAL), bytes.length)
  const answer = Buffer.alloc(100)
  await settled(() => syscall('recvfrom', peer, answer, answer.length, MSG.DONTWAIT) === bytes.length)
  assert.equal(answer.toString('utf8', 0, bytes.length), 'after it')
  syscall('close', peer)
  await settled(() => server.connections.size === 0)
})

for (const driver of ['ring', 'epoll'] as const) {
  test(`unref lets the process end also while descriptors are exhausted (${driver})`, () => {
    const program = `
      import { AF, encodeSocketAddress, SOCK, syscall } from ${JSON.stringify(here('../kernel/index.js'))}
      import { listen } from ${JSON.stringify(here('./listen.js'))}
      const onError = error => { process.exitCode = error.code === 'EMFILE' ? 7 : 1 }
      const server = await listen({ host: '127.0.0.1', onError }, () => {})
      const peer = syscall('socket', AF.INET, SOCK.STREAM)
      const address = encodeSocketAddress({ address: '127.0.0.1', port: server.port })
      const limit = new BigUint64Array(new ArrayBuffer(16))
      syscall('prlimit64', 0, ${RLIMIT_NOFILE}, 0, limit)
      limit[0] = 0n
      syscall('prlimit64', 0, ${RLIMIT_NOFILE}, limit, 0)
      syscall('connect', peer, address, address.byteLength)
      while (process.exitCode === undefined) await new Promise(setImmediate)
      server.unref().ref().unref()`
    const run = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
      env: { ...process.env, SLUICE_DRIVER: driver },
      timeout: 20_000,
    })
    assert.deepEqual([run.status, run.signal], [7, null], run.stderr)
  })
}

/**
 * Fifty thousand on request, as the soak; and on each driver in one pass of the suite: on the ring where no test is
 * brief, on epoll where that is the driver of all.
 */
function coming(driver: DriverName): number {
  const { SLUICE_SOAK = 0, SLUICE_DRIVER, SLUICE_TEST_BRIEF } = process.env
  const inThisPass = driver === 'epoll' ? SLUICE_DRIVER === 'epoll' : SLUICE_TEST_BRIEF === undefined
  return Number(SLUICE_SOAK) > 0 || inThisPass ? 50_000 : 2000
}
const AT_ONCE = 50

async function comeAndGo(connections: number): Promise<void> {
  await using server = await serve(echo)
  const visit = async () => {
    for (let count = 0; count < connections / AT_ONCE; count++) {
      const connection = await dial(server)
      await connection.write('ping')
      if (count % 4 === 0) await connection.reset()
      else if (count % 4 === 1) await connection.destroy()
      else await connection.end()
      if (count % 4 > 1) assert.equal((await readAll(connection)).toString(), 'ping')
      await connection.close()
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, visit))
  await settled(() => server.connections.size === 0)
  assert.equal(server.stats().accepted, connections)
}

for (const driver of ['ring', 'epoll'] as const) {
  const connections = coming(driver)
  const name = `${connections} connections come and go, and nothing is left of them`
  testOn([driver], name, () => comeAndGo(connections), { timeout: 60_000 + connections })
}
