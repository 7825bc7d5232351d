import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { IPV6, SO, SOL, syscall, TCP } from '../kernel/index.js'
import { bind } from './bind.js'
import { connect } from './connect.js'
import type { Connection } from './connection.js'
import { type ListenOptions, listen } from './listen.js'
import { dial, serve, settled, testOnBoth } from './net.test.support.js'
import { bindAddress, openListening } from './open-listening.js'
import { getOption } from './socket-options.js'

/** Of `struct tcp_info` of a socket that listens: how many may wait to be accepted. */
const TCPI_SACKED = 28

const SET = {
  noDelay: false,
  keepAlive: 61_000,
  sendBufferSize: 40_000,
  receiveBufferSize: 50_000,
  maxRate: 1_234_567,
}

/** What `SET` is, asked of the kernel, which keeps twice the bytes of a buffer: its own account of it. */
const EXPECTED = { noDelay: 0, keepAlive: 1, idle: 61, send: 80_000, receive: 100_000, rate: 1_234_567 }

function optionsOf(fd: number) {
  return {
    noDelay: getOption(fd, SOL.TCP, TCP.NODELAY),
    keepAlive: getOption(fd, SOL.SOCKET, SO.KEEPALIVE),
    idle: getOption(fd, SOL.TCP, TCP.KEEPIDLE),
    send: getOption(fd, SOL.SOCKET, SO.SNDBUF),
    receive: getOption(fd, SOL.SOCKET, SO.RCVBUF),
    rate: getOption(fd, SOL.SOCKET, SO.MAX_PACING_RATE),
  }
}

/** Options of a connection that a listener of such options accepts. */
async function accepted(options: ListenOptions): Promise<ReturnType<typeof optionsOf>> {
  const fars: Connection[] = []
  await using server = await serve(connection => void fars.push(connection), options)
  const near = await dial(server)
  await settled(() => fars.length === 1)
  const [far] = fars
  const seen = optionsOf(far.fd)
  await near.destroy()
  await far.destroy()
  return seen
}

/** A listening socket of Node's, which sets no option itself, as one that is passed. */
async function passed(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle
  const copy = syscall('dup', fd)
  server.close()
  await once(server, 'close')
  return copy
}

testOnBoth(
  'options of a listener are those of what it accepts, also of a socket that was passed',
  async () => {
    const { noDelay, keepAlive } = await accepted({})
    assert.deepEqual({ noDelay, keepAlive }, { noDelay: 1, keepAlive: 0 })
    assert.deepEqual(await accepted(SET), EXPECTED)
    assert.equal((await accepted({ fd: await passed() })).noDelay, 1)
    assert.deepEqual(await accepted({ ...SET, fd: await passed() }), EXPECTED)
  },
)

testOnBoth('options of a connection are set, and can be changed', async () => {
  await using server = await serve(() => {})
  const near = await dial(server, SET)
  assert.deepEqual(optionsOf(near.fd), EXPECTED)
  near.setNoDelay().setKeepAlive(70_000)
  const { noDelay, idle } = optionsOf(near.fd)
  assert.deepEqual({ noDelay, idle }, { noDelay: 1, idle: 70 })
  await near.destroy()
  assert.throws(() => near.setNoDelay(), { code: 'ERR_SLUICE_CLOSED' })
  await server.close({ timeout: 0 })
})

function backlogOf(fd: number): number {
  const info = new Uint32Array(new ArrayBuffer(256))
  const size = Uint32Array.of(256, 0, 0, 0)
  assert.equal(syscall('getsockopt', fd, SOL.TCP, TCP.INFO, info, size), 0)
  return info[TCPI_SACKED / 4]
}

testOnBoth('backlog, reusePort and ipv6Only are what was asked for', async t => {
  for (const [options, backlog] of [
    [{}, 511],
    [{ backlog: 7 }, 7],
  ] as const) {
    const fd = await openListening({ host: '127.0.0.1', ...options })
    assert.equal(backlogOf(fd), backlog)
    syscall('close', fd)
  }
  const shared = await bindAddress({ host: '127.0.0.1', reusePort: true })
  assert.equal(getOption(shared, SOL.SOCKET, SO.REUSEPORT), 1)
  syscall('close', shared)
  try {
    for (const ipv6Only of [true, false]) {
      const fd = await bindAddress({ host: '::', ipv6Only })
      assert.equal(getOption(fd, SOL.IPV6, IPV6.V6ONLY), Number(ipv6Only))
      syscall('close', fd)
    }
  } catch (error) {
    t.diagnostic(`no IPv6 here: ${(error as Error).message}`)
  }
})

testOnBoth('options of a datagram socket are what was asked for', async () => {
  await using socket = await bind({
    host: '127.0.0.1',
    reusePort: true,
    broadcast: true,
    sendBufferSize: 40_000,
    receiveBufferSize: 50_000,
  })
  const names = [SO.REUSEPORT, SO.BROADCAST, SO.SNDBUF, SO.RCVBUF]
  assert.deepEqual(
    names.map(name => getOption(socket.fd, SOL.SOCKET, name)),
    [1, 1, 80_000, 100_000],
  )
})

testOnBoth('the scope of an address may be the name of an interface', async t => {
  try {
    await using server = await listen({ host: '::1%lo' }, async () => {})
    const connection = await connect({ host: '::1%lo', port: server.port })
    await connection.close()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EADDRNOTAVAIL' && code !== 'EAFNOSUPPORT') throw error
    t.skip(`no IPv6 here: ${code}`)
    return
  }
  await assert.rejects(connect({ host: 'fe80::1%nothing', port: 1 }), { code: 'ERR_INVALID_ARG_VALUE' })
})
