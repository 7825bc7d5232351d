import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'node:test'
import { scratch } from './copy.test.support.js'
import { copyFile, copyTree } from './index.js'

const isRoot = process.geteuid?.() === 0

test('FIFOs and sockets are made anew, and nobody waits for their other end', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  mkdirSync(from)
  execFileSync('mkfifo', ['--mode=0620', join(from, 'fifo')])
  const server = createServer().listen(join(from, 'socket'))
  t.after(() => server.close())
  await new Promise(resolve => server.once('listening', resolve))
  const { failures, links, files } = await copyTree(from, to, { preserve: true })
  assert.deepEqual([failures, links, files], [[], 2, 0])
  assert.ok(lstatSync(join(to, 'fifo')).isFIFO())
  assert.equal(lstatSync(join(to, 'fifo')).mode & 0o777, 0o620)
  assert.ok(lstatSync(join(to, 'socket')).isSocket())
})

test('devices are made anew by root, with their numbers', {
  skip: !isRoot && 'only root can make a device',
}, async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  mkdirSync(from)
  execFileSync('mknod', [join(from, 'null'), 'c', '1', '3'])
  const { failures } = await copyTree(from, to)
  assert.deepEqual(failures, [])
  assert.ok(lstatSync(join(to, 'null')).isCharacterDevice())
  assert.equal(lstatSync(join(to, 'null')).rdev, lstatSync('/dev/null').rdev)
})

test('a file copied onto itself, by whatever name, keeps its bytes', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  const bytes = Buffer.alloc(200_000, 'itself')
  writeFileSync(at('file'), bytes)
  linkSync(at('file'), at('other'))
  symlinkSync('file', at('link'))
  for (const [from, to] of [
    ['file', 'file'],
    ['file', 'other'],
    ['link', 'file'],
    ['file', 'link'],
  ] as const) {
    await copyFile(at(from), at(to)).catch(error => assert.equal(error.code, 'EINVAL', `${from} to ${to}`))
    for (const name of ['file', 'other', 'link']) assert.ok(readFileSync(at(name)).equals(bytes), name)
    assert.deepEqual(readdirSync(folder).sort(), ['file', 'link', 'other'])
  }
  assert.ok(lstatSync(at('link')).isSymbolicLink())
})
