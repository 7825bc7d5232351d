import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { run } from './run.js'

let folder: string

before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-cache-'))
  fs.mkdirSync(path.join(folder, 'deep'))
  fs.writeFileSync(path.join(folder, 'a'), Buffer.alloc(40960, 'a'))
  fs.writeFileSync(path.join(folder, 'deep', 'b'), Buffer.alloc(8192, 'b'))
  fs.writeFileSync(path.join(folder, 'empty'), '')
  fs.symlinkSync('a', path.join(folder, 'link'))
})

after(() => fs.rmSync(folder, { recursive: true }))

async function cache(...args: string[]): Promise<{ status: number; out: string; notes: string }> {
  let out = ''
  let notes = ''
  const status = await run(['cache', ...args], {
    columns: 100,
    isTerminal: false,
    write: text => {
      out += text
    },
    note: text => {
      notes += text
    },
    paint: (_, text) => text,
  })
  return { status, out, notes }
}

test('a tree is its regular files, without links, with their sum', async () => {
  const { status, out } = await cache('--json', '--load', folder)
  const { totals, files, errors } = JSON.parse(out)
  assert.equal(status, 0)
  assert.deepEqual(
    files.map((file: { path: string }) => path.relative(folder, file.path)),
    ['a', 'deep/b', 'empty'],
  )
  assert.deepEqual([totals.files, totals.size, totals.cached, errors], [3, 49152, 49152, []])
})

test('what is evicted is not cached any more', async t => {
  const { out } = await cache('--json', '--evict', folder)
  const { totals } = JSON.parse(out)
  if (totals.cached === totals.size) return t.skip('the temporary folder is kept in memory')
  assert.equal(totals.cached, 0)
})

test('a line for each file, within the columns', async () => {
  const { out } = await cache('--load', folder)
  const lines = out.trimEnd().split('\n')
  assert.equal(lines.length, 4)
  assert.match(lines[0], /^█{20} 100% +40 KiB of +40 KiB {2}/)
  assert.match(lines[3], /3 files in all/)
  for (const line of lines) assert.ok(line.length <= 100)
})

test('what cannot be looked at is named, and the rest is shown', async () => {
  const { status, out, notes } = await cache(path.join(folder, 'a'), path.join(folder, 'absent'))
  assert.equal(status, 1)
  assert.match(out, /a\n/)
  assert.match(notes, /absent: ENOENT/)
})

test('options that exclude each other, and no file at all, are usage errors', async () => {
  assert.equal((await cache('--load', '--evict', folder)).status, 2)
  assert.equal((await cache()).status, 2)
})
