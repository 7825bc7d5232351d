import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const { runTestFile } = await import(join(root, 'scripts/test-file.js'))
const { countResults } = await import(join(root, 'scripts/test-print.js'))

const temporary = mkdtempSync(join(tmpdir(), 'sluice-scripts-'))
after(() => rmSync(temporary, { recursive: true }))

// The runner above us speaks to its children through these; ours are none of them.
const { NODE_TEST_CONTEXT, NODE_V8_COVERAGE, ...env } = process.env

function runFixture(name: string, timeout_ms = 60_000) {
  const pass = { root, node: process.execPath, env, temporary }
  return runTestFile(`build/test/scripts/fixtures/${name}.js`, pass, timeout_ms)
}

test('a file that crashes fails, and what it printed is kept', async () => {
  const result = await runFixture('crash')
  assert.match(result.problem, /^was ended by SIGSEGV/)
  assert.equal(result.output, 'a last word\n')
})

test('a file that does not end is ended, with the processes it started', async () => {
  const result = await runFixture('hang', 2_000)
  assert.match(result.problem, /^did not end within 2 s, after it had started "leaves the event loop/)
  const child = /child (\d+)/.exec(result.output)?.[1]
  assert.ok(child && !existsSync(`/proc/${child}/exe`))
})

test('a file that exits before its tests have ended fails, whatever its exit code', async () => {
  assert.match((await runFixture('early-exit')).problem, /^exited with 0 before its tests had ended/)
})

test('a file without a test fails', async () => {
  assert.notEqual((await runFixture('empty')).problem, undefined)
})

test('a file that skips a test without a reason fails', async () => {
  assert.equal((await runFixture('mute')).problem, 'skips "does not say why" without saying why')
})

test('a file that does not load fails', async () => {
  const result = await runFixture('absent')
  assert.match(result.problem, /^exited with 1/)
  assert.match(result.output, /ERR_MODULE_NOT_FOUND|Cannot find module/)
})

test('tests are counted as node counts them', async () => {
  const result = await runFixture('mixed')
  assert.equal(result.problem, undefined)
  const counts = { tests: 3, suites: 1, pass: 1, fail: 1, cancelled: 0, skipped: 1, todo: 0 }
  assert.deepEqual(countResults([result]), counts)
  assert.equal(
    result.tests.find((entry: { outcome: string }) => entry.outcome === 'skipped').reason,
    'for this reason',
  )
  assert.match(
    result.tests.find((entry: { outcome: string }) => entry.outcome === 'fail').error,
    /RangeError.*out of range/,
  )
})
