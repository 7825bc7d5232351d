import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { errnoName, pathBytes, syscall } from '../../kernel/index.js'
import { countDescriptors, extentsOf, makeSparse, pattern, picture, scratch } from './copy.test.support.js'
import { copyPaths, copyTree } from './index.js'

const isRoot = process.getuid?.() === 0

/** Files small and large, folders empty and full, links, a FIFO, names of all kinds. */
function makeTree(root: string): void {
  const at = (name: string) => join(root, name)
  for (const name of ['', 'empty', 'a', 'a/b', 'a/b/c', 'many', 'with space\n']) mkdirSync(at(name))
  for (const [index, size] of [0, 1, 100, 4096, 32767, 32768, 40_000, 1_000_000].entries()) {
    writeFileSync(at(`a/b/size-${size}`), pattern(size, index + 1))
  }
  for (let index = 0; index < 700; index++) writeFileSync(at(`many/${index}`), `contents of ${index}`)
  writeFileSync(at('a/secret'), 'secret', { mode: 0o600 })
  writeFileSync(at('a/program'), '#!/bin/sh\n', { mode: 0o755 })
  writeFileSync(Buffer.concat([Buffer.from(`${root}/a/`), Buffer.from([0xe9, 0x80])]), 'no UTF-8')
  makeSparse(at('a/sparse'), 1_000_000, [[500_000, 10]])
  makeSparse(at('a/all-hole'), 20_000, [])
  symlinkSync('b/size-100', at('a/link'))
  symlinkSync('../nowhere', at('dangling'))
  symlinkSync('a', at('folder-link'))
  execFileSync('mkfifo', [at('fifo')])
  linkSync(at('a/b/size-4096'), at('a/second-name'))
  linkSync(at('a/b/size-4096'), at('third-name'))
  chmodSync(at('a/b/c'), 0o750)
}

test('a tree is copied: contents, holes, links as links, modes', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  makeTree(from)
  const report = await copyTree(from, to)
  assert.deepEqual(report.failures, [])
  assert.deepEqual(picture(to), picture(from))
  assert.deepEqual(extentsOf(join(to, 'a/sparse')), extentsOf(join(from, 'a/sparse')))
  assert.equal(statSync(join(to, 'a/secret')).mode & 0o777, 0o600)
  assert.equal(statSync(join(to, 'a/program')).mode & 0o777, 0o755 & ~process.umask())
  assert.equal(statSync(join(to, 'a/b/c')).mode & 0o777, 0o750 & ~process.umask())
  assert.equal(report.directories, 7)
  assert.equal(report.links, 4)
  assert.equal(report.files, 700 + 8 + 2 + 1 + 2 + 2)
  assert.deepEqual(readdirSync(folder).sort(), ['from', 'to'])
})

test('with preserve nothing tells the copy from the tree', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  makeTree(from)
  chmodSync(join(from, 'a/program'), 0o4755)
  chmodSync(join(from, 'a/b'), 0o2775)
  if (isRoot) {
    chownSync(join(from, 'a/secret'), 1234, 4321)
    chownSync(join(from, 'a/b/c'), 1234, 4321)
    chownSync(join(from, 'fifo'), 1, 2)
  }
  for (const name of ['a/b/size-0', 'a/b/size-1000000', 'fifo', 'many/3', 'a/b/c', 'a', '']) {
    utimesSync(join(from, name), 1_000_000_000.123, 1_111_111_111.987)
  }
  const report = await copyTree(from, to, { preserve: true })
  assert.deepEqual(report.failures, [])
  assert.deepEqual(picture(to, true), picture(from, true))
  assert.equal(statSync(join(to, 'third-name')).ino, statSync(join(to, 'a/b/size-4096')).ino)
  assert.notEqual(statSync(join(to, 'third-name')).ino, statSync(join(from, 'third-name')).ino)
})

test('with preserve extended attributes are kept', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  mkdirSync(from)
  writeFileSync(join(from, 'file'), 'contents', { mode: 0o444 })
  mkdirSync(join(from, 'folder'))
  const attributes = [
    ['user.first', 'one'],
    ['user.empty', ''],
    ['user.long', 'x'.repeat(2000)],
  ] as const
  for (const name of ['file', 'folder']) {
    const path = pathBytes(join(from, name))
    chmodSync(join(from, name), 0o755)
    for (const [key, value] of attributes) {
      const bytes = pathBytes(value)
      const result = syscall('setxattr', path, pathBytes(key), bytes, value.length, 0)
      if (result < 0) return t.skip(`extended attributes cannot be set here: ${errnoName(result)}`)
    }
    chmodSync(join(from, name), 0o555)
  }
  await copyTree(from, to, { preserve: true })
  for (const name of ['file', 'folder']) {
    const path = pathBytes(join(to, name))
    for (const [key, value] of attributes) {
      const bytes = Buffer.from(new ArrayBuffer(4096))
      const length = syscall('getxattr', path, pathBytes(key), bytes, bytes.length)
      assert.equal(bytes.toString('latin1', 0, length), value)
    }
    assert.equal(statSync(join(to, name)).mode & 0o777, 0o555)
  }
})

