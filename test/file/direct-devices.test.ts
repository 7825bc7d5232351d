import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { FileHandle, MappedFile, open } from 'sluice/file'
import { cannotMount } from '../helpers/mounts.js'

const SIZE = 2 ** 20

function scratch(t: TestContext): (name: string) => string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-direct-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return name => join(folder, name)
}

/** A block device whose bytes are a file's; undefined after the test has been skipped where none can be had. */
function loopDevice(t: TestContext, image: string): string | undefined {
  const made = spawnSync('losetup', ['--find', '--show', image], { encoding: 'utf8' })
  if (made.status !== 0) {
    t.skip(`there is no loop device: ${made.error?.message ?? made.stderr}`)
    return undefined
  }
  const device = made.stdout.trim()
  t.after(() => execFileSync('losetup', ['--detach', device]))
  return device
}

/** A device with that on it; undefined after the test has been skipped. */
function deviceWith(t: TestContext, content: Uint8Array): string | undefined {
  const image = scratch(t)('image')
  writeFileSync(image, content)
  return loopDevice(t, image)
}

test('an unaligned write to a device leaves the rest of its blocks as it is', {
  skip: cannotMount,
}, async t => {
  const expected = Buffer.alloc(SIZE, 'block')
  const device = deviceWith(t, expected)
  if (device === undefined) return
  const file = await open(device, 'r+', { direct: true, unaligned: 'modify' })
  for (const [position, length] of [
    [100, 10],
    [70_000, 9000],
    [SIZE - 7, 7],
  ] as const) {
    const bytes = Buffer.alloc(length, 'new')
    assert.equal((await file.write(bytes, 0, length, position)).bytesWritten, length)
    bytes.copy(expected, position)
  }
  const writer = file.writer({ start: 2 ** 19 })
  await writer.write('the tail of a stream')
  await writer.end()
  expected.write('the tail of a stream', 2 ** 19)
  assert.ok((await file.read(Buffer.alloc(SIZE), 0, SIZE, 0)).buffer.equals(expected))
  await file.close()
  execFileSync('blockdev', ['--flushbufs', device])
  assert.ok(readFileSync(device).equals(expected))
})

test('on a device opened for appending writes go where they are told to, as in the kernel', {
  skip: cannotMount,
}, async t => {
  const expected = Buffer.alloc(SIZE, '.')
  const device = deviceWith(t, expected)
  if (device === undefined) return
  const memory = new Uint8Array(new ArrayBuffer(8193)).subarray(1)
  for (const [unaligned, position, length] of [
    ['refuse', 16384, 4096],
    ['modify', 65536, 4096],
    ['modify', 131_072 + 100, 1000],
  ] as const) {
    const file = await open(device, 'a+', { direct: true, unaligned })
    memory.fill(position % 251)
    assert.equal((await file.write(memory, 0, length, position)).bytesWritten, length)
    expected.fill(position % 251, position, position + length)
    await file.close()
  }
  const file = await open(device, 'a', { direct: true })
  const message = /position 100 or length 4096 is no multiple/
  await assert.rejects(file.write(memory, 0, 4096, 100), { code: 'ERR_SLUICE_ALIGNMENT', message })
  await file.close()
  execFileSync('blockdev', ['--flushbufs', device])
  assert.ok(readFileSync(device).equals(expected))
})

test('a file opened with O_DIRECT whose file system goes through the page cache is taken over as a plain one', {
  skip: cannotMount,
}, async t => {
  const at = scratch(t)
  writeFileSync(at('image'), Buffer.alloc(16 * 2 ** 20))
  const made = spawnSync('mkfs.ext4', ['-q', '-J', 'size=4', '-b', '1024', at('image')], { encoding: 'utf8' })
  if (made.status !== 0) return t.skip(`ext4 cannot be made: ${made.error?.message ?? made.stderr}`)
  mkdirSync(at('mounted'))
  const options = ['-t', 'ext4', '-o', 'loop,data=journal', at('image'), at('mounted')]
  const mounted = spawnSync('mount', options, { encoding: 'utf8' })
  if (mounted.status !== 0) return t.skip(`ext4 with a journal of data cannot be mounted: ${mounted.stderr}`)
  try {
    writeFileSync(at('mounted/file'), 'some text')
    const fd = openSync(at('mounted/file'), constants.O_RDWR | constants.O_DIRECT)
    try {
      const file = FileHandle.from(fd)
      // Before Linux 6.1 nobody can tell: then blocks are kept to.
      if (file.direct !== undefined) return t.skip('the kernel does not tell that there is no Direct I/O')
      await file.write('any', 5)
      assert.equal(await file.readFile('utf8'), 'some anyt')
      await file.close()
      await using mapped = await MappedFile.open(fd)
      assert.equal(Buffer.from(mapped.bytes).toString(), 'some anyt')
    } finally {
      closeSync(fd)
    }
  } finally {
    execFileSync('umount', [at('mounted')])
  }
})
