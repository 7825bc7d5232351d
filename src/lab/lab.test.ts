import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { engine } from '../engine/index.js'
import { storageOf } from '../observe/index.js'
import { BRISK } from './brisk.test.support.js'
import { type LabOptions, type LabReport, type RowReport, runLab } from './index.js'

const MIB = 2 ** 20
const SIZE = 4 * MIB
const folder = mkdtempSync(join(tmpdir(), 'sluice-lab-test-'))
const file = join(folder, 'data')
writeFileSync(file, new Uint8Array(SIZE).fill(7))
after(() => rmSync(folder, { recursive: true }))

/** Rows that tests below look at; a brief run of the suite measures no others. */
const LOOKED_AT = [
  'read/cached/*/readsync-4-kib',
  'read/cached/*/readsync-1-mib',
  'read/cached/random/ring-',
  'read/cached/random/filehandle-4-kib-x64',
  'read/cached/sequential/mmap',
  'read/uncached/random/readsync',
  'send/cached/transfer',
  'write/cached/sequential/writev',
  'write/cached/random/writesync',
  'write/durable/sequential/appendlog-4-kib-x64',
  'write/copy/sequential/splice',
  'net/echo/node-net',
  'net/messages/net',
  'net/relay/transfer',
]
const BRIEF = process.env.SLUICE_TEST_BRIEF !== undefined

/** The lab on our file, with laps as short as can be. */
function lab(options: LabOptions): Promise<LabReport> {
  return runLab({ file, size: SIZE, pace: BRISK, ...options })
}

const looks = () => ({
  hash: createHash('sha256').update(readFileSync(file)).digest('hex'),
  mtimeMs: statSync(file).mtimeMs,
})
const untouched = looks()
let report: LabReport

before(async () => {
  report = await lab({ only: BRIEF ? LOOKED_AT.join() : undefined })
})

function rowOf(report: LabReport, id: string): RowReport {
  const row = report.rows.find(each => each.id === id)
  assert.ok(row !== undefined, `${id} is not among ${report.rows.map(each => each.id)}`)
  return row
}

/** System calls of an operation; undefined where nobody may count them, or the row cannot be run here. */
function callsOf(report: LabReport, id: string): number | undefined {
  const { result } = rowOf(report, id)
  const calls = result?.cost.systemCallsPerOperation
  return calls?.method === 'tracepoint' ? calls.value : undefined
}

test('every row runs, or says why this machine cannot run it', context => {
  for (const { id, reason, result } of report.rows) {
    if (reason !== undefined) context.diagnostic(`${id}: ${reason}`)
    assert.doesNotMatch(reason ?? '', /it failed|the time was up|not one operation/, id)
    assert.equal(result === undefined, reason !== undefined, id)
  }
})

test('a synchronous read makes one system call, a ring 64 deep hardly any', context => {
  if (callsOf(report, 'read/cached/random/readsync-4-kib') === undefined)
    return context.skip(report.notes[0] ?? '')
  const near = (id: string, expected: number) => {
    const calls = callsOf(report, id) ?? Number.NaN
    assert.ok(Math.abs(calls - expected) < 0.1 * expected, `${id}: ${calls} instead of ${expected}`)
  }
  near('read/cached/sequential/readsync-4-kib', 1)
  near('read/cached/random/readsync-4-kib', 1)
  near('read/cached/sequential/readsync-1-mib', 1)
  const few = ['ring-4-kib-x64', 'ring-fixed-4-kib-x64', 'ring-sqpoll-4-kib-x64']
  if (engine().driver === 'ring') few.push('filehandle-4-kib-x64')
  for (const name of few) {
    const row = rowOf(report, `read/cached/random/${name}`)
    if (row.reason !== undefined) continue
    const calls = callsOf(report, row.id) ?? Number.NaN
    // One for 64, and what a lap's beginning and end take, which is much of one as short as these.
    assert.ok(calls <= 0.2, `${row.name} makes ${calls} system calls an operation`)
  }
  return undefined
})

test('the file is only read: bytes, size and time of change stay as they were', () => {
  assert.deepEqual(looks(), untouched)
  assert.deepEqual(readdirSync(folder), ['data'])
  assert.ok(rowOf(report, 'write/cached/random/writesync-4-kib').result !== undefined)
  assert.equal(report.files.write.folder, folder)
})

test('an uncached read fetches from the device what a cached one has already', context => {
  if (storageOf(folder).device === undefined) return context.skip(`${folder} lies on no device`)
  const hits = (state: string) => rowOf(report, `read/${state}/random/readsync-4-kib`).result
  const uncached = hits('uncached')
  assert.equal(hits('cached')?.cost.cacheHitRatio?.value, 1)
  assert.equal(hits('cached')?.residentBefore, 1)
  assert.ok((uncached?.cost.cacheHitRatio?.value ?? 1) < 0.5, JSON.stringify(uncached?.cost.cacheHitRatio))
  assert.ok((uncached?.residentBefore ?? 1) < 0.1)
  return undefined
})

