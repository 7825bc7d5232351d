import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { defineCommand, UsageError } from './command.js'
import { visibleLength } from './layout.js'
import { run } from './run.js'
import type { Terminal } from './terminal.js'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))

/** A terminal that remembers. */
function recorder(columns = 100): Terminal & { out: string; err: string } {
  return {
    columns,
    isTerminal: false,
    out: '',
    err: '',
    write(text) {
      this.out += text
    },
    note(text) {
      this.err += text
    },
    paint: (style, text) => (style === 'bold' ? `\u001b[1m${text}\u001b[22m` : text),
  }
}

test('help and version go to standard output, and are no failure', async () => {
  for (const args of [
    ['--help'],
    ['-h'],
    ['help'],
    ['help', 'probe'],
    ['probe', '--help'],
    ['probe', '-h'],
    ['--version'],
  ]) {
    const terminal = recorder()
    assert.equal(await run(args, terminal), 0)
    assert.ok(terminal.out.endsWith('\n'))
    assert.equal(terminal.err, '')
    for (const line of terminal.out.split('\n')) assert.ok(line.length <= 100, line)
  }
})

test('arguments that cannot be are told on standard error, with status 2', async () => {
  for (const args of [
    [],
    ['no-such-verb'],
    ['probe', '--no-such-option'],
    ['probe', 'a', 'b'],
    ['probe', '--json=1'],
    ['--nope'],
  ]) {
    const terminal = recorder()
    assert.equal(await run(args, terminal), 2, args.join(' '))
    assert.equal(terminal.out, '')
    assert.ok(terminal.err.length > 0)
  }
})

test('work that fails is told on standard error, with status 1', async () => {
  const terminal = recorder()
  assert.equal(await run(['probe', '/no/such/path'], terminal), 1)
  assert.equal(terminal.out, '')
  assert.match(terminal.err, /^sluice probe: ENOENT: .*'\/no\/such\/path'\n$/)
})

test('the report fits its columns, and its JSON is one value', async () => {
  for (const columns of [60, 80, 100]) {
    const terminal = recorder(columns)
    assert.equal(await run(['probe', '/'], terminal), 0)
    const long = terminal.out.split('\n').filter(line => visibleLength(line) > columns)
    assert.deepEqual(long, [])
    for (const group of ['System', 'io_uring', 'Limits', 'userfaultfd', 'Tracing', 'What to do']) {
      assert.ok(terminal.out.includes(`\n\u001b[1m${group}\u001b[22m\n`), group)
    }
  }
  const terminal = recorder()
  assert.equal(await run(['probe', '--json', '/'], terminal), 0)
  const result = JSON.parse(terminal.out)
  assert.deepEqual(Object.keys(result), [
    'version',
    'driver',
    'system',
    'ioUring',
    'limits',
    'userfaultfd',
    'path',
    'tracing',
    'advice',
  ])
})

test('a verb gets its options and operands, and its status is the program’s', async () => {
  const seen: unknown[] = []
  const verb = defineCommand({
    name: 'verb',
    summary: 'does it',
    operands: 'FILE…',
    count: [1, 2],
    options: {
      size: { type: 'string', short: 's', argument: 'BYTES', description: 'how much' },
      quick: { type: 'boolean', description: 'less of it' },
      only: { type: 'string', multiple: true, description: 'which' },
    },
    run({ values, positionals }) {
      seen.push([values.size, values.quick, values.only, positionals])
      if (values.size === 'none') throw new UsageError('--size must be a number')
      return 1
    },
  })
  const terminal = recorder()
  assert.equal(await verb.run(['-s', '5', '--quick', '--only', 'a', '--only', 'b', 'file'], terminal), 1)
  assert.deepEqual(seen, [['5', true, ['a', 'b'], ['file']]])
  await assert.rejects(verb.run([], terminal), { name: 'UsageError', message: 'FILE… is missing' })
  await assert.rejects(verb.run(['1', '2', '3'], terminal), UsageError)
  await assert.rejects(verb.run(['--size', 'none', '1'], terminal), UsageError)
  assert.match(verb.help, /-s, --size BYTES +how much/)
})

test('a switch that takes a word takes no other, and none is the word of another', async () => {
  const seen: unknown[] = []
  const verb = defineCommand({
    name: 'verb',
    summary: 'does it',
    operands: '[DIR]',
    count: [0, 2],
    options: {
      tag: { type: 'string', words: ['portable'], negatable: true, description: 'whether' },
      name: { type: 'string', description: 'which' },
    },
    run: ({ values, positionals }) => void seen.push([values.tag, ...positionals]),
  })
  const terminal = recorder()
  const given: [args: string[], tag: unknown, ...operands: string[]][] = [
    [[], undefined],
    [['--tag'], 'true'],
    [['--tag', 'portable', 'a'], 'portable', 'a'],
    [['--tag=portable', 'a'], 'portable', 'a'],
    [['a', '--tag'], 'true', 'a'],
    [['--tag', 'a'], 'true', 'a'],
    [['--tag', '--name', 'portable'], 'true'],
    [['--tag=other'], 'other'],
    [['--tag', 'portable', '--no-tag'], 'false'],
    [['--tag', './portable'], 'true', './portable'],
    [['--', '--tag', 'portable'], undefined, '--tag', 'portable'],
  ]
  for (const [args] of given) assert.equal(await verb.run(args, terminal), 0)
  assert.deepEqual(
    seen,
    given.map(([, ...expected]) => expected),
  )
  assert.match(verb.help, /--tag \[portable\] +whether/)
})

test('as a program it exits with its status, without colours in a pipe', () => {
  const probe = spawnSync(process.execPath, [MAIN, 'probe', '/'], { encoding: 'utf8' })
  assert.equal(probe.status, 0)
  assert.ok(!probe.stdout.includes('\u001b'))
  assert.equal(probe.stderr, '')
  assert.equal(spawnSync(process.execPath, [MAIN, 'nope']).status, 2)
  assert.equal(spawnSync(process.execPath, [MAIN, 'probe', '/no/such/path']).status, 1)
})

test('a reader that goes away ends it quietly', async () => {
  const child = spawn(process.execPath, [MAIN, 'probe', '--json', '/'], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    errors += text
  })
  const [status, signal] = await once(child, 'close')
  assert.deepEqual([status, signal, errors], [0, null, ''])
})

test('output that cannot be written is told in a line, with status 1', () => {
  const full = fs.openSync('/dev/full', 'w')
  const { status, stderr } = spawnSync(process.execPath, [MAIN, '--version'], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  })
  fs.closeSync(full)
  assert.equal(status, 1)
  assert.match(stderr, /^sluice: standard output cannot be written: ENOSPC[^\n]*\n$/)
})
