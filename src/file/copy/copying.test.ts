import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errnoOf } from '../../kernel/index.js'
import { Copying, type TargetFolder } from './copying.js'
import { joinPath, nameOf } from './name.js'

test('what could not be removed is told of by the name that its folder has in the end', () => {
  const copying = new Copying({})
  let place = '/copy/.temporary'
  const folder: TargetFolder = {
    target: -1,
    isPublic: false,
    remains: undefined,
    sourcePath: ({ bytes }) => bytes,
    targetPath: ({ bytes }) => joinPath(Buffer.from(place), bytes),
    close() {},
  }
  copying.discarded(folder, nameOf(Buffer.from('gone')), -errnoOf('ENOENT'))
  copying.discarded(folder, nameOf(Buffer.from('file')), -errnoOf('EIO'))
  place = '/copy/folder'
  assert.deepEqual(
    copying.leftovers.map(({ path, error }) => [path, error.path, error.code, error.syscall]),
    [['/copy/folder/file', '/copy/folder/file', 'EIO', 'unlink']],
  )
})
