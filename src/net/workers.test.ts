import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { SO, SOL } from '../kernel/index.js'
import { connect } from './connect.js'
import { listen } from './listen.js'
import { exhaustDescriptors, readAll, settled } from './net.test.support.js'
import { getOption } from './socket-options.js'

/** A module that says which thread serves, and does as it is told. */
const MODULE = `
import { threadId } from 'node:worker_threads'
export default async connection => {
  await connection.write(threadId + ' ')
  for await (const bytes of connection) {
    const text = Buffer.from(bytes).toString()
    if (text === 'throw') throw Object.assign(new Error('as told'), { code: 'AS_TOLD' })
    if (text === 'exit') process.exit(3)
    await connection.write(bytes)
  }
}`

function moduleFile(t: TestContext, source = MODULE): URL {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'serve.mjs')
  writeFileSync(path, source)
  return pathToFileURL(path)
}

async function visit(target: { port: number } | { path: string }): Promise<string> {
  const connection = await connect('port' in target ? { host: '127.0.0.1', ...target } : target)
  await connection.write('hi')
  await connection.end()
  const [thread, answer] = (await readAll(connection)).toString().split(' ')
  assert.equal(answer, 'hi')
  await connection.close()
  return thread
}

for (const share of ['port', 'socket'] as const) {
  test(`every thread serves, sharing a ${share}`, async t => {
    const options = { host: '127.0.0.1', workers: 2, module: moduleFile(t), share }
    await using listener = await listen(options)
    assert.equal(listener.workers, 2)
    const threads = new Set<string>()
    let visits = 0
    // Which thread serves is the kernel's choice; that one of two never does is as good as impossible.
    while (threads.size < 2 && visits < 2000) {
      const seen = await Promise.all(Array.from({ length: 20 }, () => visit({ port: listener.port })))
      for (const thread of seen) threads.add(thread)
      visits += seen.length
    }
    assert.equal(threads.size, 2)
    const stats = await listener.stats()
    assert.equal(stats.accepted, visits)
  })
}

test('a port that other threads have is in use, but for who asks to share it', async t => {
  const options = { host: '127.0.0.1', workers: 2, module: moduleFile(t) }
  await using listener = await listen(options)
  const { port } = listener
  await assert.rejects(listen({ ...options, port }), { code: 'EADDRINUSE' })
  await using _another = await listen({ ...options, port, reusePort: true })
})

test('threads share a Unix socket too, and its name goes with them', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'socket')
  const listener = await listen({ path, workers: 2, module: moduleFile(t) })
  assert.match(await visit({ path }), /^\d+$/)
  await listener.close()
  await assert.rejects(connect({ path }), { code: 'ENOENT' })
})

test('what goes wrong in a thread is told, and a thread that has ended is replaced', async t => {
  const errors: NodeJS.ErrnoException[] = []
  const onError = (error: Error) => errors.push(error)
  await using listener = await listen({ host: '127.0.0.1', workers: 1, module: moduleFile(t), onError })
  for (const [order, told] of [
    ['throw', /as told/],
    ['exit', /ended with code 3/],
  ] as const) {
    const connection = await connect({ host: '127.0.0.1', port: listener.port })
    await connection.read()
    await connection.write(order)
    await settled(() => errors.length > 0)
    assert.match(errors.shift()?.message ?? '', told)
    await connection.destroy()
  }
  await settled(() => listener.workers === 1)
  assert.match(await visit({ port: listener.port }), /^\d+$/)
})

test('a module that cannot be loaded fails the start', async t => {
  const onError = () => {}
  const missing = new URL('file:///nowhere/at-all.mjs')
  await assert.rejects(listen({ workers: 2, module: missing, onError }), { code: 'ERR_MODULE_NOT_FOUND' })
  const throwing = moduleFile(t, 'throw new Error("not today")')
  await assert.rejects(listen({ workers: 1, module: throwing, onError }), { message: 'not today' })
})

test('threads that should share the name of a Unix socket are refused', async t => {
  await assert.rejects(listen({ path: '/tmp/x', workers: 1, module: moduleFile(t), share: 'port' }), {
    code: 'ERR_SLUICE_UNSUPPORTED',
  })
  await assert.rejects(listen({ workers: 0, module: 'x' }), { code: 'ERR_OUT_OF_RANGE' })
})

/** Descriptors of this process that lead to sockets which listen. */
function listening(): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return getOption(Number(fd), SOL.SOCKET, SO.ACCEPTCONN) === 1
    } catch {
      return false
    }
  }).length
}

/** Descriptors of this process that lead to sockets. */
function sockets(): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
    } catch {
      return false
    }
  }).length
}

test('a thread that cannot end is terminated after the time-out', async t => {
  const stuck = moduleFile(
    t,
    `
    export default connection => {
      connection.write('stuck').then(() => setImmediate(() => { while (true); }))
    }`,
  )
  const before = listening()
  const listener = await listen({ host: '127.0.0.1', workers: 1, module: stuck })
  const connection = await connect({ host: '127.0.0.1', port: listener.port })
  assert.equal(Buffer.from((await connection.read()) ?? []).toString(), 'stuck')
  await connection.destroy()
  await listener.close({ timeout: 0 })
  assert.equal(listening(), before)
})

test('where one thread cannot start, one that still starts is not waited for', async t => {
  const module = moduleFile(
    t,
    `
    export const start = (_, thread) => thread === 0 ? new Promise(() => setInterval(() => {}, 1000)) : Promise.reject(new Error('cannot'))
    export default () => {}`,
  )
  const before = listening()
  for (const share of ['port', 'socket'] as const) {
    const options = { host: '127.0.0.1', workers: 2, module, share, onError: () => {} }
    await assert.rejects(listen(options), { message: 'cannot' })
  }
  const uncloneable = { host: '127.0.0.1', workers: 1, module, share: 'socket', data: () => {} } as const
  await assert.rejects(listen(uncloneable), { name: 'DataCloneError' })
  assert.equal(listening(), before)
})