test('a folder that is there is added to; its files are replaced, its other files stay', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  makeTree(from)
  mkdirSync(join(to, 'a/b'), { recursive: true })
  writeFileSync(join(to, 'a/b/size-100'), 'old')
  linkSync(join(to, 'a/b/size-100'), join(folder, 'old'))
  writeFileSync(join(to, 'a/b/mine'), 'mine')
  chmodSync(join(to, 'a/b'), 0o711)
  const { failures } = await copyTree(from, to)
  assert.deepEqual(failures, [])
  const expected = picture(from)
  const found = picture(to)
  assert.deepEqual(found['./a/b/mine'], ['file', 'mine', 0o100000n])
  delete found['./a/b/mine']
  assert.deepEqual(found, expected)
  assert.equal(readFileSync(join(folder, 'old'), 'utf8'), 'old')
  assert.equal(statSync(join(to, 'a/b')).mode & 0o777, 0o711)
})

test('what fails is told with its paths, and everything else is copied', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  mkdirSync(join(from, 'folder'), { recursive: true })
  for (let index = 0; index < 50; index++) writeFileSync(join(from, `${index}`), `${index}`)
  writeFileSync(join(from, 'folder/inside'), 'inside')
  mkdirSync(to)
  mkdirSync(join(to, '7'))
  writeFileSync(join(to, 'folder'), 'a file')
  const report = await copyTree(from, to)
  assert.deepEqual(report.failures.map(({ path, dest, error }) => [path, dest, error.code]).sort(), [
    [join(from, '7'), join(to, '7'), 'EISDIR'],
    [join(from, 'folder'), join(to, 'folder'), 'EEXIST'],
  ])
  assert.equal(report.files, 49)
  assert.equal(readdirSync(to).length, 51)
  assert.equal(readFileSync(join(to, '8'), 'utf8'), '8')
})

test('a file that may not be read is told, also among small ones', {
  skip: isRoot && 'root may read all',
}, async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  makeTree(from)
  for (const name of ['many/7', 'a/b/size-1000000']) chmodSync(join(from, name), 0)
  chmodSync(join(from, 'empty'), 0)
  const report = await copyTree(from, to)
  const failed = report.failures.map(({ path, error }) => [path, error.code, error.syscall]).sort()
  assert.deepEqual(failed, [
    [join(from, 'a/b/size-1000000'), 'EACCES', 'open'],
    [join(from, 'empty'), 'EACCES', 'scandir'],
    [join(from, 'many/7'), 'EACCES', 'open'],
  ])
  assert.ok(!existsSync(join(to, 'many/7')))
  assert.equal(readdirSync(join(to, 'many')).length, 699)
})

test('a tree is not copied into itself', async t => {
  const from = join(scratch(t), 'from')
  makeTree(from)
  const to = join(from, 'a/copy')
  const { failures } = await copyTree(from, to)
  assert.equal(failures.length, 1)
  assert.equal(failures[0].error.code, 'EINVAL')
  assert.ok(existsSync(join(to, 'a/b/size-100')))
  assert.ok(!existsSync(join(to, 'a/copy')))
  const again = await copyTree(from, from)
  assert.equal(again.failures[0].error.code, 'EINVAL')
})

test('an aborted copy removes what it has begun, and closes what it has opened', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  makeTree(from)
  await copyTree(from, to)
  const before = countDescriptors()
  for (let files = 0; files < 450; files += 50) {
    for (const target of ['new', 'to']) {
      const controller = new AbortController()
      const copied = copyTree(from, join(folder, target), {
        signal: controller.signal,
        onProgress: progress => {
          if (progress.files >= files) controller.abort()
        },
      })
      await assert.rejects(copied, { name: 'AbortError' })
      assert.deepEqual(readdirSync(folder).sort(), ['from', 'to'])
      assert.deepEqual(picture(to), picture(from))
    }
  }
  assert.equal(countDescriptors(), before)
})

test('a deep tree and a wide one keep few descriptors open', async t => {
  const folder = scratch(t)
  const deep = join(folder, 'deep')
  mkdirSync(join(deep, ...Array.from({ length: 200 }, () => 'd')), { recursive: true })
  writeFileSync(join(deep, ...Array.from({ length: 200 }, () => 'd'), 'file'), 'deep down')
  for (let index = 0; index < 400; index++) mkdirSync(join(folder, `wide/${index}/x`), { recursive: true })
  const before = countDescriptors()
  let most = 0
  const onProgress = () => {
    most = Math.max(most, countDescriptors())
  }
  await copyTree(join(folder, 'wide'), join(folder, 'wide-copy'), { onProgress })
  assert.deepEqual(picture(join(folder, 'wide-copy')), picture(join(folder, 'wide')))
  assert.ok(most - before < 100)
  await copyTree(deep, join(folder, 'deep-copy'))
  assert.deepEqual(picture(join(folder, 'deep-copy')), picture(deep))
  assert.equal(countDescriptors(), before)
})

test('several things are copied at once, each to its own place', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  makeTree(at('tree'))
  writeFileSync(at('file'), 'contents')
  symlinkSync('file', at('link'))
  const report = await copyPaths([
    { from: at('tree'), to: at('tree-copy') },
    { from: at('file'), to: at('file-copy') },
    { from: at('link'), to: at('link-copy') },
    { from: at('tree/fifo'), to: at('fifo-copy') },
    { from: at('absent'), to: at('absent-copy') },
  ])
  assert.deepEqual(
    report.failures.map(({ path }) => path),
    [at('absent')],
  )
  assert.deepEqual(picture(at('tree-copy')), picture(at('tree')))
  assert.equal(readFileSync(at('file-copy'), 'utf8'), 'contents')
  assert.ok(lstatSync(at('link-copy')).isSymbolicLink())
  assert.ok(lstatSync(at('fifo-copy')).isFIFO())
})
