import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const examples = fileURLToPath(new URL('../../examples/', import.meta.url))
let folder: string

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-examples-'))
  writeFileSync(join(folder, 'long'), 'line\n'.repeat(500_000))
  writeFileSync(join(folder, 'short'), 'one\ntwo')
})

after(() => rmSync(folder, { recursive: true }))

function run(example: string, ...files: string[]): string {
  const paths = files.map(file => join(folder, file))
  return execFileSync(process.execPath, [join(examples, example), ...paths], {
    encoding: 'utf8',
    timeout: 60_000,
  })
}

test('event-loop.js counts every line, and its worker ends when it is told', () => {
  const counts = run('event-loop.js', 'long', 'short')
    .trim()
    .split('\n')
    .map(line => Number(line.split('\t')[0]))
  assert.deepEqual(counts, [500_000, 1])
})

test('read-many.js makes far fewer system calls than reads', () => {
  const calls = Number(/([\d.]+) system calls/.exec(run('read-many.js', 'long'))?.[1])
  assert.ok(calls > 0 && calls < 0.1, `${calls} system calls for each`)
})
