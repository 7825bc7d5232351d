import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { engine } from '../engine/index.js'
import { scratchFolder } from './file.test.support.js'
import { open } from './index.js'

const path = join(scratchFolder(), 'content')
writeFileSync(path, 'content')

test('what only looks like a signal is refused, and neither file nor engine waits for it to the end', async () => {
  const wrong = { code: 'ERR_INVALID_ARG_TYPE' }
  const signal = { aborted: false } as AbortSignal
  await assert.rejects(open(path, 'r', { signal }), wrong)
  const file = await open(path, 'r+')
  await assert.rejects(file.read({ buffer: Buffer.alloc(4), signal }), wrong)
  await assert.rejects(file.readFile({ signal }), wrong)
  await assert.rejects(file.writeFile('text', { signal } as object), wrong)
  await assert.rejects(file.stat({ signal } as object), wrong)
  assert.equal(engine().stats().inFlight, 0)
  await file.close()
  await engine().close()
})

test('of opens that are aborted on their way no descriptor is left, whenever the abort comes', async () => {
  await (await open(path)).close()
  const before = readdirSync('/proc/self/fd').length
  for (const turns of [0, 1, 2]) {
    const controllers = Array.from({ length: 500 }, () => new AbortController())
    const opening = controllers.map(({ signal }) => open(path, 'r', { signal }))
    const settled = Promise.allSettled(opening)
    for (let turn = 0; turn < turns; turn++) await new Promise(resolve => setImmediate(resolve))
    for (const controller of controllers) controller.abort()
    for (const result of await settled) {
      if (result.status === 'fulfilled') await result.value.close()
      else assert.equal(result.reason.name, 'AbortError')
    }
    assert.equal(readdirSync('/proc/self/fd').length, before, `aborted after ${turns} turns`)
  }
})
