import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { type EventEmitter, once } from 'node:events'
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
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

/** @param wrote is called after each piece of output */
async function cpWatched(
  wrote: () => void,
  ...args: string[]
): Promise<{ status: number; out: string; notes: string }> {
  let out = ''
  let notes = ''
  const status = await run(['cp', ...args], {
    columns: 100,
    isTerminal: false,
    write: text => {
      out += text
      wrote()
    },
    note: text => {
      notes += text
    },
    paint: (_, text) => text,
  })
  return { status, out, notes }
}

function cp(...args: string[]): ReturnType<typeof cpWatched> {
  return cpWatched(() => {}, ...args)
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
  assert.equal(status, 130)
  assert.match(notes, /^sluice cp: interrupted; what was begun has been removed\n$/)
  assert.deepEqual(readdirSync(at('.')), ['from'])
  assert.ok(!existsSync(at('to')))
})

test('interrupted, it says what it has begun and could not remove', async t => {
  const at = scratch(t)
  mkdirSync(at('from/inner'), { recursive: true })
  mkdirSync(at('place'))
  writeFileSync(at('from/inner/file'), 'contents')
  // What stands in the place of the folder now is none: nothing is to be found below it.
  const interrupt = () => {
    if (existsSync(at('moved'))) return
    renameSync(at('place'), at('moved'))
    writeFileSync(at('place'), '')
    const signals: EventEmitter = process
    signals.emit('SIGHUP', 'SIGHUP', 1)
  }
  const { status, notes } = await cpWatched(interrupt, '-rv', at('from'), at('place/new'))
  assert.equal(status, 129)
  assert.match(notes, /^sluice cp: interrupted\nsluice cp: what was begun is left: ENOTDIR: .*\n$/)
})

test('thousands of operands from many folders need few descriptors', async t => {
  const at = scratch(t)
  mkdirSync(at('to'))
  const operands: string[] = []
  for (let folder = 0; folder < 100; folder++) {
    mkdirSync(at(`${folder}`))
    for (let file = 0; file < 30; file++) {
      const name = at(`${folder}/${folder}-${file}`)
      writeFileSync(name, `${folder} ${file}`)
      operands.push(name)
    }
  }
  const command = ['-c', 'ulimit -n 256; exec "$0" "$@"', process.execPath, MAIN, 'cp', ...operands, at('to')]
  const { status, stderr } = spawnSync('sh', command, { encoding: 'utf8' })
  assert.deepEqual([status, stderr], [0, ''])
  assert.equal(readdirSync(at('to')).length, 3000)
  assert.equal(readFileSync(at('to/99-29'), 'utf8'), '99 29')
})

test('a file does not become one that was named as a folder, nor one of its own', async t => {
  const at = scratch(t)
  writeFileSync(at('file'), 'contents')
  const absent = await cp(at('file'), `${at('absent')}/`)
  assert.equal(absent.status, 1)
  assert.match(absent.notes, /ENOTDIR/)
  const itself = await cp(at('file'), at('file'))
  assert.equal(itself.status, 1)
  assert.match(itself.notes, /EINVAL.*\(they are the same file\)/)
  assert.deepEqual(readdirSync(at('.')), ['file'])
  mkdirSync(at('folder'))
  writeFileSync(at('folder/inside'), 'inside')
  symlinkSync('folder', at('link'))
  assert.equal((await cp('-r', `${at('link')}/`, at('copy'))).status, 0)
  assert.deepEqual(readdirSync(at('copy')), ['inside'])
})

