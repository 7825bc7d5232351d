import assert from 'node:assert/strict'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { open } from '../open.js'
import { pageCache } from '../page-cache.js'
import { pattern, scratch } from './copy.test.support.js'
import { copyFile } from './index.js'

const MIB = 2 ** 20

/** Brings a file into the page cache, or out of it. @returns false after skipping the test: the cache is all there is */
async function bring(t: TestContext, path: string, state: 'cached' | 'cold'): Promise<boolean> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
    await (state === 'cold' ? pageCache.evict(file) : pageCache.load(file))
    const { cached } = await pageCache.stat(file)
    if (state === 'cached' || cached === 0) return true
  } finally {
    await file.close()
  }
  t.skip('this file system keeps its files in memory: nothing is ever cold')
  return false
}

for (const [state, size, via] of [
  ['cached', 100_000, 'map'],
  ['cached', 3 * MIB + 1, 'map'],
  ['cached', 20 * MIB + 7, 'copy_file_range'],
  ['cold', 100_000, 'map'],
  ['cold', 3 * MIB + 1, 'copy_file_range'],
  ['cold', 20 * MIB + 7, 'copy_file_range'],
] as const) {
  test(`${size} bytes that are ${state} go by ${via}, and arrive`, async t => {
    const folder = scratch(t)
    const [from, to] = [join(folder, 'from'), join(folder, 'to')]
    const bytes = pattern(size)
    writeFileSync(from, bytes)
    if (!(await bring(t, from, state))) return
    const copied = await copyFile(from, to, { reflink: 'never' })
    assert.deepEqual(copied, { bytes: size, via })
    assert.ok(readFileSync(to).equals(bytes))
  })
}

test('a file of which less than half is cached counts as cold', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  const bytes = Buffer.alloc(64 * MIB, pattern(4099))
  writeFileSync(from, bytes)
  if (!(await bring(t, from, 'cold'))) return
  const file = await open(from)
  // The kernel reads ahead of what is asked for, by some MiB.
  await pageCache.load(file, { offset: 0, length: MIB })
  await file.close()
  const { via } = await copyFile(from, to, { reflink: 'never' })
  assert.equal(via, 'copy_file_range')
  assert.ok(readFileSync(to).equals(bytes))
})

test('bytes that change underneath are copied as they were or as they are, and nothing else comes', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  const size = 24 * MIB
  for (const via of ['copy_file_range', 'map', 'threads', 'ring'] as const) {
    writeFileSync(from, Buffer.alloc(size, 'a'))
    let changed = false
    const { bytes } = await copyFile(from, to, {
      via,
      onProgress: () => {
        if (changed) return
        changed = true
        writeFileSync(from, Buffer.alloc(size, 'b'), { flag: 'r+' })
        writeFileSync(from, 'what came later', { flag: 'a' })
      },
    })
    assert.equal(bytes, size, via)
    const copy = readFileSync(to)
    assert.equal(copy.length, size, via)
    let strange = 0
    for (const byte of copy) if (byte !== 0x61 && byte !== 0x62) strange++
    assert.equal(strange, 0, via)
  }
})

test('a source that ends where a block begins is copied as far as it goes', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  writeFileSync(from, pattern(64 * MIB))
  let cut = false
  const { bytes } = await copyFile(from, to, {
    via: 'threads',
    onProgress: () => {
      if (!cut) truncateSync(from, 24 * MIB)
      cut = true
    },
  })
  assert.equal(bytes, 24 * MIB)
  assert.ok(readFileSync(to).equals(pattern(64 * MIB).subarray(0, 24 * MIB)))
})
