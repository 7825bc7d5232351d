import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, realpath, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Worker } from 'node:worker_threads'
import { engine } from '../../engine/index.js'
import type { PathLike } from '../open-flags.js'
import { contents, SMALL, sample, samples, scratch, scratchLog, text } from './append-log.test.support.js'
import { frameSize, SEGMENT } from './format.js'
import { AppendLog } from './index.js'

test('records come back in order, byte for byte, also after reopening', async t => {
  const directory = await scratch(t)
  let log = await AppendLog.open(directory, SMALL)
  const positions: number[] = []
  for (let index = 0; index < 100; index++) positions.push(await log.append(sample(index)))
  assert.deepEqual(await contents(log), samples(0, 100))
  assert.deepEqual(
    positions,
    positions.toSorted((one, other) => one - other),
  )
  assert.equal(positions[0], log.first)
  await log.close()
  assert.deepEqual(await contents(directory), samples(0, 100))
  log = await AppendLog.open(directory, SMALL)
  assert.deepEqual(log.recovered, { end: log.end, records: 100, truncated: 0 })
  await log.append(sample(100))
  assert.deepEqual(await contents(log), samples(0, 101))
  assert.deepEqual(await contents(log, { from: positions[40] }), samples(40, 101))
  await log.close()
})

test('a log begins in a folder that is not there yet, however it is named', async t => {
  const folder = await scratch(t)
  const before = process.cwd()
  process.chdir(folder)
  t.after(() => process.chdir(before))
  const here = await realpath('.')
  const names: [PathLike, string][] = [
    ['events', 'events'],
    ['a/b/c', 'a/b/c'],
    ['up/../down', 'down'],
    ['trailing/', 'trailing'],
    ['double//slash', 'double/slash'],
    ['./dot', 'dot'],
    [join(here, 'absolute', '..', 'other'), 'other'],
    [pathToFileURL(join(here, 'by url')), 'by url'],
    [Buffer.from('bytes'), 'bytes'],
  ]
  for (const [name, expected] of names) {
    await using log = await AppendLog.open(name, SMALL)
    assert.equal(log.directory, join(here, expected))
    await log.append(sample(1))
    const found: Uint8Array[] = []
    for await (const { bytes } of AppendLog.read(name)) found.push(bytes)
    assert.equal(found.length, 1)
  }
  await assert.rejects(AppendLog.open(Buffer.from([0xff])), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('a log stays where it is when the process goes elsewhere', async t => {
  const folder = await scratch(t)
  const before = process.cwd()
  process.chdir(folder)
  t.after(() => process.chdir(before))
  await using log = await AppendLog.open('log', { ...SMALL, segmentBytes: 4096 })
  process.chdir(before)
  for (let index = 0; index < 100; index++) await log.append(sample(index))
  assert.ok(log.stats().segments > 1)
  assert.deepEqual(await contents(log), samples(0, 100))
})

test('a log that is forgotten is closed with a warning, and lets another writer in', async t => {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const directory = await scratch(t)
  const descriptors = async () => (await readdir('/proc/self/fd')).length
  const count = await descriptors()
  const [warning] = await (async () => {
    const warned = once(process, 'warning')
    await (async () => (await AppendLog.open(directory, SMALL)).append(sample(1)))()
    const timer = setInterval(gc, 10)
    t.after(() => clearInterval(timer))
    return warned
  })()
  assert.equal(warning.message, `Closing the append log in ${directory} on garbage collection`)
  while ((await descriptors()) > count) await new Promise(setImmediate)
  await using log = await AppendLog.open(directory, SMALL)
  assert.deepEqual(await contents(log), samples(1, 2))
})

test('appends of one turn share one write and one sync', async t => {
  const log = await scratchLog(t)
  await log.append(sample(1))
  const before = engine().stats()
  const positions = await Promise.all(Array.from({ length: 64 }, (_, index) => log.append(sample(index))))
  const after = engine().stats()
  assert.equal(after.submissions - before.submissions, 2)
  assert.equal(after.batches - before.batches, 1)
  assert.equal(log.stats().batches, 2)
  assert.equal(log.stats().largestBatch, 64)
  assert.equal(new Set(positions).size, 64)
})

test('appends that come while a batch is written make the next one', async t => {
  const log = await scratchLog(t)
  const first = log.append(sample(1))
  await new Promise(setImmediate)
  const later = Array.from({ length: 10 }, (_, index) => log.append(sample(index)))
  await Promise.all([first, ...later])
  assert.equal(log.stats().batches, 2)
  assert.deepEqual(await contents(log), [...samples(1, 2), ...samples(0, 10)])
})

test('appenders that go on when they hear of their record keep filling batches', async t => {
  const log = await scratchLog(t)
  const appender = async () => {
    for (let index = 0; index < 20; index++) await log.append(sample(index))
  }
  await Promise.all(Array.from({ length: 16 }, appender))
  assert.equal(log.stats().records, 320)
  assert.equal(log.stats().batches, 20)
})

test('a record is copied when append() returns', async t => {
  const log = await scratchLog(t)
  const record = Buffer.from('before')
  const appended = log.append(record)
  record.write('after.')
  await appended
  assert.deepEqual(await contents(log), ['before'])
})

test('any view is a record, an empty one too', async t => {
  const log = await scratchLog(t)
  const { buffer } = Uint8Array.from([0x61, 0x62, 0x63, 0x64])
  await Promise.all([
    log.append(new DataView(buffer, 1, 2)),
    log.append(new Uint16Array(buffer, 2, 1)),
    log.append(new Uint8Array(0)),
  ])
  assert.deepEqual(await contents(log), ['bc', 'cd', ''])
  await assert.rejects(log.append('text' as unknown as Uint8Array), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('a record larger than a segment has one of its own', async t => {
  const log = await scratchLog(t, { ...SMALL, segmentBytes: 4096 })
  const large = Buffer.alloc(1_000_000, 'large')
  await log.append(text('one'))
  await log.append(large)
  await log.append(text('two'))
  assert.deepEqual(await contents(log), ['one', large.toString('latin1'), 'two'])
  assert.equal(log.stats().segments, 3)
  assert.deepEqual(await contents(log.directory), ['one', large.toString('latin1'), 'two'])
})

test('at the bound of the queue appends wait their turn, or reject', async t => {
  const waits = await scratchLog(t, { ...SMALL, queueBytes: 512, maxWaiting: 20 })
  const appends = Array.from({ length: 15 }, (_, index) => waits.append(sample(index)))
  assert.ok(waits.stats().waiting > 0)
  assert.ok(waits.stats().queuedBytes <= 512)
  await Promise.all(appends)
  assert.deepEqual(await contents(waits), samples(0, 15))
  const tooMany = Array.from({ length: 100 }, () => waits.append(Buffer.alloc(100)))
  const settled = await Promise.allSettled(tooMany)
  const refused = settled.filter(result => result.status === 'rejected')
  assert.ok(refused.length > 0)
  assert.ok(refused.every(({ reason }) => reason.code === 'ERR_SLUICE_QUEUE_FULL'))
  assert.equal(waits.stats().records, 15 + settled.length - refused.length)

  const rejects = await scratchLog(t, { ...SMALL, queueBytes: 512, full: 'reject' })
  const first = rejects.append(Buffer.alloc(480))
  await assert.rejects(rejects.append(Buffer.alloc(100)), { code: 'ERR_SLUICE_QUEUE_FULL' })
  await first
  await rejects.append(Buffer.alloc(100))
  await assert.rejects(rejects.append(Buffer.alloc(500)), { code: 'ERR_OUT_OF_RANGE' })
})

test('a full segment is followed by another, without a gap', async t => {
  for (const preallocate of ['zeros', 'extents', 'none'] as const) {
    const log = await scratchLog(t, { segmentBytes: 8192, preallocate })
    for (let index = 0; index < 400; index++) await log.append(sample(index))
    assert.equal(log.stats().rotations, log.stats().segments - 1)
    assert.ok(log.stats().segments > 5)
    assert.deepEqual(await contents(log), samples(0, 400))
    assert.deepEqual(await contents(log.directory), samples(0, 400))
    await log.close()
    const names = (await readdir(log.directory)).filter(name => name.endsWith('.log'))
    const sizes = await Promise.all(names.map(async name => (await stat(join(log.directory, name))).size))
    const bases = names.map(name => Number(name.slice(0, 16)))
    for (let index = 1; index < bases.length; index++)
      assert.equal(bases[index], bases[index - 1] + sizes[index - 1])
  }
})

test('old segments go when a new one begins: by bytes, by age, or by trim()', async t => {
  const bytes = await scratchLog(t, { ...SMALL, segmentBytes: 4096, retain: { bytes: 10_000 } })
  for (let index = 0; index < 400; index++) await bytes.append(sample(index))
  assert.ok(bytes.end - bytes.first >= 10_000 - SEGMENT.SIZE)
  assert.ok(bytes.end - bytes.first < 10_000 + 3 * 4096)
  const kept = await contents(bytes)
  assert.deepEqual(kept, samples(400 - kept.length, 400))
  await assert.rejects(contents(bytes, { from: 64 }), { code: 'ERR_OUT_OF_RANGE' })
  await bytes.close()

  const directory = await scratch(t)
  const options = { ...SMALL, segmentBytes: 4096, retain: { ageMs: 3_600_000 } }
  let aged = await AppendLog.open(directory, options)
  for (let index = 0; index < 100; index++) await aged.append(sample(index))
  const { segments } = aged.stats()
  await aged.close()
  const names = (await readdir(directory)).filter(name => name.endsWith('.log')).sort()
  for (const name of names.slice(0, 2)) await utimes(join(directory, name), 1, 1)
  aged = await AppendLog.open(directory, options)
  await aged.close()
  assert.equal(aged.stats().segments, segments - 2)

  const trimmed = await scratchLog(t, { ...SMALL, segmentBytes: 4096 })
  const positions: number[] = []
  for (let index = 0; index < 100; index++) positions.push(await trimmed.append(sample(index)))
  const removed = await trimmed.trim(positions[60])
  assert.ok(removed > 0)
  assert.equal(trimmed.first, removed + SEGMENT.SIZE)
  assert.ok(trimmed.first <= positions[60])
  assert.deepEqual(await contents(trimmed, { from: positions[60] }), samples(60, 100))
  assert.equal(await trimmed.trim(Number.MAX_SAFE_INTEGER), trimmed.stats().first - SEGMENT.SIZE - removed)
  assert.equal(trimmed.stats().segments, 1)
  await trimmed.append(sample(100))
  assert.deepEqual((await contents(trimmed)).at(-1), samples(100, 101)[0])
})

test('a log has one writer, in this process and in others', async t => {
  const log = await scratchLog(t)
  await assert.rejects(AppendLog.open(log.directory), { code: 'ERR_SLUICE_LOCKED' })
  const program = `
    const { AppendLog } = await import(${JSON.stringify(new URL('./index.js', import.meta.url).href)})
    await AppendLog.open(process.argv[1]).then(() => process.exit(1), error => console.log(error.code))`
  const args = ['--input-type=module', '-e', program, log.directory]
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 })
  assert.equal(stdout, 'ERR_SLUICE_LOCKED\n', stderr)
  await log.close()
  await (await AppendLog.open(log.directory, SMALL)).close()
})

test('close() waits for the appends before it, and refuses those after it', async t => {
  const log = await scratchLog(t, { ...SMALL, queueBytes: 1024 })
  const appends = Array.from({ length: 50 }, (_, index) => log.append(sample(index)))
  const closing = log.close()
  await assert.rejects(log.append(sample(1)), { code: 'ERR_SLUICE_CLOSED' })
  await assert.rejects(log.trim(0), { code: 'ERR_SLUICE_CLOSED' })
  await Promise.all([closing, log.close(), ...appends])
  assert.deepEqual(await contents(log.directory), samples(0, 50))
})

test('a log lives in a worker as well', async t => {
  const directory = await scratch(t)
  const program = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.module).then(async ({ AppendLog }) => {
      const log = await AppendLog.open(workerData.directory)
      await Promise.all([log.append(Buffer.from('one')), log.append(Buffer.from('two'))])
      await log.close()
      parentPort.postMessage('done')
    })`
  const module = new URL('./index.js', import.meta.url).href
  const worker = new Worker(program, { eval: true, workerData: { directory, module } })
  assert.deepEqual(await once(worker, 'message'), ['done'])
  await once(worker, 'exit')
  assert.deepEqual(await contents(directory), ['one', 'two'])
})

test('the bytes are those of the documented format', async t => {
  const log = await scratchLog(t)
  await log.append(text('abc'))
  const bytes = await readFile(join(log.directory, '0000000000000000.log'))
  assert.equal(bytes.length, SEGMENT.SIZE + frameSize(3))
  assert.equal(bytes.toString('latin1', 0, 8), 'SLUICLOG')
  assert.equal(bytes.readUInt32LE(8), 1)
  assert.equal(bytes.readBigUInt64LE(16), 0n)
  assert.equal(bytes.readUInt32LE(72), 0x80000003)
  assert.equal(bytes.readUInt32LE(76), 0)
  assert.equal(bytes.readBigUInt64LE(80), 64n)
  assert.equal(bytes.toString('latin1', 88), 'abc\0\0\0\0\0')
})

test('options are checked', async t => {
  const directory = await scratch(t)
  const bad = [
    { segmentBytes: 10 },
    { segmentBytes: 1.5 },
    { queueBytes: 0 },
    { maxWaiting: -1 },
    { full: 'block' },
    { preallocate: 'some' },
    { damaged: 'ignore' },
    { retain: { bytes: -1 } },
    { retain: { ageMs: '1' } },
  ]
  for (const options of bad) {
    await assert.rejects(AppendLog.open(directory, options as object), {
      code: /^ERR_(OUT_OF_RANGE|INVALID_ARG)/,
    })
  }
  await assert.rejects(AppendLog.open(7 as unknown as string), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(AppendLog.open(directory, null as unknown as object), { code: 'ERR_INVALID_ARG_TYPE' })
  const log = await AppendLog.open(directory, SMALL)
  assert.throws(() => log.read({ from: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => log.read({ signal: {} as AbortSignal }), { code: 'ERR_INVALID_ARG_TYPE' })
  await log.close()
})
