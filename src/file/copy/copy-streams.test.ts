import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  countDescriptors,
  hasOpen,
  isFull,
  openWriter,
  pattern,
  scratch,
  until,
} from './copy.test.support.js'
import { copyFile, copyPaths, copyTree } from './index.js'

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url))
const isRoot = process.geteuid?.() === 0

test('a FIFO is read until its writers have ended, into a file', async t => {
  const at = (name: string) => join(folder, name)
  const folder = scratch(t)
  execFileSync('mkfifo', [at('fifo')])
  const bytes = pattern(3_000_000)
  for (const round of [1, 2]) {
    const copied = copyFile(at('fifo'), at('file'))
    await writeFile(at('fifo'), bytes.subarray(round))
    assert.deepEqual(await copied, { bytes: bytes.length - round, via: 'ring' })
    assert.ok(readFileSync(at('file')).equals(bytes.subarray(round)))
  }
  assert.deepEqual(readdirSync(folder).sort(), ['fifo', 'file'])
})

test('whoever writes a FIFO may begin before the copy does, or write nothing', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  execFileSync('mkfifo', [at('fifo')])
  const writer = writeFile(at('fifo'), 'early')
  assert.equal((await copyFile(at('fifo'), at('file'))).bytes, 5)
  await writer
  const copied = copyFile(at('fifo'), at('empty'))
  await writeFile(at('fifo'), '')
  assert.equal((await copied).bytes, 0)
  assert.equal(readFileSync(at('empty'), 'utf8'), '')
})

test('a FIFO is copied into a FIFO', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  execFileSync('mkfifo', [at('from'), at('to')])
  const bytes = pattern(500_000)
  const [copied, , read] = await Promise.all([
    copyFile(at('from'), at('to')),
    writeFile(at('from'), bytes),
    open(at('to')).then(async file => {
      await using reading = file
      return reading.readFile()
    }),
  ])
  assert.equal(copied.bytes, bytes.length)
  assert.ok(read.equals(bytes))
})

test('what waits for the other end of a FIFO is freed by an abort', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  execFileSync('mkfifo', [at('fifo'), at('full')])
  writeFileSync(at('file'), pattern(1_000_000))
  const reader = openSync(at('full'), constants.O_RDONLY | constants.O_NONBLOCK)
  await copyFile('/dev/null', at('nothing'))
  const before = countDescriptors()
  for (const [from, to, waits] of [
    ['fifo', 'new', async () => openWriter(at('fifo'))],
    ['file', 'fifo', async () => until(() => hasOpen('self', at('file')))],
    ['file', 'full', async () => until(() => isFull(reader))],
  ] as const) {
    const controller = new AbortController()
    const rejected = assert.rejects(
      copyFile(at(from), at(to), { signal: controller.signal }),
      { name: 'AbortError' },
      `${from} to ${to}`,
    )
    const writer = await waits()
    controller.abort()
    await rejected
    if (writer !== undefined) closeSync(writer)
    assert.equal(countDescriptors(), before)
  }
  closeSync(reader)
  assert.deepEqual(readdirSync(folder).sort(), ['fifo', 'file', 'full', 'nothing'])
})

test('a write that fails ends the copy of a FIFO whose writer stays and writes nothing more', async t => {
  const folder = scratch(t)
  const fifo = join(folder, 'fifo')
  execFileSync('mkfifo', [fifo])
  await copyFile('/dev/null', join(folder, 'nothing'))
  const before = countDescriptors()
  const rejected = assert.rejects(copyFile(fifo, '/dev/full'), { code: 'ENOSPC' })
  const writer = await openWriter(fifo)
  writeSync(writer, 'x')
  await rejected
  closeSync(writer)
  assert.equal(countDescriptors(), before)
})

