import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'node:test'
import { contents, SMALL, sample, samples, scratch, scratchLog, text } from './append-log.test.support.js'
import { AppendLog, type LogRecord } from './index.js'

const MODULE = JSON.stringify(new URL('./index.js', import.meta.url).href)

/** Takes records until there are `count`. */
async function take(records: AsyncIterable<LogRecord>, count: number): Promise<string[]> {
  const found: string[] = []
  if (count === 0) return found
  for await (const { bytes } of records) {
    if (found.push(Buffer.from(bytes).toString('latin1')) === count) break
  }
  return found
}

test('a reader begins and ends where it is told, and goes on from next', async t => {
  const log = await scratchLog(t, { ...SMALL, segmentBytes: 4096 })
  const positions: number[] = []
  for (let index = 0; index < 200; index++) positions.push(await log.append(sample(index)))
  for (const source of [log, log.directory]) {
    assert.deepEqual(await contents(source, { from: 0 }), samples(0, 200))
    assert.deepEqual(await contents(source, { from: positions[70] }), samples(70, 200))
    assert.deepEqual(await contents(source, { from: positions[70], to: positions[120] }), samples(70, 120))
    assert.deepEqual(await contents(source, { to: positions[3] + 1 }), samples(0, 4))
    assert.deepEqual(await contents(source, { from: log.end }), [])
  }
  let from = log.first
  for (let index = 0; index < 200; index++) {
    for await (const record of log.read({ from })) {
      assert.equal(record.position, positions[index])
      from = record.next
      break
    }
  }
  assert.equal(from, log.end)
})

test('from must be the position of a record, or the end', async t => {
  const log = await scratchLog(t)
  await log.append(Buffer.alloc(300))
  const second = await log.append(Buffer.alloc(300, 1))
  for (const source of [log, log.directory]) {
    for (const from of [second + 8, second + 160, second - 8, 65]) {
      await assert.rejects(contents(source, { from }), { code: 'ERR_INVALID_ARG_VALUE' }, `${from}`)
    }
  }
  await assert.rejects(contents(log.directory, { from: log.end + 8 }), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('records may be kept: no later one is read into their memory', async t => {
  const log = await scratchLog(t, { ...SMALL, segmentBytes: 2 ** 21 })
  const records = Array.from({ length: 3000 }, (_, index) => text(`record ${index} ${'x'.repeat(300)}`))
  await Promise.all(records.map(record => log.append(record)))
  const kept: LogRecord[] = []
  for await (const record of log.read()) kept.push(record)
  for (const [index, { bytes }] of kept.entries()) assert.deepEqual(Buffer.from(bytes), records[index])
})

test('a follower gets every record, over segments, until the log is closed', async t => {
  const log = await scratchLog(t, { ...SMALL, segmentBytes: 4096 })
  const followers = [0, 1, 2].map(async () => contents(log, { follow: true }))
  for (let index = 0; index < 150; index++) {
    await Promise.all([log.append(sample(index * 2)), log.append(sample(index * 2 + 1))])
  }
  await log.close()
  for (const follower of await Promise.all(followers)) assert.deepEqual(follower, samples(0, 300))
})

test('a follower is ended by its signal, also while it waits', async t => {
  const log = await scratchLog(t)
  await log.append(text('one'))
  for (const source of [log, log.directory]) {
    const controller = new AbortController()
    const records =
      typeof source === 'string'
        ? AppendLog.read(source, { follow: true, signal: controller.signal })
        : source.read({ follow: true, signal: controller.signal })
    assert.equal(Buffer.from((await records.next()).value?.bytes ?? []).toString(), 'one')
    const waiting = records.next()
    setImmediate(() => controller.abort(new Error('enough')))
    await assert.rejects(waiting, { name: 'AbortError', code: 'ABORT_ERR', cause: new Error('enough') })
    await assert.rejects(contents(source, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  }
})

test('a reader in another process follows without a lock', async t => {
  const directory = await scratch(t)
  const program = `
    const { AppendLog } = await import(${MODULE})
    let count = 0
    for await (const { bytes } of AppendLog.read(process.argv[1], { follow: true })) {
      if (count++ === 0) console.log('reading')
      if (bytes.length === 1) break
    }
    console.log(count)`
  const log = await AppendLog.open(directory, { segmentBytes: 16384 })
  await log.append(sample(1))
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  assert.equal((await lines.next()).value, 'reading')
  for (let index = 0; index < 500; index++) await log.append(Buffer.alloc(2 + index))
  await log.append(Buffer.alloc(1))
  assert.equal((await lines.next()).value, '502')
  await log.close()
})

test('followers of a directory see records as they come', async t => {
  const log = await scratchLog(t, { ...SMALL, segmentBytes: 4096 })
  await log.append(sample(0))
  const following = take(AppendLog.read(log.directory, { follow: true }), 300)
  for (let index = 1; index < 300; index++) await log.append(sample(index))
  assert.deepEqual(await following, samples(0, 300))
})

test('a directory without a log has no records', async t => {
  const directory = join(await scratch(t), 'empty')
  await mkdir(directory)
  assert.deepEqual(await contents(directory), [])
  await assert.rejects(contents(join(directory, 'absent')), { code: 'ENOENT' })
})

test('a reader that retention overtakes is told', async t => {
  const log = await scratchLog(t, { ...SMALL, segmentBytes: 4096 })
  await log.append(sample(0))
  const records = log.read({ follow: true })
  await records.next()
  for (let index = 1; index < 200; index++) await log.append(sample(index))
  await log.trim(log.end)
  const rest = take(records, 1000)
  await assert.rejects(rest, { code: 'ERR_OUT_OF_RANGE' })
})
