import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test from 'node:test'

const read = (path: string) => JSON.parse(readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8'))

test('the oldest Node that the package promises is the one that a pass of the suite runs', () => {
  const { optionalDependencies } = read('test/node-oldest/package.json')
  const { engines } = read('package.json')
  assert.deepEqual(
    [...new Set(Object.values(optionalDependencies))].map(version => `>=${version}`),
    [engines.node],
  )
})
