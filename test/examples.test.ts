import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, type TestContext, test } from 'node:test'
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

/** Starts an example that prints a port first. */
async function start(t: TestContext, example: string, ...args: string[]) {
  const child = spawn(process.execPath, [join(examples, example), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => void child.kill('SIGKILL'))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return { child, port: /^port (\d+)/.exec(String(line))?.[1] ?? '' }
}

function ask(port: string, question: string): string {
  return execFileSync(process.execPath, [join(examples, 'ask.js'), port, question], {
    encoding: 'utf8',
    timeout: 60_000,
    maxBuffer: Infinity,
  })
}

test('echo-server.js answers ask.js, and says at the end how many came', async t => {
  const { child, port } = await start(t, 'echo-server.js')
  assert.equal(ask(port, 'anybody there?'), 'anybody there?\n')
  assert.equal(ask(port, 'still?'), 'still?\n')
  child.kill('SIGINT')
  assert.match(await text(child.stdout), /^2 connections, \d+ system calls/)
})

test('give.js gives its file to the first that asks, and ends', async t => {
  const { child, port } = await start(t, 'give.js', join(folder, 'long'))
  assert.equal(ask(port, 'please').length, 2_500_000)
  assert.match(await text(child.stdout), /^2500000 bytes by \w+/)
})
