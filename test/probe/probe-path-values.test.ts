import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, constants, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { alignedBuffer } from 'sluice/memory'
import {
  cachestat,
  errnoOf,
  MAP,
  mapMemory,
  PAGE_SIZE,
  PROT,
  type ProbeResult,
  probe,
  syscall,
  unmapMemory,
} from '#dist/kernel/index.js'
import { cannotMount, mounted, SMALL_BYTES } from '../helpers/mounts.js'

const MIB = 2 ** 20
const EINVAL = -errnoOf('EINVAL')

/** What pread(2) past the page cache says, from memory that is aligned to just so many bytes and no more. */
function readPast(path: string, align: number, length: number, position: number): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT)
  const memory = alignedBuffer(align + length, 2 * align).subarray(align)
  const result = syscall('pread64', fd, memory, length, position)
  closeSync(fd)
  return result
}

/** That what a probe says of Direct I/O is what asks for it meets. */
function holdDirect(
  folder: string,
  { supported, memoryAlign, offsetAlign, method }: ProbeResult['path']['direct'],
) {
  assert.equal(supported, true)
  const [memory, offset] = [memoryAlign as number, offsetAlign as number]
  const file = join(folder, 'direct')
  writeFileSync(file, Buffer.alloc(8 * offset, 'x'), { flush: true })
  assert.equal(readPast(file, memory, offset, offset), offset)
  assert.equal(readPast(file, memory, 3 * offset, 2 * offset), 3 * offset)
  // Btrfs reads through the page cache what is not aligned, and the kernel does not tell what it asks for.
  if (method === 'tried') return
  assert.equal(readPast(file, memory, offset, offset / 2), EINVAL, 'half the position')
  assert.equal(readPast(file, memory, offset / 2, offset), EINVAL, 'half the length')
}

test('what is said of Direct I/O in the temporary folder is what it does', t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-probe-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { direct } = probe(folder).path
  if (!direct.supported) return t.skip('this file system has no Direct I/O')
  holdDirect(folder, direct)
  return undefined
})

for (const type of ['ext4', 'xfs', 'btrfs'] as const) {
  test(`what is said of Direct I/O and shared extents on ${type} is what it does`, async t => {
    const mount = await mounted(t, type, SMALL_BYTES[type])
    if (mount === undefined) return
    const { path } = probe(mount)
    assert.equal(path.mount?.type, type)
    holdDirect(mount, path.direct)
    writeFileSync(join(mount, 'from'), Buffer.alloc(MIB, 'x'))
    const copied = spawnSync('cp', ['--reflink=always', join(mount, 'from'), join(mount, 'to')])
    assert.equal(path.reflink === 'ok', copied.status === 0, `${path.reflink}: ${copied.stderr}`)
    assert.equal(path.reflink, type === 'ext4' ? 'ENOTSUP' : 'ok')
  })
}

test('on a device of larger sectors the alignment is theirs', { skip: cannotMount }, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-probe-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const image = join(folder, 'image')
  writeFileSync(image, '')
  truncateSync(image, SMALL_BYTES.ext4)
  const device = sectors(t, image, 4096)
  if (device === undefined) return
  const made = spawnSync('mkfs.ext4', ['-q', device], { encoding: 'utf8' })
  if (made.status !== 0) return t.skip(`ext4 cannot be made: ${made.error?.message ?? made.stderr}`)
  const point = mkdtempSync(join(folder, 'mounted-'))
  execFileSync('mount', [device, point])
  try {
    const { path } = probe(point)
    assert.equal(path.direct.offsetAlign, 4096)
    assert.equal(path.device?.logicalBlockSize, 4096)
    holdDirect(point, path.direct)
  } finally {
    execFileSync('umount', [point])
  }
})

/** A loop device; undefined after the test has been skipped. */
function sectors(t: TestContext, image: string, size: number): string | undefined {
  const made = spawnSync('losetup', ['--find', '--show', '--sector-size', `${size}`, image], {
    encoding: 'utf8',
  })
  if (made.status !== 0) {
    t.skip(`there is no loop device of such sectors: ${made.error?.message ?? made.stderr}`)
    return undefined
  }
  const device = made.stdout.trim()
  t.after(() => execFileSync('losetup', ['--detach', device]))
  return device
}

test('where the page cache is said to tell, it tells what is in it', t => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-probe-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { path } = probe(folder)
  const file = join(folder, 'file')
  writeFileSync(file, Buffer.alloc(10 * PAGE_SIZE, 'x'))
  const fd = openSync(file, 'r')
  t.after(() => closeSync(fd))
  const told = cachestat(fd, 0, 0)
  if (path.cachestat !== 'ok') {
    assert.equal(told, -errnoOf(path.cachestat as string))
    return t.skip(`cachestat: ${path.cachestat}`)
  }
  const { cached } = told as Exclude<typeof told, number>
  const mapped = mapMemory(10 * PAGE_SIZE, PROT.READ, MAP.SHARED, fd)
  const resident = new Uint8Array(new ArrayBuffer(10))
  assert.equal(syscall('mincore', mapped.address, 10 * PAGE_SIZE, resident), 0)
  unmapMemory(mapped)
  assert.equal(cached, resident.filter(byte => (byte & 1) !== 0).length)
  assert.equal(cached, 10)
  return undefined
})

test('no file is mapped as the device’s own memory where there is no such device', async t => {
  const mount = await mounted(t, 'ext4', SMALL_BYTES.ext4)
  if (mount === undefined) return
  // A loop device is none. What persistent memory is told to be, a machine of its own shows: test/guests.
  assert.deepEqual(probe(mount).path.dax, { active: false, mapSync: 'ENOTSUP' })
})
