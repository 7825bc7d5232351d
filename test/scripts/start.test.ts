import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { plan } from '#scripts/start.js'

const SCRIPT = fileURLToPath(new URL('../../../scripts/start.js', import.meta.url))
const LAB = ['--quick', '--only', 'read/cached/sequential/readv', '--size', '1M']
const folder = mkdtempSync(join(tmpdir(), 'sluice-start-test-'))
after(() => rmSync(folder, { recursive: true }))

/** `npm start`, as the leader of a process group, as a terminal has it. */
function start(...args: string[]): { child: ChildProcess; output: () => string } {
  const child = spawn(process.execPath, [SCRIPT, ...LAB, ...args], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  let text = ''
  child.stdout?.setEncoding('utf8').on('data', chunk => {
    text += chunk
  })
  return { child, output: () => text }
}

test('the page is served unless nobody would look at it', () => {
  assert.deepEqual(plan(['--quick']), { args: ['--quick'], serves: true, page: undefined })
  assert.deepEqual(plan(['--no-serve', '--quick']), { args: ['--quick'], serves: false, page: undefined })
  assert.equal(plan(['--html', 'a.html']).page, 'a.html')
  assert.equal(plan(['--html=a.html']).page, 'a.html')
  for (const args of [['--json', '-'], ['--csv=-'], ['--html', '-'], ['--help'], ['-h']])
    assert.equal(plan(args).serves, false, args.join(' '))
  assert.equal(plan(['--json', 'out.json']).serves, true)
})

test('npm start serves the result, on another port where the usual one is taken, until Ctrl-C', {
  timeout: 90_000,
}, async () => {
  const other = createServer()
  // Whoever has it already does as well.
  await new Promise<void>(resolve => {
    other.once('error', () => resolve())
    other.listen(8080, '127.0.0.1', () => resolve())
  })
  const { child, output } = start()
  try {
    const address = /http:\/\/127\.0\.0\.1:(\d+)\//
    while (!address.test(output())) await once(child.stdout ?? child, 'data')
    const [url, port] = address.exec(output()) as unknown as [string, string]
    assert.notEqual(port, '8080')
    const response = await fetch(url)
    assert.match(await response.text(), /<title>Sluice lab/)
    const ended = once(child, 'exit')
    process.kill(-(child.pid as number), 'SIGINT')
    assert.deepEqual(await ended, [0, null])
    assert.deepEqual(readdirSync(folder), [], 'nothing is left behind')
  } finally {
    other.close()
    if (child.exitCode === null) process.kill(-(child.pid as number), 'SIGKILL')
  }
})

test('npm start -- --no-serve ends with the lab', { timeout: 60_000 }, async () => {
  const { child, output } = start('--no-serve')
  assert.deepEqual(await once(child, 'exit'), [0, null])
  assert.match(output(), /readv 16 parts/)
  assert.doesNotMatch(output(), /http:/)
})
