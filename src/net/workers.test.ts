import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { pathToFileURL } from 'node:url'
import { connect } from './connect.js'
import { listen } from './listen.js'
import { readAll, settled } from './net.test.support.js'

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
