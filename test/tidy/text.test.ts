import assert from 'node:assert/strict'
import test from 'node:test'
import { breaches, filesBelow } from './house.js'

/** Lines that a file of each kind may have. Tests may be as long as they have cases. */
const LONGEST: Record<string, number> = { src: 400, native: 400, scripts: 400 }

/** Put together from pieces, or this file would break the rule it keeps. */
const REGISTRIES = [
  ['npmjs', 'org'],
  ['npmjs', 'com'],
  ['yarnpkg', 'com'],
  ['deb', 'debian', 'org'],
  ['security', 'debian', 'org'],
  ['archive', 'ubuntu', 'com'],
  ['pypi', 'org'],
  ['pythonhosted', 'org'],
  ['crates', 'io'],
  ['proxy', 'golang', 'org'],
  ['repo', 'maven', 'apache', 'org'],
].map(parts => parts.join('.'))
const MACHINE_PATH = new RegExp(`(?<![\\w.$}*-])/(${['wo' + 'rk', 'ro' + 'ot'].join('|')})/`)
const MARK = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`)
const SILENCED = new RegExp(`@ts-(${'ignore'}|nocheck|expect-error)|${'biome'}-ignore`)
const EXCLUSIVE = new RegExp(`\\.${'only'}\\(|\\b${'only'}: true`)
/** A skip that cannot say why. */
const MUTE = new RegExp(`\\.${'skip'}\\(\\)|\\b(test|it|describe|suite)\\.${'skip'}\\(|\\b${'skip'}: true`)

const everything = filesBelow('.', /^(?!.*\.(png|jpg|gz|zst|br|node|wasm)$)/)
const code = everything.filter(path => /\.(ts|js|mjs|c|h)$/.test(path))
const tests = code.filter(path => /\.test\.\w+$/.test(path))

test('no file names the host of a package registry', () => {
  assert.deepEqual(
    breaches(everything, line => REGISTRIES.find(host => line.includes(host))),
    [],
  )
})

test('no file names a path of the machine it was written on', () => {
  assert.deepEqual(
    breaches(everything, line => MACHINE_PATH.exec(line)?.[0]),
    [],
  )
})

test('nothing is left for later in the code', () => {
  assert.deepEqual(
    breaches(code, line => MARK.exec(line)?.[0]),
    [],
  )
})

test('no type or lint error is silenced', () => {
  assert.deepEqual(
    breaches(code, line => SILENCED.exec(line)?.[0]),
    [],
  )
})

test('no test is exclusive, and none is skipped without a reason', () => {
  assert.deepEqual(
    breaches(tests, line => EXCLUSIVE.exec(line)?.[0] ?? MUTE.exec(line)?.[0]),
    [],
  )
})

test('a file holds one concept: it stays below its length', () => {
  const long = code
    .filter(path => !/\.test\./.test(path))
    .flatMap(path => {
      const lines = breaches([path], () => 'line').length
      const longest = LONGEST[path.split('/')[0]]
      return longest !== undefined && lines > longest ? [`${path}: ${lines} lines, more than ${longest}`] : []
    })
  assert.deepEqual(long, [])
})

test('only native/ and kernel/ know a system call by number', () => {
  const outside = code.filter(path => !path.startsWith('native/') && !path.startsWith('src/kernel/'))
  assert.deepEqual(
    breaches(outside, line => /\b(__NR_|SYS_)[a-z]\w*|\bsyscall\(\s*\d/.exec(line)?.[0]),
    [],
  )
})