test('maxConnections is of all threads together', { timeout: 60_000 }, async t => {
  const keeps = moduleFile(t, 'export default () => {}')
  const options = {
    host: '127.0.0.1',
    workers: 2,
    module: keeps,
    maxConnections: 4,
    share: 'socket',
  } as const
  await using listener = await listen(options)
  const { port } = listener
  const clients = await Promise.all(Array.from({ length: 12 }, () => connect({ host: '127.0.0.1', port })))
  let open = 0
  while (open < 4) open = (await listener.stats()).connections
  assert.equal((await listener.stats()).connections, 4)
  for (const client of clients) await client.destroy()
  await listener.close({ timeout: 0 })
})

test('maxConnections is divided exactly, and no thread goes without', { timeout: 60_000 }, async t => {
  const module = moduleFile(t, 'export default () => {}')
  const options = { host: '127.0.0.1', module, share: 'socket' } as const
  await using listener = await listen({ ...options, workers: 2, maxConnections: 5 })
  const { port } = listener
  const clients = await Promise.all(Array.from({ length: 12 }, () => connect({ host: '127.0.0.1', port })))
  let stats = await listener.stats()
  while (stats.pauses < 2) stats = await listener.stats()
  assert.deepEqual(stats, { accepted: 5, connections: 5, pauses: 2 })
  for (const client of clients) await client.destroy()
  await listener.close({ timeout: 0 })
  await assert.rejects(listen({ ...options, workers: 4, maxConnections: 1 }), {
    code: 'ERR_OUT_OF_RANGE',
    message: /options\.maxConnections.*>= 4/,
  })
})

test('a thread that crashes leaves no descriptor, and its clients hear of it', {
  timeout: 60_000,
}, async t => {
  const crashes = moduleFile(
    t,
    `export default connection => {
      connection.read().then(bytes => { if (bytes) setImmediate(() => { throw new Error('crash') }) })
    }`,
  )
  const errors: Error[] = []
  const onError = (error: Error) => errors.push(error)
  const options = { host: '127.0.0.1', workers: 1, module: crashes, maxConnections: 1, onError }
  await using listener = await listen(options)
  const { port } = listener
  const before = sockets()
  const clients = await Promise.all(Array.from({ length: 30 }, () => connect({ host: '127.0.0.1', port })))
  while ((await listener.stats()).connections < 1);
  assert.equal(sockets() - before, clients.length + 1)
  const ends = clients.map(client => client.read().catch(() => null))
  for (const client of clients) client.write('now').catch(() => {})
  assert.deepEqual(await Promise.all(ends), new Array(clients.length).fill(null))
  await settled(() => errors.length > 0)
  assert.equal(errors[0].message, 'crash')
  for (const client of clients) await client.destroy()
  await settled(() => sockets() === before)
  assert.equal(sockets(), before)
})

test('a thread whose end fails, or that fails beside another, leaves neither descriptor nor name', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'socket')
  const before = sockets()
  const options = { path, workers: 2, onError: () => {} }
  const failing = moduleFile(
    t,
    `
    export default () => {}
    export const start = (_, thread) => new Promise((_, reject) => setTimeout(reject, thread * 200, new Error('cannot')))`,
  )
  const errors: string[] = []
  const onError = (error: Error) => errors.push(error.message)
  await assert.rejects(listen({ ...options, onError, module: failing }), { message: 'cannot' })
  assert.deepEqual([sockets(), readdirSync(folder)], [before, []])
  assert.deepEqual(errors.splice(0), ['cannot'])
  const unending = moduleFile(
    t,
    `
    export default () => {}
    export const closing = () => { throw new Error('no end') }`,
  )
  const listener = await listen({ ...options, onError, module: unending })
  await listener.close()
  assert.deepEqual(errors, ['no end', 'no end'])
  assert.deepEqual([sockets(), readdirSync(folder)], [before, []])
})

test('a thread that cannot be replaced for want of descriptors is replaced later', {
  timeout: 60_000,
}, async t => {
  const errors: NodeJS.ErrnoException[] = []
  const onError = (error: Error) => errors.push(error)
  const options = { host: '127.0.0.1', workers: 1, module: moduleFile(t), share: 'socket', onError } as const
  await using listener = await listen(options)
  const connection = await connect({ host: '127.0.0.1', port: listener.port })
  await connection.read()
  await connection.write('exit')
  await settled(() => errors.length > 0)
  await connection.destroy()
  const giveBack = exhaustDescriptors(0)
  try {
    await settled(() => errors.length > 1)
  } finally {
    giveBack()
  }
  assert.equal(errors[1].code, 'EMFILE')
  await settled(() => listener.workers === 1)
  assert.match(await visit({ port: listener.port }), /^\d+$/)
})

test('unref lets the process end although threads listen', t => {
  const module = moduleFile(t, 'export default () => {}')
  const program = `
    import { listen } from ${JSON.stringify(new URL('./listen.js', import.meta.url).href)}
    const options = { host: '127.0.0.1', workers: 1, module: ${JSON.stringify(module.href)} }
    const listener = await listen(options)
    listener.unref().ref().unref()
    console.log('listening')`
  const main = fileURLToPath(moduleFile(t, program))
  const run = spawnSync(process.execPath, [main], { encoding: 'utf8', timeout: 20_000 })
  assert.deepEqual([run.stdout, run.status, run.signal], ['listening\n', 0, null], run.stderr)
})
