import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runChild } from '../helpers/child.js'
import { refusedProcess } from '../helpers/refused-process.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-mincore-'))
after(() => rmSync(folder, { recursive: true }))
const path = join(folder, 'file')
writeFileSync(path, '')
// More than is read ahead.
truncateSync(path, 2 ** 25 - 100)

const REFUSED = { code: 'ENOSYS', calls: ['cachestat'] } as const

test('where there is no cachestat(2), mincore(2) says what is cached, and the rest is unknown', t => {
  const answer = runChild(`
    refuseIoUring(${JSON.stringify(REFUSED)})
    const { open, pageCache } = await import(${JSON.stringify(import.meta.resolve('sluice/file'))})
    const file = await open(${JSON.stringify(path)}, 'r+')
    await pageCache.load(file)
    const warm = await pageCache.stat(file)
    const part = await pageCache.stat(file, { offset: kernel.PAGE_SIZE + 1, length: kernel.PAGE_SIZE })
    const left = await pageCache.evict(file)
    const cold = await pageCache.stat(file)
    await pageCache.load(file, { offset: 0, length: 1 })
    const some = await pageCache.stat(file)
    await file.close()
    console.log(JSON.stringify({ warm, part, left, cold, some }))
  `)
  const { warm, part, left, cold, some } = JSON.parse(answer)
  // What is undefined is left out of JSON.
  assert.deepEqual(Object.keys(warm).sort(), ['cached', 'method', 'pageSize', 'pages'])
  assert.deepEqual([warm.method, warm.cached], ['mincore', warm.pages])
  assert.deepEqual([part.pages, part.cached], [2, 2])
  if (left > 0) return t.skip('the temporary folder is kept in memory')
  assert.equal(cold.cached, 0)
  assert.ok(some.cached > 0 && some.cached < some.pages)
})

test('the command says by which call it was told', () => {
  const program = fileURLToPath(new URL('../../../dist/sluice.cjs', import.meta.url))
  const { args, env } = refusedProcess(REFUSED)
  const methods = [
    { args: [], env: process.env },
    { args, env },
  ].map(({ args, env }) => {
    const given = [...args, program, 'cache', '--json', path]
    const { status, stdout, stderr } = spawnSync(process.execPath, given, { encoding: 'utf8', env })
    assert.equal(status, 0, stderr)
    return JSON.parse(stdout).files[0]
  })
  assert.equal(methods[1].method, 'mincore')
  assert.ok(!('dirty' in methods[1]) && !('writeback' in methods[1]))
  if (methods[0].method === 'cachestat') assert.equal(typeof methods[0].writeback, 'number')
})
