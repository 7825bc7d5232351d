import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { copyFile, open } from 'sluice/file'
import { mounted } from '../helpers/mounts.js'

const MIB = 2 ** 20

test('what a copy shares with its original has blocks of its own once it is unshared', async t => {
  const mount = await mounted(t, 'xfs', 300 * MIB)
  if (mount === undefined) return
  const [from, to] = ['from', 'to'].map(name => join(mount, name))
  const content = Buffer.alloc(8 * MIB, 'shared')
  writeFileSync(from, content)
  await copyFile(from, to, { reflink: 'always' })
  const free = () => {
    execFileSync('sync', ['--file-system', mount])
    const { bavail, bsize } = statfsSync(mount)
    return bavail * bsize
  }
  const before = free()
  await using file = await open(to, 'r+')
  await file.allocate(0, 4 * MIB, 'unshare')
  assert.ok(Math.abs(before - free() - 4 * MIB) < MIB, `${before - free()} bytes more are used`)
  await file.write(Buffer.alloc(MIB, 'own'), 0, MIB, 0)
  assert.ok(readFileSync(from).equals(content))
  assert.ok(readFileSync(to).subarray(MIB).equals(content.subarray(MIB)))
})
