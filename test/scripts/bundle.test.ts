import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const BUNDLE = join(root, 'dist/sluice.cjs')
const TEXT = join(root, 'dist/sluice.modules')
const MODULES = join(root, 'dist/cli/main.js')

function run(program: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('the command line in one file says what its modules say, for every verb', () => {
  const overview = run(BUNDLE, '--help')
  assert.deepEqual(overview, run(MODULES, '--help'))
  const verbs = [...overview.stdout.matchAll(/^ {2}([a-z]+) {2,}/gm)].map(match => match[1])
  assert.ok(verbs.length >= 4)
  for (const verb of verbs) assert.deepEqual(run(BUNDLE, verb, '--help'), run(MODULES, verb, '--help'), verb)
  assert.deepEqual(run(BUNDLE, '--version'), run(MODULES, '--version'))
  assert.deepEqual(run(BUNDLE, 'nonsense'), run(MODULES, 'nonsense'))
})

test('the command line in one file works: it finds the native binary', () => {
  const { status, stdout, stderr } = run(BUNDLE, 'cache', '--json', BUNDLE)
  assert.equal(status, 0, stderr)
  assert.equal(JSON.parse(stdout).totals.size, readFileSync(BUNDLE).length)
})

test('code of V8 lies beside it for the Node that has built it, and where V8 refuses that it does without', t => {
  const codes = readdirSync(join(root, 'dist')).filter(name => name.endsWith('.code'))
  assert.ok(codes.length >= 1)
  const ours = `-${process.version}-${process.arch}.code`
  if (!codes.some(name => name.endsWith(ours))) return t.skip(`another Node has built it: ${codes}`)
  // V8 takes no code that was compiled under other flags.
  const refused = spawnSync(process.execPath, ['--no-opt', BUNDLE, '--help'], { encoding: 'utf8' })
  assert.equal(refused.stdout, run(BUNDLE, '--help').stdout)
})

test('the package runs the command line in one file, an executable, and all is text of plain ASCII', () => {
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.equal(join(root, bin.sluice), BUNDLE)
  const bytes = readFileSync(BUNDLE)
  assert.equal(bytes.toString('latin1', 0, 20), '#!/usr/bin/env node\n')
  for (const file of [BUNDLE, TEXT])
    assert.ok(
      readFileSync(file).every(byte => byte < 0x80),
      file,
    )
})