test('a stream replaces what is newer than its name, unless nothing is to be replaced', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  execFileSync('mkfifo', [at('fifo')])
  writeFileSync(at('file'), 'old')
  utimesSync(at('file'), 2 ** 32, 2 ** 32)
  const copied = copyFile(at('fifo'), at('file'), { overwrite: 'older' })
  const writer = await openWriter(at('fifo'))
  writeSync(writer, 'new')
  closeSync(writer)
  assert.deepEqual(await copied, { bytes: 3, via: 'ring' })
  assert.equal(readFileSync(at('file'), 'utf8'), 'new')
  assert.deepEqual(await copyFile(at('fifo'), at('file'), { overwrite: 'never' }), { bytes: 0 })

  writeFileSync(at('piped'), 'old')
  const pipe = 'echo new | "$0" "$1" cp -u /dev/stdin "$2"'
  execFileSync('sh', ['-c', pipe, process.execPath, MAIN, at('piped')])
  assert.equal(readFileSync(at('piped'), 'utf8'), 'new\n')
})

test('standard input is copied: a pipe, and a file that has no name any more', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  const bytes = pattern(300_000)
  writeFileSync(at('source'), bytes)
  // What Node calls a pipe is a socket.
  const pipe = 'cat "$3" | "$0" "$1" cp /dev/stdin "$2"'
  execFileSync('sh', ['-c', pipe, process.execPath, MAIN, at('piped'), at('source')])
  assert.ok(readFileSync(at('piped')).equals(bytes))

  const fd = openSync(at('piped'), 'r')
  rmSync(at('piped'))
  const nameless = spawn(process.execPath, [MAIN, 'cp', '/dev/stdin', at('copy')], {
    stdio: [fd, 'inherit', 'inherit'],
  })
  assert.deepEqual(await once(nameless, 'exit'), [0, null])
  closeSync(fd)
  assert.ok(readFileSync(at('copy')).equals(bytes))
})

test('devices are read, and what is there as a device is written to, never replaced', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  assert.equal((await copyFile('/dev/null', at('empty'))).bytes, 0)
  assert.ok(lstatSync(at('empty')).isFile())
  const before = lstatSync('/dev/null')
  await copyFile(at('empty'), '/dev/null')
  // As a tree it would be made anew: in the place of a device nothing is.
  const device = isRoot ? at('device') : '/dev/full'
  if (isRoot) execFileSync('mknod', [device, 'c', '1', '7'])
  const controller = new AbortController()
  await copyTree('/dev/zero', device).then(({ failures }) => assert.equal(failures[0].error.code, 'EEXIST'))
  execFileSync('ln', ['-s', 'nowhere', at('link')])
  await copyTree(at('link'), device).then(({ failures }) => assert.equal(failures[0].error.code, 'EEXIST'))
  await assert.rejects(copyFile('/dev/zero', device, { signal: controller.signal }), { code: 'ENOSPC' })
  assert.ok(lstatSync(device).isCharacterDevice())
  assert.deepEqual([lstatSync('/dev/null').ino, lstatSync('/dev/null').rdev], [before.ino, before.rdev])
})

test('two operands of one name do not become one in silence; folders are merged', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  for (const name of ['a/x', 'b/x', 'to']) mkdirSync(at(name), { recursive: true })
  for (const name of ['a/f', 'b/f', 'a/x/one', 'b/x/two']) writeFileSync(at(name), name)
  const report = await copyPaths([
    { from: at('a/f'), to: at('to/f') },
    { from: at('b/f'), to: at('to/f') },
    { from: at('a/x'), to: at('to/x') },
    { from: at('b/x'), to: at('to/x') },
  ])
  assert.deepEqual(
    report.failures.map(({ path, error }) => [path, error.code]),
    [[at('b/f'), 'EEXIST']],
  )
  assert.equal(readFileSync(at('to/f'), 'utf8'), 'a/f')
  assert.deepEqual(readdirSync(at('to/x')).sort(), ['one', 'two'])
})

test('of a file that is in two merged folders the later stays, as with cp', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  for (const name of ['a/x', 'b/x', 'ours', 'theirs']) mkdirSync(at(name), { recursive: true })
  for (const name of ['a/x/f', 'b/x/f', 'a/x/one', 'b/x/two']) writeFileSync(at(name), name)
  const report = await copyPaths(['a/x', 'b/x'].map(from => ({ from: at(from), to: at('ours/x') })))
  assert.deepEqual(report.failures, [])
  execFileSync('cp', ['-r', at('a/x'), at('b/x'), at('theirs')])
  execFileSync('diff', ['--recursive', at('ours'), at('theirs')])
  assert.equal(readFileSync(at('ours/x/f'), 'utf8'), 'b/x/f')
})
