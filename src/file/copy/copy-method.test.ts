import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { SYSCALL } from '../../kernel/index.js'
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

for (const state of ['cached', 'cold'] as const) {
  // The last one's last write is as long as the call's number.
  for (const size of [100_000, 3 * MIB + 1, 20 * MIB + 7, 4 * MIB + SYSCALL.pwrite64]) {
    test(`${size} bytes that are ${state} go by way of a mapping, and arrive`, async t => {
      const folder = scratch(t)
      const [from, to] = [join(folder, 'from'), join(folder, 'to')]
      const bytes = pattern(size)
      writeFileSync(from, bytes)
      if (!(await bring(t, from, state))) return
      const copied = await copyFile(from, to, { reflink: 'never' })
      assert.deepEqual(copied, { bytes: size, via: 'map' })
      assert.ok(readFileSync(to).equals(bytes))
    })
  }
}

test('what has a size and cannot be mapped is read, and the report says so', async t => {
  const from = '/sys/devices/system/cpu/online'
  const to = join(scratch(t), 'to')
  for (const via of [undefined, 'map', 'copy_file_range'] as const) {
    const copied = await copyFile(from, to, via === undefined ? {} : { via })
    assert.equal(readFileSync(to, 'utf8'), readFileSync(from, 'utf8'))
    assert.deepEqual(copied, { bytes: statSync(to).size, via: 'ring' })
  }
})

for (const [left, why] of [
  [5000, 'pages before its end'],
  [9000, 'amid its last page'],
] as const) {
  test(`a source that is cut ${why} is copied to the byte, with no zeros behind`, async t => {
    const folder = scratch(t)
    const [from, to] = [join(folder, 'from'), join(folder, 'to')]
    const window = 128 * MIB
    const bytes = pattern(window + 10_000)
    writeFileSync(from, bytes)
    let cut = false
    const copied = await copyFile(from, to, {
      via: 'map',
      onProgress: () => {
        if (!cut) truncateSync(from, window + left)
        cut = true
      },
    })
    assert.equal(copied.bytes, window + left)
    assert.ok(readFileSync(to).equals(bytes.subarray(0, window + left)))
  })
}

test('what onProgress throws ends a copy, whenever it is called', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  writeFileSync(from, pattern(130 * MIB))
  for (const via of ['copy_file_range', 'map', 'ring'] as const) {
    const onProgress = () => {
      throw new RangeError('enough')
    }
    await assert.rejects(copyFile(from, to, { via, onProgress }), { name: 'RangeError' }, via)
    assert.deepEqual(readdirSync(folder), ['from'])
  }
})

test('bytes that change underneath are copied as they were or as they are, and nothing else comes', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  const size = 130 * MIB
  const [before, after] = [Buffer.alloc(size, 'a'), Buffer.alloc(size, 'b')]
  for (const via of ['copy_file_range', 'map', 'ring'] as const) {
    writeFileSync(from, before)
    let changed = false
    const { bytes } = await copyFile(from, to, {
      via,
      onProgress: () => {
        if (changed) return
        changed = true
        writeFileSync(from, after, { flag: 'r+' })
        writeFileSync(from, 'what came later', { flag: 'a' })
      },
    })
    const copy = readFileSync(to)
    assert.deepEqual([bytes, copy.length], [size, size], via)
    const isOf = (at: number, bytes: Buffer) => copy.compare(bytes, at, at + 4096, at, at + 4096) === 0
    // A page may be copied while it is written to: then each of its bytes is one or the other.
    const isMixed = (at: number) => copy.subarray(at, at + 4096).every(byte => byte === 0x61 || byte === 0x62)
    let strange = 0
    for (let at = 0; at < size; at += 4096) {
      if (!isOf(at, before) && !isOf(at, after) && !isMixed(at)) strange++
    }
    assert.equal(strange, 0, via)
    assert.ok(isOf(0, before) && isOf(size - 4096, after), via)
  }
})

test('a source that ends where a block begins is copied as far as it goes', async t => {
  const folder = scratch(t)
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  writeFileSync(from, pattern(64 * MIB))
  let cut = false
  const { bytes } = await copyFile(from, to, {
    via: 'ring',
    onProgress: () => {
      if (!cut) truncateSync(from, 24 * MIB)
      cut = true
    },
  })
  assert.equal(bytes, 24 * MIB)
  assert.ok(readFileSync(to).equals(pattern(64 * MIB).subarray(0, 24 * MIB)))
})
