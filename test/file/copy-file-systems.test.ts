import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { copyFile, copyTree } from 'sluice/file'
import { SEEK, syscall } from '#dist/kernel/index.js'
import { mounted, SMALL_BYTES } from '../helpers/mounts.js'

const MIB = 2 ** 20

function sparse(path: string, size: number, data: [number, number][]): void {
  const fd = openSync(path, 'w')
  for (const [position, length] of data)
    writeSync(fd, Buffer.alloc(length, `${position}`), 0, length, position)
  ftruncateSync(fd, size)
  closeSync(fd)
}

function extentsOf(path: string): [number, number][] {
  const fd = openSync(path, 'r')
  const extents: [number, number][] = []
  for (let from = syscall('lseek', fd, 0, SEEK.DATA); from >= 0; ) {
    const to = syscall('lseek', fd, from, SEEK.HOLE)
    extents.push([from, to])
    from = syscall('lseek', fd, to, SEEK.DATA)
  }
  closeSync(fd)
  return extents
}

const SPARSE: [string, number, [number, number][]][] = [
  ['hole-first', 2 * MIB, [[MIB, 70_000]]],
  ['hole-last', 5 * MIB, [[0, 70_000]]],
  [
    'holes',
    20 * MIB + 1,
    [
      [65536, 4096],
      [8 * MIB, 3 * MIB],
      [20 * MIB, 1],
    ],
  ],
  ['only-hole', 3 * MIB, []],
]

function makeTree(root: string): void {
  mkdirSync(join(root, 'deep/er'), { recursive: true })
  for (const size of [0, 1, 4096, 100_000, 3 * MIB + 5])
    writeFileSync(join(root, `deep/${size}`), Buffer.alloc(size, `${size}`))
  for (let index = 0; index < 300; index++) writeFileSync(join(root, `deep/er/${index}`), `file ${index}`)
  symlinkSync('deep/1', join(root, 'link'))
  for (const [name, size, data] of SPARSE) sparse(join(root, name), size, data)
}

for (const type of ['ext4', 'xfs', 'btrfs', 'tmpfs'] as const) {
  test(`on ${type} a tree is copied byte for byte, and holes stay holes`, async t => {
    const mount = await mounted(t, type, SMALL_BYTES[type])
    if (mount === undefined) return
    const from = join(mount, 'from')
    makeTree(from)
    // On the device, so that what is a hole there is one for good.
    execFileSync('sync', ['--file-system', mount])
    for (const options of [{}, { reflink: 'never' }, { preserve: true }] as const) {
      const to = join(mount, 'to')
      const report = await copyTree(from, to, options)
      assert.deepEqual(report.failures, [])
      execFileSync('diff', ['--recursive', '--no-dereference', from, to])
      for (const [name] of SPARSE) {
        assert.ok(
          statSync(join(to, name)).blocks <= statSync(join(from, name)).blocks + 16,
          `${name} has grown`,
        )
        assert.deepEqual(extentsOf(join(to, name)), extentsOf(join(from, name)), name)
      }
      rmSync(to, { recursive: true })
    }
    for (const via of ['copy_file_range', 'map', 'ring'] as const) {
      for (const [name] of SPARSE) {
        await copyFile(join(from, name), join(mount, 'one'), { via })
        execFileSync('cmp', [join(from, name), join(mount, 'one')])
      }
    }
  })
}

for (const type of ['xfs', 'btrfs'] as const) {
  test(`on ${type} extents are shared, small files too`, async t => {
    const mount = await mounted(t, type, SMALL_BYTES[type])
    if (mount === undefined) return
    const from = join(mount, 'from')
    mkdirSync(from)
    for (let index = 0; index < 100; index++)
      writeFileSync(join(from, `${index}`), Buffer.alloc(10_000, `${index}`))
    writeFileSync(join(from, 'large'), Buffer.alloc(20 * MIB, 'large'))
    execFileSync('sync', ['--file-system', mount])
    const free = () => statfsSync(mount).bavail * statfsSync(mount).bsize
    const before = free()
    const { via } = await copyFile(join(from, 'large'), join(mount, 'large'), { reflink: 'always' })
    assert.equal(via, 'reflink')
    const { methods, failures } = await copyTree(from, join(mount, 'to'))
    assert.deepEqual(failures, [])
    assert.deepEqual(methods, { reflink: 101 })
    execFileSync('sync', ['--file-system', mount])
    assert.ok(before - free() < 5 * MIB, `${before - free()} bytes more are used`)
    execFileSync('diff', ['--recursive', from, join(mount, 'to')])
  })
}

test('where extents cannot be shared, demanding it fails and leaves nothing', async t => {
  const mount = await mounted(t, 'ext4', SMALL_BYTES.ext4)
  if (mount === undefined) return
  writeFileSync(join(mount, 'from'), 'contents')
  const copied = copyFile(join(mount, 'from'), join(mount, 'to'), { reflink: 'always' })
  await assert.rejects(copied, { code: 'ENOTSUP', syscall: 'ioctl' })
  assert.deepEqual(readdirSync(mount).sort(), ['from', 'lost+found'])
})

test('trees go from file system to file system', async t => {
  const mounts: string[] = []
  for (const type of ['ext4', 'xfs', 'tmpfs', 'btrfs'] as const) {
    const mount = await mounted(t, type, SMALL_BYTES[type])
    if (mount === undefined) return
    mounts.push(mount)
  }
  let from = join(mounts[0], 'tree')
  makeTree(from)
  for (const mount of [...mounts.slice(1), mounts[0]]) {
    const to = join(mount, 'copy')
    const { failures } = await copyTree(from, to, { preserve: true })
    assert.deepEqual(failures, [])
    execFileSync('diff', ['--recursive', '--no-dereference', from, to])
    assert.ok(statSync(join(to, 'only-hole')).blocks <= 16)
    from = to
  }
})

for (const type of ['ext4', 'tmpfs'] as const) {
  test(`onto a full ${type} what does not fit is told, what fits is whole, and nothing is half`, async t => {
    const mount = await mounted(t, type, 24 * MIB)
    if (mount === undefined) return
    const folder = mkdtempSync(join(tmpdir(), 'sluice-full-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const from = join(folder, 'from')
    mkdirSync(from)
    for (let index = 0; index < 200; index++)
      writeFileSync(join(from, `small-${index}`), Buffer.alloc(30_000, `${index}`))
    for (let index = 0; index < 8; index++)
      writeFileSync(join(from, `large-${index}`), Buffer.alloc(4 * MIB, `${index}`))
    writeFileSync(join(mount, 'large'), 'old')
    const { failures, files } = await copyTree(from, join(mount, 'to'))
    assert.ok(failures.length > 0)
    assert.deepEqual([...new Set(failures.map(({ error }) => error.code))], ['ENOSPC'])
    assert.equal(files + failures.length, 208)
    const copied = readdirSync(join(mount, 'to'))
    assert.equal(copied.length, files)
    for (const name of copied)
      assert.ok(readFileSync(join(mount, 'to', name)).equals(readFileSync(join(from, name))))
    const big = copyFile(join(from, 'large-0'), join(mount, 'large'))
    await assert.rejects(big, { code: 'ENOSPC', dest: join(mount, 'large') })
    assert.equal(readFileSync(join(mount, 'large'), 'utf8'), 'old')
    assert.deepEqual(
      readdirSync(mount).filter(name => name.startsWith('.')),
      [],
    )
  })
}
