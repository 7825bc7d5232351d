import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { picture, scratch } from './copy.test.support.js'
import { copyTree } from './index.js'

test('a folder whose name is taken meanwhile is told, and leaves nothing', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  mkdirSync(at('from/inner'), { recursive: true })
  for (let index = 0; index < 100; index++) writeFileSync(at(`from/inner/${index}`), `${index}`)
  chmodSync(at('from/inner'), 0o555)
  const { failures } = await copyTree(at('from'), at('to'), {
    preserve: true,
    onProgress: () => {
      mkdirSync(at('to/mine'), { recursive: true })
    },
  })
  assert.deepEqual(
    failures.map(({ path, dest, error }) => [path, dest, error.code]),
    [[at('from'), at('to'), 'EEXIST']],
  )
  assert.deepEqual(readdirSync(folder).sort(), ['from', 'to'])
  assert.deepEqual(readdirSync(at('to')), ['mine'])
})

test('new folders keep the group of the folder that they are made in, where that is asked for', async t => {
  const folder = scratch(t)
  const at = (name: string) => join(folder, name)
  mkdirSync(at('from/inner'), { recursive: true })
  writeFileSync(at('from/inner/file'), 'file')
  mkdirSync(at('shared'))
  chmodSync(at('shared'), 0o2775)
  if ((statSync(at('shared')).mode & 0o2000) === 0) return t.skip('this user may not set the bit')
  await copyTree(at('from'), at('shared/plain'))
  for (const name of ['shared/plain', 'shared/plain/inner']) {
    assert.equal(statSync(at(name)).mode & 0o2000, 0o2000, name)
  }
  await copyTree(at('from'), at('shared/exact'), { preserve: true })
  assert.deepEqual(picture(at('shared/exact'), true), picture(at('from'), true))
  assert.equal(readFileSync(at('shared/exact/inner/file'), 'utf8'), 'file')
})
