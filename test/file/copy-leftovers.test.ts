import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { copyFile, copyTree } from 'sluice/file'
import { mounted } from '../helpers/mounts.js'

const MIB = 2 ** 20

/** A folder in which files can be made and neither renamed nor removed; undefined after the test has been skipped. */
async function sealed(t: TestContext): Promise<{ from: string; folder: string } | undefined> {
  const mount = await mounted(t, 'ext4', 64 * MIB)
  if (mount === undefined) return undefined
  const folder = join(mount, 'sealed')
  mkdirSync(folder)
  const made = spawnSync('chattr', ['+a', folder], { encoding: 'utf8' })
  if (made.status !== 0) {
    t.skip(`a folder cannot be made append-only: ${made.error?.message ?? made.stderr}`)
    return undefined
  }
  const from = join(mount, 'from')
  mkdirSync(from)
  writeFileSync(join(from, 'file'), 'contents')
  return { from, folder }
}

const isLeft = (folder: string, { code, syscall, path }: NodeJS.ErrnoException) => {
  const [name, ...others] = readdirSync(folder)
  assert.deepEqual(others, [])
  assert.deepEqual([code, syscall, path], ['EPERM', 'unlink', join(folder, name as string)])
}

test('a file that can be neither completed nor removed again is told of with both errors', async t => {
  const place = await sealed(t)
  if (place === undefined) return
  const copied = copyFile(join(place.from, 'file'), join(place.folder, 'file'))
  await assert.rejects(copied, (error: NodeJS.ErrnoException) => {
    assert.deepEqual([error.code, error.syscall], ['EPERM', 'rename'])
    assert.ok(error.cause instanceof AggregateError)
    assert.equal(error.cause.errors.length, 1)
    isLeft(place.folder, error.cause.errors[0])
    return true
  })
})

test('of a tree, too', async t => {
  const place = await sealed(t)
  if (place === undefined) return
  const { failures } = await copyTree(place.from, place.folder)
  assert.deepEqual(
    failures.map(({ error }) => error.syscall),
    ['rename', 'unlink'],
  )
  isLeft(place.folder, failures[1]?.error as NodeJS.ErrnoException)
})

test('an abort tells what could not be removed of what was begun', async t => {
  const place = await sealed(t)
  if (place === undefined) return
  const controller = new AbortController()
  // Large enough to be told of before it is complete.
  writeFileSync(join(place.from, 'file'), Buffer.alloc(16 * MIB, 'x'))
  const onProgress = () => controller.abort()
  const options = { signal: controller.signal, via: 'ring', onProgress } as const
  const copied = copyFile(join(place.from, 'file'), join(place.folder, 'file'), options)
  await assert.rejects(copied, (error: NodeJS.ErrnoException) => {
    assert.equal(error.name, 'AbortError')
    assert.ok(error.cause instanceof AggregateError)
    assert.equal(error.cause.errors.length, 1)
    isLeft(place.folder, error.cause.errors[0])
    return true
  })
})
