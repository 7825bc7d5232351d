import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const PRINT = import.meta.resolve('#scripts/test-print.js')

const passed = { name: 'holds', nesting: 0, suite: false, outcome: 'pass', duration_ms: 1 }
const failed = { name: 'breaks', nesting: 0, suite: false, outcome: 'fail', duration_ms: 1, error: 'because' }
const file = (name: string, tests: object[], problem?: string) => ({
  file: name,
  tests,
  problem,
  output: '',
  duration_ms: 1,
})

function failuresOf(runs: object[]): string {
  const program = `import { printFailures } from '${PRINT}'; printFailures(${JSON.stringify(runs)})`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  })
  return stdout
}

test('what failed is told once more with its pass and its error, and nothing of what passed', () => {
  const runs = [
    { pass: 'here', results: [file('a.test.js', [passed, failed]), file('b.test.js', [passed])] },
    { pass: 'epoll driver', results: [file('c.test.js', [], 'did not end within 180 s')] },
  ]
  const told = failuresOf(runs)
  assert.match(told, /Failed \[here\]:\n.*a\.test\.js.*\n.*✖ breaks\n.*because/)
  assert.match(told, /Failed \[epoll driver\]:\n.*c\.test\.js.*\n.*✖ the file did not end within 180 s/)
  assert.doesNotMatch(told, /holds|b\.test\.js/)
})

test('where nothing failed, nothing is told', () => {
  assert.equal(failuresOf([{ pass: 'here', results: [file('b.test.js', [passed])] }]), '')
})