test('rows that send a file read the one that is given, and have its cache hits', async context => {
  const sent = await lab({ only: 'send/cached/read-send' })
  assert.deepEqual(sent.files.read, { path: file, bytes: SIZE })
  assert.deepEqual(sent.files.write, { folder: null, bytes: 0 })
  const [row] = sent.rows
  if (row?.result === undefined) return context.skip(row?.reason ?? 'no row')
  assert.equal(row.result.residentBefore, 1)
  assert.equal(row.result.cost.cacheHitRatio?.value, 1)
  return undefined
})

test('every number of a row is there, and those that are derived say so', () => {
  for (const { result, name, depth } of report.rows) {
    if (result === undefined) continue
    assert.ok(result.bytesPerSecond.median > 0, name)
    assert.ok(result.bytesPerSecond.min <= result.bytesPerSecond.max, name)
    assert.ok(result.operationsPerSecond.median > 0, name)
    assert.ok((result.latencyNs.p50 ?? 1) > 0, name)
    assert.equal(result.cost.kernelCopies.method, 'derived')
    assert.ok(result.queue.deepest <= depth, `${name} has ${result.queue.deepest} in flight`)
  }
  assert.equal(rowOf(report, 'read/cached/sequential/mmap-64-kib').result?.cost.kernelCopies.value, 0)
  assert.equal(report.checklist.length, 4)
  assert.equal(report.fingerprint.node.version, process.version)
  assert.deepEqual(JSON.parse(JSON.stringify(report)).format, 1)
})

test('a file smaller than an operation makes the operation smaller, and Direct I/O says why not', async () => {
  const small = join(folder, 'small')
  writeFileSync(small, new Uint8Array(100))
  const report = await lab({
    file: small,
    only: 'read/cached/sequential/readsync-1-mib,read/uncached/random/direct-readsync',
  })
  const whole = rowOf(report, 'read/cached/sequential/readsync-1-mib')
  assert.equal(whole.size, 100)
  assert.ok(whole.result !== undefined)
  const direct = rowOf(report, 'read/uncached/random/direct-readsync-4-kib')
  assert.match(direct.reason ?? '', /Direct I\/O|O_DIRECT|no device|page cache keeps/)
  rmSync(small)
})

test('on a file system in memory, what cannot be run says why', async context => {
  if (!existsSync('/dev/shm') || storageOf('/dev/shm').fileSystem !== 'tmpfs')
    return context.skip('no tmpfs at /dev/shm')
  const memory = mkdtempSync('/dev/shm/sluice-lab-test-')
  context.after(() => rmSync(memory, { recursive: true }))
  const path = join(memory, 'data')
  writeFileSync(path, new Uint8Array(MIB))
  const report = await lab({ file: path, only: 'uncached*readsync,direct-writesync' })
  const reason = (id: string) => rowOf(report, id).reason ?? ''
  assert.match(reason('read/uncached/random/readsync-4-kib'), /page cache keeps 100 %/)
  assert.match(reason('read/uncached/random/direct-readsync-4-kib'), /no device|page cache keeps/)
  assert.match(reason('write/uncached/random/direct-writesync-4-kib'), /in memory has no device/)
  return undefined
})

test('a run that is aborted rejects with the reason and leaves nothing behind', async () => {
  const controller = new AbortController()
  const reason = new Error('enough')
  const run = lab({
    only: 'readsync,writesync',
    signal: controller.signal,
    onProgress: ({ done }) => {
      if (done === 2) controller.abort(reason)
    },
  })
  await assert.rejects(run, reason)
  assert.deepEqual(readdirSync(folder), ['data'])
})

test('progress never goes back, and names what is next', async () => {
  const seen: number[] = []
  let total = 0
  await lab({
    only: 'readv',
    onProgress(progress) {
      seen.push(progress.done)
      total = progress.total
      assert.match(progress.row, /readv/)
    },
  })
  assert.deepEqual(seen, [...seen.keys()])
  assert.equal(total, seen.length)
})

test('arguments that cannot be are refused before anything is measured', async () => {
  await assert.rejects(runLab({ only: 'nothing like it' }), { code: 'ERR_INVALID_ARG_VALUE' })
  await assert.rejects(runLab({ size: 0 }), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(runLab({ size: 1.5 }), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(runLab({ file: join(folder, 'nothing') }), { code: 'ENOENT' })
})

test('messages that are sent together cost fewer calls', context => {
  const each = callsOf(report, 'net/messages/net-each-sent-64-b')
  const together = callsOf(report, 'net/messages/net-coalesced-64-b-x64')
  if (each === undefined || together === undefined) return context.skip(report.notes[0] ?? '')
  assert.ok(each >= 1, `${each} system calls a message`)
  assert.ok(together <= each / 8, `${together} system calls a message, and ${each} one by one`)
  const node = callsOf(report, 'net/echo/node-net-64-b-x64') ?? Number.NaN
  assert.ok(node >= 1.9, `${node} system calls an echo`)
  return undefined
})

test('rows over connections run without a file', async () => {
  const report = await lab({ file: undefined, only: 'net/messages/net-each' })
  assert.equal(report.files.read.path, null)
  assert.ok(report.rows[0]?.result !== undefined)
})
