import assert from 'node:assert/strict'
import test from 'node:test'
import { withoutComments } from './comments.js'
import { filesBelow, read } from './house.js'

const CODE = /\bERR_SLUICE_[A-Z_]+\b/g
const HOME = 'src/kernel/errors.ts'
const GUIDE = 'docs/guide/errors.md'

const codesIn = (text: string): Set<string> => new Set([...text.matchAll(CODE)].map(match => match[0]))
const declared = codesIn(withoutComments(read(HOME)))

test('every error code that is used is declared in one file', () => {
  const strangers = [...filesBelow('src', /\.ts$/), ...filesBelow('native', /\.[ch]$/)].flatMap(path =>
    [...codesIn(read(path))].filter(code => !declared.has(code)).map(code => `${path}: ${code}`),
  )
  assert.deepEqual(strangers, [])
})

test('every error code is explained in the guide, and the guide explains no other', () => {
  assert.deepEqual([...codesIn(read(GUIDE))].sort(), [...declared].sort())
})
