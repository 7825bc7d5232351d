import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { lstat, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { outcome, scratchFolder } from './file.test.support.js'
import { statBatch } from './index.js'

const folder = scratchFolder()
const paths: string[] = []
for (let index = 0; index < 1000; index++) {
  const path = join(folder, `${'ü'.repeat(index % 50)}-${index}`)
  if (index % 10 === 0) mkdirSync(path)
  else if (index % 10 === 1) symlinkSync(paths[0] as string, path)
  else if (index % 10 !== 2) writeFileSync(path, 'x'.repeat(index))
  paths.push(path)
}

const fields = (value: object) => ({
  ...Object.fromEntries(Object.entries(value)),
  atime: 0,
  mtime: 0,
  ctime: 0,
  birthtime: 0,
})

test('what stat() gives for each path, statBatch() gives in its place', async () => {
  const results = await statBatch(paths)
  const expected = await Promise.all(paths.map(path => outcome(() => stat(path))))
  assert.equal(results.length, paths.length)
  for (const [index, result] of results.entries()) {
    if (result instanceof Error) {
      assert.deepEqual(await outcome(() => Promise.reject(result)), expected[index])
    } else {
      assert.deepEqual(fields(result), fields(await stat(paths[index] as string)))
      assert.equal(result.isDirectory(), index % 10 < 2)
    }
  }
})

test('links are not followed where asked, and numbers can be BigInts', async () => {
  const results = await statBatch(paths, { followLinks: false, bigint: true })
  for (const [index, result] of results.entries()) {
    if (result instanceof Error) assert.equal(index % 10, 2)
    else assert.deepEqual(fields(result), fields(await lstat(paths[index] as string, { bigint: true })))
  }
})

test('paths can be bytes and URLs, of any iterable', async () => {
  const [first, , , fourth] = paths as [string, string, string, string]
  const results = await statBatch(new Set([Buffer.from(first), pathToFileURL(fourth), 'does/not/exist']))
  assert.deepEqual(
    results.map(result =>
      result instanceof Error ? (result as NodeJS.ErrnoException).code : result.isFile(),
    ),
    [false, true, 'ENOENT'],
  )
})

test('paths that are too long, or too many for one slice, do no harm', async () => {
  const long = `/${'a/'.repeat(2000)}`
  const given = Array.from({ length: 200 }, (_, n) => (n % 3 ? long : paths[n])) as string[]
  given.push('b'.repeat(5000), '', '/'.repeat(4095), '/'.repeat(4096))
  const results = await statBatch(given)
  for (const [index, path] of given.entries()) {
    const expected = await outcome(() => stat(path))
    const result = results[index]
    if (result instanceof Error) assert.deepEqual(await outcome(() => Promise.reject(result)), expected)
    else assert.ok('value' in (expected as object))
  }
})

test('no paths give no stats', async () => {
  assert.deepEqual(await statBatch([]), [])
})

test('what is no path is refused', async () => {
  await assert.rejects(statBatch([folder, 5 as never]), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(statBatch([folder, 'a\0b']), { code: 'ERR_INVALID_ARG_VALUE' })
  await assert.rejects(statBatch(5 as never), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(statBatch(folder as never), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(statBatch([], { bigint: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('a batch can be aborted', async () => {
  await assert.rejects(statBatch(paths, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  const controller = new AbortController()
  function* many() {
    for (let round = 0; round < 1000; round++) {
      if (round === 5) controller.abort()
      yield* paths
    }
  }
  await assert.rejects(statBatch(many(), { signal: controller.signal }), { name: 'AbortError' })
})

test('whoever gives the paths is told when no more are wanted', async () => {
  const controller = new AbortController()
  let left = 0
  function* giving(last: string, fails = false) {
    try {
      yield* paths
      if (fails) throw new Error('own')
      yield last
      if (left === 0) controller.abort()
      for (;;) yield folder
    } finally {
      left++
    }
  }
  await assert.rejects(statBatch(giving(folder), { signal: controller.signal }), { name: 'AbortError' })
  assert.equal(left, 1)
  await assert.rejects(statBatch(giving(5 as never)), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.equal(left, 2)
  await assert.rejects(statBatch(giving(folder, true)), /own/)
  assert.equal(left, 3)
  let returned = 0
  const broken = {
    [Symbol.iterator]: () => ({
      next: () => {
        throw new Error('broken')
      },
      return: () => {
        returned++
        return { done: true as const, value: undefined }
      },
    }),
  }
  await assert.rejects(statBatch(broken), /broken/)
  assert.equal(returned, 0)
})
