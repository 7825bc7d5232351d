import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
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
