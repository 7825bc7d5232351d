import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from './run.js'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))

function scratch(t: TestContext): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-cp-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return name => join(folder, name)
}

async function cp(...args: string[]): Promise<{ status: number; out: string; notes: string }> {
  let out = ''
  let notes = ''
  const status = await run(['cp', ...args], {
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

test('a file is copied to a name, or into a folder, without a word', async t => {
  const at = scratch(t)
  writeFileSync(at('a'), 'contents')
  mkdirSync(at('folder'))
  assert.deepEqual(await cp(at('a'), at('b')), { status: 0, out: '', notes: '' })
  assert.equal(readFileSync(at('b'), 'utf8'), 'contents')
  assert.equal((await cp(at('a'), at('b'), at('folder'))).status, 0)
  assert.deepEqual(readdirSync(at('folder')).sort(), ['a', 'b'])
})

test('a folder needs -r; the rest is copied all the same', async t => {
  const at = scratch(t)
  mkdirSync(at('from/inner'), { recursive: true })
  writeFileSync(at('from/inner/a'), 'contents')
  writeFileSync(at('file'), 'file')
  mkdirSync(at('to'))
  const refused = await cp(at('from'), at('file'), at('to'))
  assert.equal(refused.status, 1)
  assert.match(refused.notes, /^sluice cp: \S+from: EISDIR: .*\(-r copies folders\)\n$/)
  assert.deepEqual(readdirSync(at('to')), ['file'])
  assert.equal((await cp('-r', at('from'), at('to'))).status, 0)
  assert.equal(readFileSync(at('to/from/inner/a'), 'utf8'), 'contents')
  assert.equal((await cp('-r', at('from'), at('new'))).status, 0)
  assert.equal(readFileSync(at('new/inner/a'), 'utf8'), 'contents')
  assert.equal((await cp('-r', `${at('from')}/.`, at('to'))).status, 0)
  assert.equal(readFileSync(at('to/inner/a'), 'utf8'), 'contents')
})

test('links are followed without -r, and copied with it; -a keeps times and hard links', async t => {
  const at = scratch(t)
  mkdirSync(at('from'))
  writeFileSync(at('from/a'), 'contents')
  linkSync(at('from/a'), at('from/b'))
  symlinkSync('a', at('from/link'))
  utimesSync(at('from/a'), 1000, 2000)
  await cp(at('from/link'), at('followed'))
  assert.equal(readFileSync(at('followed'), 'utf8'), 'contents')
  assert.ok(statSync(at('followed')).isFile())
  await cp('-a', at('from'), at('to'))
  assert.equal(statSync(at('to/a')).mtimeMs, 2_000_000)
  assert.equal(statSync(at('to/a')).ino, statSync(at('to/b')).ino)
  assert.equal(readFileSync(at('to/link'), 'utf8'), 'contents')
})

test('--json prints the report, with what failed', async t => {
  const at = scratch(t)
  mkdirSync(at('from'))
  for (let index = 0; index < 10; index++) writeFileSync(at(`from/${index}`), `${index}`)
  const { status, out } = await cp('-r', '--json', at('from'), at('absent'), at('.'))
  const report = JSON.parse(out)
  assert.equal(status, 1)
  const codes = report.failures.map(({ code }: { code: string }) => code)
  assert.deepEqual(codes.sort(), ['EINVAL', 'ENOENT'])
  const fine = JSON.parse((await cp('-r', '--json', at('from'), at('to'))).out)
  assert.deepEqual([fine.files, fine.bytes, fine.directories, fine.failures], [10, 10, 1, []])
})

test('arguments that cannot be have status 2, targets that cannot be 1', async t => {
  const at = scratch(t)
  assert.equal((await cp()).status, 2)
  assert.equal((await cp(at('a'))).status, 2)
  assert.equal((await cp('--reflink', 'perhaps', at('a'), at('b'))).status, 2)
  assert.equal((await cp('--unknown', at('a'), at('b'))).status, 2)
  const missing = await cp(at('a'), at('b'), at('c'))
  assert.equal(missing.status, 1)
  assert.match(missing.notes, /c: no such folder/)
})

test('interrupted, it removes what it has begun and says so', async t => {
  const at = scratch(t)
  mkdirSync(at('from'))
  for (let index = 0; index < 20; index++) writeFileSync(at(`from/${index}`), Buffer.alloc(30_000_000, index))
  const child = spawn(process.execPath, [MAIN, 'cp', '-r', at('from'), at('to')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let notes = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    notes += text
  })
  // It has begun when its folder is there; what must not be there is the final name.
  while (readdirSync(at('.')).length < 2) await new Promise(setImmediate)
  child.kill('SIGINT')
  const [status] = await once(child, 'exit')
  assert.equal(status, 1)
  assert.match(notes, /^sluice cp: interrupted; what was begun has been removed\n$/)
  assert.deepEqual(readdirSync(at('.')), ['from'])
  assert.ok(!existsSync(at('to')))
})
