import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type LabReport, runLab } from '../lab/index.js'
import { ProgressBar } from './lab-progress.js'
import { labReportText } from './lab-report.js'
import { visibleLength } from './layout.js'
import { run } from './run.js'
import type { Terminal } from './terminal.js'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-lab-'))
const file = join(folder, 'data')
writeFileSync(file, new Uint8Array(2 ** 20).fill(1))
after(() => rmSync(folder, { recursive: true }))

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

/** Laps so short that little is measured: what is asked is how it is shown. */
const BRISK = { totalMs: 30_000, passes: 1, longestMs: 20, shortestMs: 20, share: true }
let report: LabReport

before(async () => {
  // A few of each goal: the more rows, the longer.
  const rows = ['read/cached/random/readsync', 'uncached/random/direct-ring-4', 'durable/sequential/64']
  report = await runLab({ file, size: 2 ** 20, pace: BRISK, only: rows.join() })
})

test('the tables fit a hundred columns, and with fewer come apart into two', () => {
  for (const columns of [100, 80]) {
    const text = labReportText(report, recorder(columns))
    for (const line of text.split('\n')) assert.ok(visibleLength(line) <= columns, `${columns}: ${line}`)
    const headings = text.match(/^mechanism +size deep/gm)?.length
    const goals = new Set(report.rows.map(({ goal }) => goal)).size
    assert.equal(headings, columns === 100 ? goals : 2 * goals)
  }
})

test('every line of a table is aligned with its heading', () => {
  const [tables = ''] = labReportText(report, recorder()).split('Columns:')
  const lines = tables.split('\n')
  const headings = lines.filter(line => line.startsWith('mechanism'))
  const width = headings[0]?.length
  for (const line of headings) assert.equal(line.length, width)
  const names = new Set(report.rows.map(({ mechanism }) => mechanism))
  const rows = lines.filter(line => names.has(line.slice(0, 17).trim()) && !line.includes('not run'))
  assert.equal(rows.length, report.rows.filter(({ result }) => result !== undefined).length)
  for (const line of rows) assert.equal(line.length, width, line)
})

test('the report says what the machine is, how each column was measured, and answers the four questions', () => {
  const text = labReportText(report, recorder())
  assert.ok(text.includes(report.fingerprint.kernel.release))
  assert.ok(text.includes(report.fingerprint.cpu.model))
  assert.match(text, /^measured by +C +C/m)
  for (const question of [
    'More system calls than necessary?',
    'More than two copies?',
    'Are the queues bounded?',
    'Is this the right primitive for the goal?',
  ]) {
    assert.ok(text.includes(question), question)
  }
})

test('a row that could not be run says why', () => {
  const [first, ...rest] = report.rows
  assert.ok(first !== undefined)
  const { result: _, ...row } = first
  const text = labReportText({ ...report, rows: [{ ...row, reason: 'it was refused' }, ...rest] }, recorder())
  assert.match(text, /not run: it was refused/)
})

test('JSON and CSV hold the rows, and go where they are told', async () => {
  const json = join(folder, 'out.json')
  const csv = join(folder, 'out.csv')
  const terminal = recorder()
  const args = ['lab', file, '--quick', '--only', 'readv', '--json', json, '--csv', csv]
  assert.equal(await run(args, terminal), 0)
  const written: LabReport = JSON.parse(readFileSync(json, 'utf8'))
  assert.equal(written.rows.length, 2)
  assert.equal(written.files.read.path, file)
  assert.equal(readFileSync(csv, 'utf8').trimEnd().split('\r\n').length, 3)
  assert.match(terminal.out, /Checklist/)
  assert.equal(terminal.err, '')
})

test('JSON to standard output stands there alone', async () => {
  const terminal = recorder()
  assert.equal(await run(['lab', file, '--quick', '--only', 'readv', '--json', '-'], terminal), 0)
  assert.equal((JSON.parse(terminal.out) as LabReport).format, 1)
})

test('a file that cannot be written costs neither the tables nor the other files', async () => {
  const terminal = recorder()
  const rows = join(folder, 'rows.csv')
  const args = [
    'lab',
    file,
    '--quick',
    '--only',
    'read/cached/sequential/readv',
    '--json',
    '/dev/full',
    '--csv',
    rows,
  ]
  assert.equal(await run(args, terminal), 1)
  assert.match(terminal.err, /ENOSPC/)
  assert.match(terminal.out, /Checklist/)
  assert.equal(readFileSync(rows, 'utf8').trimEnd().split('\r\n').length, 2)
})

test('arguments that cannot be are found before anything is measured', async () => {
  const empty = join(folder, 'empty')
  writeFileSync(empty, '')
  for (const args of [
    ['--size', '0'],
    ['--size', 'much'],
    ['--size', '4X'],
    ['--only', 'nothing like it'],
    ['--json', join(folder, 'nowhere', 'out.json')],
    ['--json', folder],
    ['--csv', file, file],
    ['--json', '-', '--csv', '-'],
    ['--no-such-option'],
    [empty],
    [folder],
    ['a', 'b'],
  ]) {
    const terminal = recorder()
    assert.equal(await run(['lab', ...args], terminal), 2, args.join(' '))
    assert.equal(terminal.out, '')
    assert.match(terminal.err, /sluice lab: /)
  }
  assert.equal(readFileSync(file).length, 2 ** 20)
  const terminal = recorder()
  assert.equal(await run(['lab', join(folder, 'nothing')], terminal), 1)
  assert.match(terminal.err, /ENOENT/)
})

test('a run in which no row could be run has failed', async () => {
  const terminal = recorder()
  const small = join(folder, 'small')
  writeFileSync(small, 'x')
  const args = ['lab', small, '--quick', '--only', 'read/uncached/random/direct-readsync']
  assert.equal(await run(args, terminal), 1)
  assert.match(terminal.out, /not run/)
})

test('the progress bar is one line, and silent where nobody watches', () => {
  const progress = { done: 3, total: 12, elapsedMs: 4000, row: 'x'.repeat(200) }
  const watched = recorder(80)
  const bar = new ProgressBar(watched, true)
  bar.show(progress)
  assert.ok(visibleLength(watched.err.replace('\r', '')) < 80)
  assert.match(watched.err, /██████░/)
  assert.match(watched.err, /3\/12 {2}4 s/)
  bar.clear()
  assert.ok(watched.err.endsWith('\r\u001b[2K'))
  const piped = recorder()
  const silent = new ProgressBar(piped, false)
  silent.show(progress)
  silent.clear()
  assert.equal(piped.err, '')
})

/** None of a process that has ended. */
function childrenOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`
  if (!existsSync(path)) return []
  return readFileSync(path, 'latin1').split(' ').filter(Boolean).map(Number)
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'))
  } catch {
    return false
  }
}

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} ends the lab with status ${status}, its processes and its files with it`, async () => {
    const temporary = mkdtempSync(join(folder, 'tmp-'))
    const lab = spawn(process.execPath, [MAIN, 'lab', '--only', 'cached/random/readsync', '--size', '1M'], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let told = ''
    lab.stderr.setEncoding('utf8').on('data', text => {
      told += text
    })
    const closed = once(lab, 'close')
    let children: number[] = []
    while (children.length === 0 && lab.exitCode === null) {
      await new Promise(resolve => setImmediate(resolve))
      children = childrenOf(lab.pid as number)
    }
    lab.kill(signal)
    const [code] = await closed
    assert.equal(code, status, told)
    assert.match(told, /interrupted/)
    assert.deepEqual(readdirSync(temporary), [])
    assert.deepEqual(children.filter(isRunning), [])
  })
}
