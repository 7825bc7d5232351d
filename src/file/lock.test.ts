import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { scratchFolder } from './file.test.support.js'
import { open } from './index.js'

const folder = scratchFolder()
const path = join(folder, 'locked')
writeFileSync(path, 'abc')

async function both() {
  return [await open(path, 'r+'), await open(path, 'r+')] as const
}

test('an exclusive lock keeps out every other', async () => {
  const [one, two] = await both()
  const lock = await one.lock()
  assert.equal(lock.shared, false)
  await assert.rejects(two.lock({ wait: false }), { code: 'EAGAIN', syscall: 'fcntl' })
  await assert.rejects(two.lock({ wait: false, shared: true }), { code: 'EAGAIN' })
  await lock.release()
  await two.lock({ wait: false })
  await Promise.all([one.close(), two.close()])
})

test('shared locks stand side by side, and keep out an exclusive one', async () => {
  const [one, two] = await both()
  await one.lock({ shared: true })
  await two.lock({ shared: true, wait: false })
  await assert.rejects(one.lock({ wait: false }), { code: 'EAGAIN' })
  await two.unlock()
  await one.lock({ wait: false })
  await Promise.all([one.close(), two.close()])
})

test('locks on different parts do not meet', async () => {
  const [one, two] = await both()
  await one.lock({ offset: 0, length: 10 })
  await two.lock({ offset: 10, length: 10, wait: false })
  await assert.rejects(two.lock({ offset: 9, length: 1, wait: false }), { code: 'EAGAIN' })
  await one.unlock({ offset: 5, length: 5 })
  await two.lock({ offset: 9, length: 1, wait: false })
  await Promise.all([one.close(), two.close()])
})

test('a lock can be waited for, and is given up by release(), close() and await using', async () => {
  const [one, two] = await both()
  const first = await one.lock()
  const second = two.lock()
  await first.release()
  const held = await second
  const third = one.lock()
  await held[Symbol.asyncDispose]()
  await third
  const fourth = two.lock()
  await one.close()
  await fourth
  await two.close()
})

test('many waiting for one lock all get it, one at a time', async () => {
  const files = await Promise.all(Array.from({ length: 8 }, () => open(path, 'r+')))
  let inside = 0
  let most = 0
  await Promise.all(
    files.map(async file => {
      for (let round = 0; round < 5; round++) {
        await using _ = await file.lock()
        most = Math.max(most, ++inside)
        await file.stat()
        inside--
      }
    }),
  )
  assert.equal(most, 1)
  await Promise.all(files.map(file => file.close()))
})

test('waiting for a lock can be aborted', async () => {
  const [one, two] = await both()
  await one.lock()
  const controller = new AbortController()
  const waiting = two.lock({ signal: controller.signal })
  controller.abort()
  await assert.rejects(waiting, { name: 'AbortError' })
  await assert.rejects(two.lock({ signal: AbortSignal.abort() }), { name: 'AbortError' })
  await one.unlock()
  await two.lock({ wait: false })
  await Promise.all([one.close(), two.close()])
})

test('a lock keeps out another process, and ends with it', async () => {
  const face = fileURLToPath(new URL('./index.js', import.meta.url))
  const script = `
    const { open } = await import(${JSON.stringify(face)})
    const file = await open(${JSON.stringify(path)}, 'r+')
    await file.lock()
    console.log('locked')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  await using file = await open(path, 'r+')
  await assert.rejects(file.lock({ wait: false }), { code: 'EAGAIN' })
  const lock = file.lock()
  child.kill('SIGKILL')
  await lock
})

test('a file that can only be read takes no exclusive lock', async () => {
  await using file = await open(path)
  await file.lock({ shared: true })
  await assert.rejects(file.lock(), { code: 'EBADF', syscall: 'fcntl' })
})

test('wrong options are refused', async () => {
  await using file = await open(path, 'r+')
  const wrong: [object, string][] = [
    [{ offset: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ length: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ shared: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ wait: 'no' }, 'ERR_INVALID_ARG_TYPE'],
    [{ signal: 5 }, 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [options, code] of wrong) await assert.rejects(file.lock(options as never), { code })
  await assert.rejects(file.unlock({ offset: '1' as never }), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('a handle that is closed waits for no lock any more, and gives none up that is gone', async () => {
  const [one, two] = await both()
  const lock = await one.lock()
  const waiting = assert.rejects(two.lock(), { code: 'EBADF' })
  await Promise.all([two.close(), waiting])
  await one.close()
  await lock.release()
})
