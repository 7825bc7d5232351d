import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { copyFile, copyTree } from 'sluice/file'
import { ensureDebianPackages } from '#scripts/setup.js'
import { cannotMount } from '../helpers/mounts.js'

function scratch(t: TestContext): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-mounts-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return name => join(folder, name)
}

test('a copy of one file system leaves out what is mounted on it', {
  skip: cannotMount,
}, async t => {
  const at = scratch(t)
  mkdirSync(at('from/inner/mounted'), { recursive: true })
  writeFileSync(at('from/inner/file'), 'file')
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', at('from/inner/mounted')])
  try {
    writeFileSync(at('from/inner/mounted/elsewhere'), 'elsewhere')
    const { failures } = await copyTree(at('from'), at('to'), { oneFileSystem: true })
    assert.deepEqual(failures, [])
    assert.deepEqual(readdirSync(at('to/inner')).sort(), ['file', 'mounted'])
    assert.deepEqual(readdirSync(at('to/inner/mounted')), [])
    // What has been asked for by name is copied, mounted or not.
    await copyTree(at('from/inner/mounted'), at('itself'), { oneFileSystem: true })
    assert.deepEqual(readdirSync(at('itself')), ['elsewhere'])
    await copyTree(at('from'), at('all'))
    assert.deepEqual(readdirSync(at('all/inner/mounted')), ['elsewhere'])
  } finally {
    execFileSync('umount', [at('from/inner/mounted')])
  }
})

test('a block device is read to its end, and written to where it is the target', {
  skip: cannotMount,
}, async t => {
  const at = scratch(t)
  const bytes = Buffer.alloc(5 * 512 * 1024, 'block')
  writeFileSync(at('image'), bytes)
  const made = spawnSync('losetup', ['--find', '--show', at('image')], { encoding: 'utf8' })
  if (made.status !== 0) return t.skip(`there is no loop device: ${made.error?.message ?? made.stderr}`)
  const device = made.stdout.trim()
  try {
    assert.deepEqual(await copyFile(device, at('copy')), { bytes: bytes.length, via: 'ring' })
    assert.ok(readFileSync(at('copy')).equals(bytes))
    bytes.fill('other')
    writeFileSync(at('new'), bytes)
    await copyFile(at('new'), device)
    execFileSync('cmp', [at('new'), device])
    assert.ok(lstatSync(device).isBlockDevice())
    // As a tree it is made anew.
    await copyTree(device, at('node'))
    assert.equal(lstatSync(at('node')).rdev, lstatSync(device).rdev)
  } finally {
    execFileSync('losetup', ['--detach', device])
  }
})

test('on a FUSE file system the kernel is asked to copy, and trees are copied whole', {
  skip: cannotMount,
}, async t => {
  if (!(await ensureDebianPackages(['bindfs']))) return t.skip('the package bindfs is not installed')
  const at = scratch(t)
  mkdirSync(at('below/from/inner'), { recursive: true })
  mkdirSync(at('mount'))
  const bytes = Buffer.alloc(3_000_000, 'three million')
  writeFileSync(at('below/from/large'), bytes)
  for (let index = 0; index < 40; index++) writeFileSync(at(`below/from/inner/${index}`), `${index}`)
  const { status, stderr } = spawnSync('bindfs', [at('below'), at('mount')], { encoding: 'utf8' })
  if (status !== 0) return t.skip(`bindfs cannot mount here: ${stderr}`)
  try {
    const copied = await copyFile(at('mount/from/large'), at('mount/copy'))
    assert.deepEqual(copied, { bytes: bytes.length, via: 'copy_file_range' })
    assert.ok(readFileSync(at('below/copy')).equals(bytes))
    for (const options of [{}, { preserve: true }]) {
      const report = await copyTree(at('mount/from'), at('mount/to'), options)
      assert.deepEqual(report.failures, [])
      execFileSync('diff', ['--recursive', at('below/from'), at('below/to')])
      assert.deepEqual(readdirSync(at('below')).sort(), ['copy', 'from', 'to'])
      rmSync(at('mount/to'), { recursive: true })
    }
  } finally {
    execFileSync('umount', [at('mount')])
  }
})
