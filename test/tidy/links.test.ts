import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { filesBelow, read } from './house.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const LINK = /\]\(([^)\s#]+)(?:#[^)\s]*)?\)/g

test('every link in the documents leads to a file that is there', () => {
  const dead = filesBelow('.', /\.md$/).flatMap(path =>
    [...read(path).matchAll(LINK)]
      .map(match => match[1])
      .filter(link => !/^[a-z]+:/.test(link) && !existsSync(join(root, dirname(path), link)))
      .map(link => `${path}: ${link}`),
  )
  assert.deepEqual(dead, [])
})
