import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { openMeter } from '../observe/index.js'
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

test('a file of several names, or named several times, counts once', async t => {
  const linked = path.join(folder, 'deep', 'again')
  fs.linkSync(path.join(folder, 'a'), linked)
  t.after(() => fs.rmSync(linked))
  const { out } = await cache('--json', folder, path.join(folder, 'a'), linked, path.join(folder, 'link'))
  const { totals } = JSON.parse(out)
  assert.deepEqual([totals.files, totals.size], [3, 49152])
})

test('names that are no UTF-8 are looked at, loaded and evicted', async t => {
  const odd = Buffer.concat([Buffer.from(`${folder}/odd-`), Buffer.from([0xff, 0xfe])])
  fs.mkdirSync(odd)
  t.after(() => fs.rmSync(odd, { recursive: true }))
  fs.writeFileSync(Buffer.concat([odd, Buffer.from([0x2f, 0xfd])]), Buffer.alloc(8192))
  for (const how of ['--load', '--evict', '--json']) {
    const { status, out, notes } = await cache('--json', how, folder)
    assert.deepEqual([status, notes], [0, ''])
    const { totals, files } = JSON.parse(out)
    assert.deepEqual([totals.files, totals.size], [4, 57344])
    assert.ok(files.some((file: { path: string }) => file.path.endsWith('odd-\ufffd\ufffd/\ufffd')))
  }
})

test('what is told of a file is its pages of each kind, and by which call', async t => {
  fs.writeFileSync(path.join(folder, 'deep', 'b'), Buffer.alloc(8192, 'c'))
  const { out } = await cache('--json', path.join(folder, 'deep', 'b'))
  const [file] = JSON.parse(out).files
  assert.ok(['cachestat', 'mincore'].includes(file.method))
  if (file.method === 'mincore') return t.skip('cachestat(2) came with Linux 6.5')
  assert.deepEqual([typeof file.writeback, typeof file.evicted, file.foreign], ['number', 'number', false])
  const shown = await cache(path.join(folder, 'deep', 'b'))
  if (file.dirty > 0) assert.match(shown.out, /8\.0 KiB dirty|8\.0 KiB being written|b\n/)
})

test('of a file of somebody else nothing is known, and that is said', async t => {
  if (process.getuid?.() === 0) return t.skip('to root, every file is its own')
  const { out, notes } = await cache('--json', '/etc/passwd')
  const [file] = JSON.parse(out).files
  assert.deepEqual([file.method, file.foreign], ['mincore', true])
  assert.equal(notes, '')
  assert.match((await cache('/etc/passwd')).notes, /somebody else's/)
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

test('a file costs four system calls, so that a huge tree is looked at in seconds', async t => {
  const files = 2000
  const tree = path.join(folder, 'tree')
  t.after(() => fs.rmSync(tree, { recursive: true }))
  for (let index = 0; index < files; index++) {
    const inner = path.join(tree, `${index % 20}`)
    fs.mkdirSync(inner, { recursive: true })
    fs.writeFileSync(path.join(inner, `${index}`), 'x')
  }
  const meter = openMeter()
  t.after(() => meter.close())
  const note = meter.notes.find(text => text.startsWith('system calls'))
  if (note !== undefined) return t.skip(note)
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 3; round++) {
    meter.start()
    await cache(tree)
    least = Math.min(least, meter.stop().systemCalls?.value ?? 0)
  }
  const { method } = JSON.parse((await cache('--json', tree)).out).files[0]
  if (method !== 'cachestat') return t.skip('it is four with cachestat(2), Linux 6.5')
  assert.ok(least >= 4 * files, `${least} calls`)
  // Besides, folders are read, and V8's threads wake each other.
  assert.ok(least < 5 * files, `${least} calls`)
})

test('options that exclude each other, and no file at all, are usage errors', async () => {
  assert.equal((await cache('--load', '--evict', folder)).status, 2)
  assert.equal((await cache()).status, 2)
})
