import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { outcome, patternBytes, scratchFolder } from './file.test.support.js'
import { type AllocateMode, type FileHandle, open, type PageCacheStat, pageCache } from './index.js'

const folder = scratchFolder()
const BLOCK = 4096
const content = patternBytes(BLOCK * 8)
let count = 0

async function fresh(): Promise<[FileHandle, string]> {
  const path = join(folder, `file-${++count}`)
  writeFileSync(path, content)
  const file = await open(path, 'r+')
  return [file, path]
}

/** What should stand in the file after each rearrangement of the blocks from 2 to 4. */
const REARRANGED: Partial<Record<AllocateMode, Buffer>> = {
  'punch-hole': Buffer.from(content).fill(0, BLOCK * 2, BLOCK * 4),
  zero: Buffer.from(content).fill(0, BLOCK * 2, BLOCK * 4),
  'zero-keep-size': Buffer.from(content).fill(0, BLOCK * 2, BLOCK * 4),
  collapse: Buffer.concat([content.subarray(0, BLOCK * 2), content.subarray(BLOCK * 4)]),
  insert: Buffer.concat([
    content.subarray(0, BLOCK * 2),
    Buffer.alloc(BLOCK * 2),
    content.subarray(BLOCK * 2),
  ]),
  reserve: content,
  'keep-size': content,
}

for (const [mode, expected] of Object.entries(REARRANGED)) {
  test(`allocate(${mode}) leaves the bytes that it should`, async t => {
    const [file, path] = await fresh()
    const done = await outcome(() => file.allocate(BLOCK * 2, BLOCK * 2, mode as AllocateMode))
    await file.close()
    const { error } = done as { error?: NodeJS.ErrnoException }
    if (error?.code === 'EOPNOTSUPP' || error?.code === 'ENOTSUP')
      return t.skip(`no ${mode} on this file system`)
    assert.equal(error, undefined)
    assert.ok(readFileSync(path).equals(expected))
  })
}

test('reserved space makes the file grow, or not, and takes blocks', async () => {
  const [file, path] = await fresh()
  await file.allocate(0, BLOCK * 100, 'keep-size')
  assert.equal(statSync(path).size, content.length)
  assert.ok(statSync(path).blocks * 512 >= BLOCK * 100)
  await file.allocate(0, BLOCK * 20)
  assert.equal(statSync(path).size, BLOCK * 20)
  await file.close()
})

test('a hole gives its blocks back', async () => {
  const [file, path] = await fresh()
  await file.sync()
  const before = statSync(path).blocks
  await file.allocate(0, BLOCK * 4, 'punch-hole')
  assert.ok(statSync(path).blocks < before)
  await file.close()
})

test('allocate() fails as fallocate(2) does', async () => {
  const [file, path] = await fresh()
  await file.close()
  await assert.rejects(file.allocate(0, 1), { code: 'EBADF' })
  await using reading = await open(path)
  await assert.rejects(reading.allocate(0, 1), { code: 'EBADF', syscall: 'fallocate' })
})

test('advice of every kind is taken', async () => {
  const [file, path] = await fresh()
  const kinds = ['normal', 'random', 'sequential', 'willneed', 'dontneed', 'noreuse'] as const
  for (const advice of kinds) {
    await file.advise(advice)
    await file.advise(advice, BLOCK, BLOCK)
    await file.advise(advice, 0, 2 ** 33)
  }
  await file.close()
  assert.ok(readFileSync(path).equals(content))
})

test('a range is written back, started or awaited, of any length', async () => {
  const [file] = await fresh()
  await file.write(Buffer.from('changed'), 0, 7, 5000)
  await file.syncRange(0, BLOCK, { wait: false })
  await file.syncRange(BLOCK, BLOCK)
  await file.syncRange()
  await file.syncRange(0, 2 ** 33)
  await file.close()
})

/** What the page cache has of a file; undefined after the test has been skipped where it cannot be told. */
async function cacheOf(t: TestContext, file: FileHandle, range = {}): Promise<PageCacheStat | undefined> {
  const stat = await pageCache.stat(file, range)
  if (stat.method === 'cachestat') return stat
  t.skip('changed pages are counted by cachestat(2), Linux 6.5')
  return undefined
}