test('the flags of cp that people are used to do what they do there', async t => {
  const at = scratch(t)
  const text = (name: string) => readFileSync(at(name), 'utf8')
  mkdirSync(at('from/inner'), { recursive: true })
  mkdirSync(at('to'))
  for (const name of ['a', 'b', 'from/inner/c']) writeFileSync(at(name), name)
  utimesSync(at('a'), 1000, 2000)

  assert.equal((await cp('-t', at('to'), at('a'), at('b'))).status, 0)
  assert.deepEqual(readdirSync(at('to')).sort(), ['a', 'b'])
  assert.match((await cp('-t', at('absent'), at('a'))).notes, /absent: no such folder/)

  assert.equal((await cp('-p', '-f', at('a'), at('kept'))).status, 0)
  assert.equal(statSync(at('kept')).mtimeMs, 2_000_000)

  writeFileSync(at('to/a'), 'mine')
  assert.equal((await cp('-n', at('a'), at('to'))).status, 0)
  assert.equal(text('to/a'), 'mine')
  // Of 1970, it is older than what is there.
  assert.equal((await cp('-u', at('a'), at('b'), at('to'))).status, 0)
  assert.equal(text('to/a'), 'mine')
  utimesSync(at('to/a'), 1000, 1999)
  assert.equal((await cp('-u', at('a'), at('to'))).status, 0)
  assert.equal(text('to/a'), 'a')

  assert.equal((await cp('-R', at('from'), at('new'))).status, 0)
  assert.equal((await cp('-RT', at('from'), at('new'))).status, 0)
  assert.deepEqual(readdirSync(at('new')), ['inner'])
  assert.match((await cp('-T', at('a'), at('to'))).notes, /EISDIR/)

  const { out } = await cp('-rv', at('from'), at('said'))
  assert.deepEqual(out.trimEnd().split('\n'), [
    `'${at('from/inner/c')}' -> '${at('said/inner/c')}'`,
    `'${at('from/inner')}' -> '${at('said/inner')}'`,
    `'${at('from')}' -> '${at('said')}'`,
  ])
  for (const args of [['-T', at('a'), at('b'), at('to')], ['-T', '-t', at('to'), at('a')], [at('a')]]) {
    assert.equal((await cp(...args)).status, 2, args.join(' '))
  }
})

test('trees leave what is there, or what is newer, and say how much that was', async t => {
  const at = scratch(t)
  mkdirSync(at('from/inner'), { recursive: true })
  for (let index = 0; index < 70; index++) writeFileSync(at(`from/inner/${index}`), 'new')
  symlinkSync('0', at('from/inner/link'))
  await cp('-r', at('from'), at('to'))
  for (const name of ['3', '50']) writeFileSync(at(`to/inner/${name}`), 'mine')
  utimesSync(at('to/inner/3'), 1000, 1000)
  rmSync(at('to/inner/7'))
  const copy = async (flag: string) => {
    const { out } = await cp(flag, '--json', '-r', `${at('from')}/.`, at('to'))
    const { files, links, skipped, failures } = JSON.parse(out)
    return { files, links, skipped, failures }
  }
  assert.deepEqual(await copy('-n'), { files: 1, links: 0, skipped: 70, failures: [] })
  assert.equal(readFileSync(at('to/inner/3'), 'utf8'), 'mine')
  assert.deepEqual(await copy('-u'), { files: 1, links: 0, skipped: 70, failures: [] })
  assert.equal(readFileSync(at('to/inner/3'), 'utf8'), 'new')
  assert.equal(readFileSync(at('to/inner/50'), 'utf8'), 'mine')
})

test('progress is shown on a terminal, also where the results go elsewhere', async t => {
  const at = scratch(t)
  execFileSync('mkfifo', [at('fifo')])
  const command = `"${process.execPath}" "${MAIN}" cp "${at('fifo')}" "${at('file')}" > "${at('out')}"`
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const started = await Promise.race([once(child, 'spawn'), once(child, 'error')])
  if (started.length > 0) return t.skip('there is no script(1)')
  const exited = once(child, 'exit')
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    shown += text
  })
  const chunk = Buffer.alloc(4096, 'x')
  const writing = await open(at('fifo'), 'w')
  // Slowly or fast: until it has been shown.
  while (!shown.includes('files, ')) {
    await writing.write(chunk)
    await new Promise(setImmediate)
  }
  await writing.close()
  assert.deepEqual(await exited, [0, null])
  assert.ok(shown.startsWith('\r\u001b[K0 files, '))
  assert.match(shown, /1 files, .* s \(ring\)\r\n$/)
  assert.equal(readFileSync(at('out'), 'utf8'), '')
})
