import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

const module = join(fileURLToPath(new URL('../../..', import.meta.url)), 'scripts/lock.js')
const { withLock } = await import(module)

test('two that want one lock have it one after the other', async () => {
  const events: string[] = []
  const work = (name: string) => async () => {
    events.push(`${name} in`)
    await new Promise(resolve => setImmediate(resolve))
    events.push(`${name} out`)
  }
  const name = `test ${process.pid}`
  await Promise.all([withLock(name, work('a')), withLock(name, work('b')), withLock(name, work('c'))])
  for (let index = 0; index < events.length; index += 2) {
    assert.equal(events[index + 1], events[index].replace('in', 'out'))
  }
  assert.equal(events.length, 6)
})

test('the lock of a process that was killed is free', async () => {
  const name = `test killed ${process.pid}`
  const holder = `
    const { withLock } = await import(${JSON.stringify(module)})
    await withLock(${JSON.stringify(name)}, async () => {
      console.log('held')
      await new Promise(() => setInterval(() => {}, 1000))
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', holder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  const taken = withLock(name, async () => 'taken')
  child.kill('SIGKILL')
  assert.equal(await taken, 'taken')
})

test('the error of the work comes out and the lock is free again', async () => {
  const name = `test error ${process.pid}`
  const failing = withLock(name, async () => {
    throw new RangeError('work failed')
  })
  await assert.rejects(failing, RangeError)
  assert.equal(await withLock(name, async () => 1), 1)
})