/** Pages that have been changed and are not known to be on the device: the kernel may write them at any time. */
const unwritten = (stat: PageCacheStat | undefined) => (stat?.dirty ?? 0) + (stat?.writeback ?? 0)

test('what is written back is clean, and the rest is left alone', async t => {
  const [file] = await fresh()
  t.after(() => file.close())
  await file.sync()
  if ((await pageCache.evict(file)) > 0) return t.skip('the temporary folder is kept in memory')
  for (const wait of [true, false]) {
    // What is written in one go may be one large page to the kernel.
    await file.write(content, 0, BLOCK * 4, 0)
    await file.write(content, 0, BLOCK * 4, BLOCK * 4)
    const before = await cacheOf(t, file)
    if (before === undefined) return
    assert.equal(unwritten(before), 8)
    await file.syncRange(0, BLOCK * 4, { wait })
    const first = await cacheOf(t, file, { offset: 0, length: BLOCK * 4 })
    assert.equal(first?.dirty, 0)
    if (wait) assert.equal(first?.writeback, 0)
    assert.equal(unwritten(await cacheOf(t, file, { offset: BLOCK * 4 })), 4)
    await file.syncRange()
    assert.equal((await cacheOf(t, file))?.dirty, 0)
  }
})

test('a durable write leaves nothing to write back', async t => {
  const [file] = await fresh()
  t.after(() => file.close())
  await file.sync()
  if ((await pageCache.evict(file)) > 0) return t.skip('the temporary folder is kept in memory')
  await file.write(content, { position: 0 })
  const before = await cacheOf(t, file)
  if (before === undefined) return
  assert.equal(unwritten(before), 8)
  const extents = [{ position: BLOCK, buffer: content.subarray(0, BLOCK) }]
  const writes = [
    () => file.write(content, { position: 0, dsync: true }),
    () => file.writeBatch(extents, { dsync: true }),
  ]
  for (const write of writes) {
    await write()
    const stat = await cacheOf(t, file)
    assert.deepEqual([stat?.dirty, stat?.writeback], [0, 0])
  }
})

test('what is not needed goes, and what will be needed comes', async t => {
  const [file] = await fresh()
  t.after(() => file.close())
  await file.sync()
  if ((await pageCache.evict(file)) > 0) return t.skip('the temporary folder is kept in memory')
  await file.read(Buffer.alloc(content.length), 0, content.length, 0)
  assert.equal((await pageCache.stat(file)).cached, 8)
  await file.advise('dontneed')
  assert.equal((await pageCache.stat(file)).cached, 0)
  await file.advise('willneed')
  while ((await pageCache.stat(file)).cached < 8) await new Promise(setImmediate)
})

test('wrong arguments are refused', async () => {
  const [file] = await fresh()
  const calls: [() => Promise<unknown>, string][] = [
    [() => file.allocate(-1, 5), 'ERR_OUT_OF_RANGE'],
    [() => file.allocate(0, 0), 'ERR_OUT_OF_RANGE'],
    [() => file.allocate(0, 5, 'shrink' as never), 'ERR_INVALID_ARG_VALUE'],
    [() => file.allocate(0, 5, 'toString' as never), 'ERR_INVALID_ARG_VALUE'],
    [() => file.advise('soon' as never), 'ERR_INVALID_ARG_VALUE'],
    [() => file.advise('normal', 0.5), 'ERR_OUT_OF_RANGE'],
    [() => file.advise('normal', 0, -1), 'ERR_OUT_OF_RANGE'],
    [() => file.syncRange('0' as never), 'ERR_INVALID_ARG_TYPE'],
    [() => file.syncRange(0, 0, { wait: 1 as never }), 'ERR_INVALID_ARG_TYPE'],
    [() => file.syncRange(0, 0, null as never), 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [call, code] of calls) await assert.rejects(call, { code })
  await file.close()
})
