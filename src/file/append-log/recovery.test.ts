import assert from 'node:assert/strict'
import { copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { contents, SMALL, sample, samples, scratch, text } from './append-log.test.support.js'
import { FRAME, frameSize, SEGMENT } from './format.js'
import { FrameScanner } from './frame-scanner.js'
import { AppendLog } from './index.js'

const NAME = '0000000000000000.log'
/** Of the places that damage can have, each; in a brief run of the suite every seventh. */
const STEP = process.env.SLUICE_TEST_BRIEF === undefined ? 1 : 7

/** A log as a crash may have left it: its bytes, and where each record begins and ends in them. */
interface Recording {
  bytes: Buffer
  directory: string
  records: { start: number; end: number; content: string; lastBatch: boolean }[]
}

/** Writes batches of one to eight records. */
async function record(t: TestContext, batches: number): Promise<Recording> {
  const directory = await scratch(t)
  const log = await AppendLog.open(directory, SMALL)
  const records: Recording['records'] = []
  for (let batch = 0; batch < batches; batch++) {
    const indices = Array.from({ length: (batch % 8) + 1 }, (_, index) => records.length + index)
    const positions = await Promise.all(indices.map(index => log.append(sample(index))))
    for (const [index, start] of positions.entries()) {
      const bytes = sample(indices[index])
      const end = start + FRAME.SIZE + bytes.length
      const content = Buffer.from(bytes).toString('latin1')
      records.push({ start, end, content, lastBatch: batch === batches - 1 })
    }
  }
  await log.close()
  return { bytes: await readFile(join(directory, NAME)), directory, records }
}

/** What opening a damaged copy gives: its records, or the error. The second opening must find nothing to do. */
async function reopen({ directory }: Recording, bytes: Uint8Array) {
  const damaged = join(directory, 'damaged')
  await mkdir(damaged, { recursive: true })
  await writeFile(join(damaged, NAME), bytes)
  let log: AppendLog
  try {
    log = await AppendLog.open(damaged, SMALL)
  } catch (error) {
    assert.deepEqual(await readFile(join(damaged, NAME)), bytes, 'a log that is refused is left as it is')
    return {
      error: error as Error & { code: string; position: number; resumes?: number },
      found: [],
      truncated: 0,
    }
  }
  const found = await contents(log)
  const { truncated } = log.recovered
  assert.equal(log.recovered.records, found.length)
  await log.append(text('after'))
  await log.close()
  log = await AppendLog.open(damaged, SMALL)
  assert.deepEqual(await contents(log), [...found, 'after'])
  assert.deepEqual(log.recovered, { end: log.end, records: found.length + 1, truncated: 0 })
  await log.close()
  return { error: undefined, found, truncated }
}

/** What must be found when the bytes from `from` to `to` are not as they were written. */
function expected(recording: Recording, from: number, to: number): { intact: string[]; refused: boolean } {
  const first = recording.records.findIndex(({ start, end }) => end > from && start < to)
  if (first < 0) return { intact: recording.records.map(({ content }) => content), refused: false }
  const later = recording.records.slice(first).some(({ lastBatch, start }) => lastBatch && start >= to)
  return {
    intact: recording.records.slice(0, first).map(({ content }) => content),
    refused: later && !recording.records[first].lastBatch,
  }
}

test('from every prefix the whole records come back, and the torn one is cut off', async t => {
  const recording = await record(t, 3)
  for (let length = SEGMENT.SIZE; length <= recording.bytes.length; length += STEP) {
    const { found, truncated } = await reopen(recording, recording.bytes.subarray(0, length))
    const whole = recording.records.filter(
      ({ start, end }) => start + frameSize(end - start - FRAME.SIZE) <= length,
    )
    assert.deepEqual(
      found,
      whole.map(({ content }) => content),
      `${length}`,
    )
    const last = whole.at(-1)
    const end = last === undefined ? SEGMENT.SIZE : last.start + frameSize(last.end - last.start - FRAME.SIZE)
    const rest = recording.bytes.subarray(end, length)
    assert.equal(truncated, rest.findLastIndex(byte => byte !== 0) + 1, `${length}`)
  }
})

test('a segment without a whole header is refused, not emptied', async t => {
  const recording = await record(t, 1)
  for (let length = 0; length < SEGMENT.SIZE; length++) {
    const { error } = await reopen(recording, recording.bytes.subarray(0, length))
    assert.equal(error?.code, 'ERR_SLUICE_LOG_DAMAGED')
  }
})

test('a flipped byte never shows: what was before it comes back, what was after it is cut off or refused', async t => {
  const recording = await record(t, 4)
  for (let at = SEGMENT.SIZE; at < recording.bytes.length; at += STEP) {
    const bytes = Buffer.from(recording.bytes)
    bytes[at] ^= 1 << (at % 8)
    const { intact, refused } = expected(recording, at, at + 1)
    const { found, error } = await reopen(recording, bytes)
    if (refused) {
      assert.equal(error?.code, 'ERR_SLUICE_LOG_DAMAGED', `${at}`)
      assert.equal(error?.position, recording.records[intact.length].start)
    } else {
      assert.deepEqual(found, intact, `${at}`)
    }
  }
})

test('no flip of any bit yields a record that was not written', async t => {
  const recording = await record(t, 12)
  const seed = recording.bytes.readUInt32LE(SEGMENT.SEED)
  const block = new Uint8Array(new ArrayBuffer(recording.bytes.length - SEGMENT.SIZE))
  block.set(recording.bytes.subarray(SEGMENT.SIZE))
  const scanner = new FrameScanner(seed)
  for (let bit = 0; bit < block.length * 8; bit += STEP) {
    const at = bit >>> 3
    block[at] ^= 1 << (bit & 7)
    const end = scanner.scan(block, SEGMENT.SIZE)
    block[at] ^= 1 << (bit & 7)
    const hit = recording.records.findIndex(
      record => record.end - SEGMENT.SIZE > at && record.start - SEGMENT.SIZE <= at,
    )
    assert.equal(scanner.starts.length, hit < 0 ? recording.records.length : hit, `bit ${bit}`)
    if (hit >= 0) assert.equal(end, 'broken')
  }
})

test('a flipped byte of a segment’s header is told, and nothing of the segment is read or changed', async t => {
  const recording = await record(t, 2)
  for (let at = 0; at < SEGMENT.SIZE; at++) {
    const bytes = Buffer.from(recording.bytes)
    bytes[at] ^= 1 << (at % 8)
    const { error, found } = await reopen(recording, bytes)
    assert.deepEqual([error?.code, error?.position, found.length], ['ERR_SLUICE_LOG_DAMAGED', 0, 0], `${at}`)
  }
})

test('no zeroed page, sector or piece of one yields a record that was not written', async t => {
  const recording = await record(t, 24)
  assert.ok(recording.bytes.length > 8192)
  for (const size of [4096, 512, 64, 8]) {
    const step = Math.max(size, 64)
    for (let from = step; from < recording.bytes.length; from += step) {
      const bytes = Buffer.from(recording.bytes)
      bytes.fill(0, from, Math.min(from + size, bytes.length))
      const changed = bytes.findIndex((byte, at) => byte !== recording.bytes[at])
      if (changed < 0) continue
      const last = bytes.findLastIndex((byte, at) => byte !== recording.bytes[at])
      const { intact, refused } = expected(recording, changed, last + 1)
      const { found, error } = await reopen(recording, bytes)
      if (refused) assert.equal(error?.code, 'ERR_SLUICE_LOG_DAMAGED', `${size} at ${from}`)
      else assert.deepEqual(found, intact, `${size} at ${from}`)
    }
  }
})

test('parts of the last batch that reached the device without its beginning are cut off, not read later', async t => {
  const recording = await record(t, 16)
  const last = recording.records.filter(({ lastBatch }) => lastBatch)
  const bytes = Buffer.from(recording.bytes)
  bytes.fill(0, last[0].start, last[0].end)
  const { found, truncated } = await reopen(recording, bytes)
  assert.equal(found.length, recording.records.length - last.length)
  assert.ok(truncated > 0)
})

test('damage among durable records is told with where they go on, and can be kept', async t => {
  const recording = await record(t, 10)
  const bytes = Buffer.from(recording.bytes)
  const victim = recording.records[5]
  bytes[victim.start + FRAME.SIZE] ^= 0xff
  const { error } = await reopen(recording, bytes)
  assert.equal(error?.position, victim.start)
  assert.equal(error?.resumes, recording.records[6].start)
  const damaged = join(recording.directory, 'damaged')
  const log = await AppendLog.open(damaged, { ...SMALL, damaged: 'keep' })
  await log.append(text('after'))
  for (const source of [log, damaged]) {
    await assert.rejects(contents(source), { code: 'ERR_SLUICE_LOG_DAMAGED', position: victim.start })
    const resumed = await contents(source, { from: error?.resumes ?? -1 })
    assert.deepEqual(resumed, [...samples(6, recording.records.length), 'after'])
    assert.deepEqual(await contents(source, { to: victim.start }), samples(0, 5))
  }
  await log.close()
})

test('damage in an older segment is told by readers, and where the next one begins', async t => {
  const directory = await scratch(t)
  const log = await AppendLog.open(directory, { ...SMALL, segmentBytes: 4096 })
  const positions: number[] = []
  for (let index = 0; index < 100; index++) positions.push(await log.append(sample(index)))
  const second = log.stats().segments > 2 ? (await segmentBases(directory))[1] : -1
  const lost = positions.findLastIndex(position => position < second)
  const bytes = await readFile(join(directory, NAME))
  await writeFile(join(directory, NAME), bytes.subarray(0, positions[lost] + 10))
  for (const source of [log, directory]) {
    await assert.rejects(contents(source), {
      code: 'ERR_SLUICE_LOG_DAMAGED',
      position: positions[lost],
      resumes: second,
    })
    assert.deepEqual(await contents(source, { from: second }), samples(lost + 1, 100))
  }
  await log.close()
})

test('a segment of another log is refused', async t => {
  const directory = await scratch(t)
  const [one, other] = [join(directory, 'one'), join(directory, 'other')]
  for (const path of [one, other]) {
    const log = await AppendLog.open(path, { ...SMALL, segmentBytes: 4096 })
    for (let index = 0; index < 60; index++) await log.append(sample(index))
    await log.close()
  }
  const [, second] = await segmentBases(one)
  const name = `${String(second).padStart(16, '0')}.log`
  await copyFile(join(other, name), join(one, name))
  await assert.rejects(contents(one), { code: 'ERR_SLUICE_LOG_DAMAGED', position: second })
})

test('a spare that a crash has left is no segment', async t => {
  const directory = await scratch(t)
  await writeFile(join(directory, 'spare.tmp'), 'half made')
  const log = await AppendLog.open(directory, { segmentBytes: 4096, preallocate: 'zeros' })
  for (let index = 0; index < 60; index++) await log.append(sample(index))
  assert.deepEqual(await contents(log), samples(0, 60))
  await log.close()
  await assert.rejects(stat(join(directory, 'spare.tmp')), { code: 'ENOENT' })
})

test('reopening prepares the rest of a segment again, after a torn tail too', async t => {
  const directory = await scratch(t)
  const options = { segmentBytes: 65536, preallocate: 'zeros' as const }
  let log = await AppendLog.open(directory, options)
  await log.append(text('one'))
  await log.close()
  const bytes = await readFile(join(directory, NAME))
  assert.equal(bytes.length, 65536)
  bytes.fill(0xee, log.end, log.end + 5000)
  await writeFile(join(directory, NAME), bytes)
  log = await AppendLog.open(directory, options)
  assert.equal(log.recovered.truncated, 5000)
  await log.append(text('two'))
  await log.close()
  const after = await readFile(join(directory, NAME))
  assert.equal(after.length, 65536)
  assert.ok(after.subarray(log.end).every(byte => byte === 0))
  assert.deepEqual(await contents(directory), ['one', 'two'])
  await rm(directory, { recursive: true })
})

async function segmentBases(directory: string): Promise<number[]> {
  const { listSegments } = await import('./segment-list.js')
  return listSegments(directory)
}
