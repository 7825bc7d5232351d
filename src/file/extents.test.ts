import assert from 'node:assert/strict'
import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { patternBytes, scratchFolder } from './file.test.support.js'
import { type Extent, open } from './index.js'

const folder = scratchFolder()
const MIB = 2 ** 20
let count = 0

/** A file with data in the given MiB, and so many of them. */
function sparse(data: readonly number[], size: number): string {
  const path = join(folder, `sparse-${++count}`)
  const fd = openSync(path, 'w')
  for (const at of data) writeSync(fd, patternBytes(MIB), 0, MIB, at * MIB)
  closeSync(fd)
  truncateSync(path, size * MIB)
  return path
}

async function collect(extents: AsyncIterable<Extent>): Promise<string[]> {
  const all: string[] = []
  for await (const { kind, offset, length } of extents) all.push(`${kind} ${offset / MIB}+${length / MIB}`)
  return all
}

/** A file system may keep no holes: then all of the file is data. */
async function keepsHoles(): Promise<boolean> {
  await using file = await open(sparse([1], 3))
  return (await collect(file.extents())).length === 3
}
const skip = !(await keepsHoles()) && 'this file system keeps no holes'

test('data and holes come in turn and cover the file', { skip }, async () => {
  await using file = await open(sparse([1, 2, 5], 8))
  assert.deepEqual(await collect(file.extents()), [
    'hole 0+1',
    'data 1+2',
    'hole 3+2',
    'data 5+1',
    'hole 6+2',
  ])
})

test('a part of a file is cut at its ends', { skip }, async () => {
  await using file = await open(sparse([1, 2, 5], 8))
  assert.deepEqual(await collect(file.extents({ start: 2 * MIB, end: 6.5 * MIB })), [
    ...['data 2+1', 'hole 3+2', 'data 5+1', 'hole 6+0.5'],
  ])
  assert.deepEqual(await collect(file.extents({ start: 9 * MIB })), [])
})

test('more extents than are found at once come one after the other', { skip }, async () => {
  const data = Array.from({ length: 150 }, (_, n) => n * 2)
  await using file = await open(sparse(data, 300))
  const found = await collect(file.extents())
  assert.deepEqual(
    found,
    data.flatMap(at => [`data ${at}+1`, `hole ${at + 1}+1`]),
  )
})

test('an empty file has no extents, a full one has one, and one of holes has one', { skip }, async () => {
  const empty = join(folder, 'empty')
  writeFileSync(empty, '')
  const cases = { [empty]: [], [sparse([0, 1], 2)]: ['data 0+2'], [sparse([], 4)]: ['hole 0+4'] }
  for (const [path, expected] of Object.entries(cases)) {
    await using file = await open(path)
    assert.deepEqual(await collect(file.extents()), expected)
  }
})

test('looking for extents leaves the position of the file alone', { skip }, async () => {
  const path = sparse([0, 2], 4)
  await using file = await open(path)
  await file.read(Buffer.alloc(1000))
  const [found, { buffer }] = await Promise.all([collect(file.extents()), file.read(Buffer.alloc(10))])
  assert.equal(found.length, 4)
  assert.deepEqual(buffer, patternBytes(MIB).subarray(1000, 1010))
})

test('what has no positions has no extents', async () => {
  await using file = await open('/dev/null')
  const all = await collect(file.extents()).catch((error: NodeJS.ErrnoException) => error.code)
  assert.ok(Array.isArray(all) || all === 'EINVAL' || all === 'ESPIPE', String(all))
})

test('wrong options are refused', async () => {
  await using file = await open(sparse([0], 1))
  const next = (options: object) => file.extents(options).next()
  await assert.rejects(next({ start: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(next({ start: 5, end: 4 }), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(next({ signal: AbortSignal.abort() }), { name: 'AbortError' })
})
