import assert from 'node:assert/strict'
import { AF, encodeSocketAddress, SOCK, syscall } from '../kernel/index.js'
import { bind } from './bind.js'
import { connect } from './connect.js'
import { dial, exhaustDescriptors, serve, testOnBoth } from './net.test.support.js'
import { socketAddress } from './socket-address.js'

/** A port that answers nobody: its backlog is full. */
function withFullBacklog(work: (port: number) => Promise<void>): Promise<void> {
  const listener = syscall('socket', AF.INET, SOCK.STREAM)
  const any = encodeSocketAddress({ address: '127.0.0.1', port: 0 })
  assert.equal(syscall('bind', listener, any, any.byteLength), 0)
  assert.equal(syscall('listen', listener, 0), 0)
  const address = socketAddress(listener, 'getsockname')
  assert.ok(address !== undefined && 'port' in address)
  const target = encodeSocketAddress(address)
  const fillers = Array.from({ length: 3 }, () => syscall('socket', AF.INET, SOCK.STREAM | SOCK.NONBLOCK))
  for (const filler of fillers) syscall('connect', filler, target, target.byteLength)
  return work(address.port).finally(() => {
    for (const fd of [...fillers, listener]) syscall('close', fd)
  })
}

testOnBoth('a refused connection is told as Node tells it', async () => {
  const server = await serve(() => {})
  const { port } = server
  await server.close()
  await assert.rejects(connect({ host: '127.0.0.1', port }), {
    code: 'ECONNREFUSED',
    syscall: 'connect',
    address: '127.0.0.1',
    port,
    message: `connect ECONNREFUSED 127.0.0.1:${port}`,
  })
  await assert.rejects(connect({ port }), error => {
    const errors = error instanceof AggregateError ? error.errors : [error]
    for (const each of errors) assert.equal(each.code, 'ECONNREFUSED')
    assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED')
    return true
  })
})

testOnBoth('a connection that does not come about in time fails with ETIMEDOUT', async () => {
  await withFullBacklog(async port => {
    await assert.rejects(connect({ host: '127.0.0.1', port, timeout: 50 }), {
      code: 'ETIMEDOUT',
      syscall: 'connect',
      address: '127.0.0.1',
      port,
    })
  })
})

testOnBoth('an attempt can be aborted, before and while it is made', async () => {
  await assert.rejects(connect({ port: 1, signal: AbortSignal.abort() }), { name: 'AbortError' })
  await withFullBacklog(async port => {
    const controller = new AbortController()
    const attempt = connect({ host: '127.0.0.1', port, signal: controller.signal })
    setImmediate(() => controller.abort())
    await assert.rejects(attempt, { name: 'AbortError', code: 'ABORT_ERR' })
  })
})

testOnBoth('an abort after the connection has been made is of no consequence', async () => {
  await using server = await serve(async connection => {
    await connection.write('hello')
  })
  const controller = new AbortController()
  await using connection = await dial(server, { signal: controller.signal, timeout: 1000 })
  controller.abort()
  assert.equal(Buffer.from((await connection.read()) ?? []).toString(), 'hello')
})

testOnBoth('the near end can be chosen', async () => {
  await using server = await serve(async () => {})
  const free = await serve(() => {})
  const { port } = free
  await free.close()
  await using connection = await dial(server, { localAddress: '127.0.0.3', localPort: port })
  assert.deepEqual(connection.localAddress, { family: 'IPv4', address: '127.0.0.3', port })
})

testOnBoth('a host that there is not is told as the resolver tells it', async () => {
  await assert.rejects(connect({ host: 'nowhere.invalid', port: 1 }), error => {
    assert.ok(['ENOTFOUND', 'EAI_AGAIN'].includes((error as NodeJS.ErrnoException).code ?? ''))
    return true
  })
})

testOnBoth('wrong arguments are refused', async () => {
  const refused: [object, string][] = [
    [{}, 'ERR_INVALID_ARG_TYPE'],
    [{ port: 70_000 }, 'ERR_OUT_OF_RANGE'],
    [{ port: 1, host: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ path: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ path: 'x'.repeat(200) }, 'ERR_INVALID_ARG_VALUE'],
    [{ port: 1, receiveBound: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ port: 1, full: 'drop' }, 'ERR_INVALID_ARG_VALUE'],
    [{ port: 1, timeout: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ port: 1, noDelay: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [options, code] of refused)
    await assert.rejects(connect(options), { code }, JSON.stringify(options))
  await using server = await serve(async () => {})
  await using connection = await dial(server)
  await assert.rejects(connection.write(5 as unknown as string), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(connection.readInto(new Uint8Array(0)), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(connection.writev('x' as unknown as string[]), { code: 'ERR_INVALID_ARG_TYPE' })
})

testOnBoth('where descriptors are exhausted connect and bind say so, and work again afterwards', async () => {
  await using server = await serve(async () => {})
  const { port } = server
  const giveBack = exhaustDescriptors(0)
  try {
    const expected = { code: 'EMFILE', syscall: 'socket' }
    await assert.rejects(connect({ host: '127.0.0.1', port }), expected)
    await assert.rejects(connect({ path: '\0nobody' }), expected)
    await assert.rejects(bind({ host: '127.0.0.1' }), expected)
    await assert.rejects(
      serve(() => {}),
      expected,
    )
  } finally {
    giveBack()
  }
  await (await dial(server)).close()
  await (await bind({ host: '127.0.0.1' })).close()
})
