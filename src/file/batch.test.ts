import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { engine } from '../engine/index.js'
import { patternBytes, scratchFolder } from './file.test.support.js'
import { open } from './index.js'

const folder = scratchFolder()
const content = patternBytes(500_000)
const path = join(folder, 'content')
writeFileSync(path, content)

test('a batch of reads gives each part, in the order of asking', async () => {
  await using file = await open(path)
  const extents = Array.from({ length: 300 }, (_, n) => ({ position: (n * 7919) % 499_000, length: n }))
  const results = await file.readBatch(extents)
  assert.equal(results.length, extents.length)
  for (const [index, { position, length }] of extents.entries()) {
    const { bytesRead, buffer } = results[index] as { bytesRead: number; buffer: Buffer }
    assert.equal(bytesRead, length)
    assert.ok(buffer.equals(content.subarray(position, position + length)))
  }
})

test('a batch of reads fills buffers that are passed', async () => {
  await using file = await open(path)
  const buffers = [Buffer.alloc(100), new Uint16Array(50)]
  const results = await file.readBatch(buffers.map((buffer, index) => ({ position: index * 1000, buffer })))
  assert.deepEqual(
    results.map(({ buffer }) => buffer),
    buffers,
  )
  assert.ok(buffers[0]?.buffer !== undefined && (buffers[0] as Buffer).equals(content.subarray(0, 100)))
  assert.ok(Buffer.from((buffers[1] as Uint16Array).buffer).equals(content.subarray(1000, 1100)))
})

test('what lies at or beyond the end of the file comes short', async () => {
  await using file = await open(path)
  const results = await file.readBatch([
    { position: 499_990, length: 100 },
    { position: 600_000, length: 10 },
  ])
  assert.deepEqual(
    results.map(({ bytesRead }) => bytesRead),
    [10, 0],
  )
})

test('a batch is one submission', {
  skip: engine().driver !== 'ring' && 'it counts calls of the ring',
}, async () => {
  await using file = await open(path)
  await file.read(Buffer.alloc(1), 0, 1, 0)
  const before = engine().stats()
  await file.readBatch(Array.from({ length: 200 }, (_, n) => ({ position: n * 100, length: 100 })))
  const after = engine().stats()
  assert.equal(after.submissions - before.submissions, 200)
  assert.ok(after.enters - before.enters <= 2, `${after.enters - before.enters} calls`)
})

test('a batch of writes is one submission', {
  skip: engine().driver !== 'ring' && 'it counts calls of the ring',
}, async () => {
  await using file = await open(join(folder, 'one-submission'), 'w')
  await file.write(Buffer.alloc(1), 0, 1, 0)
  const before = engine().stats()
  const written = file.writeBatch(
    Array.from({ length: 100 }, (_, n) => ({ position: n * 100, buffer: content.subarray(0, 100) })),
  )
  await new Promise(process.nextTick)
  await new Promise(setImmediate)
  const handed = engine().stats()
  assert.equal(handed.submissions - before.submissions, 100)
  assert.equal(handed.batches - before.batches, 1)
  await written
  assert.equal(engine().stats().submissions, handed.submissions)
})

test('a batch of writes lands where it should', async () => {
  const target = join(folder, 'written')
  await using file = await open(target, 'w')
  const extents = Array.from({ length: 100 }, (_, n) => ({
    position: n * 5000,
    buffer: content.subarray(n * 5000, n * 5000 + (n % 2 ? 5000 : 3000)),
  }))
  const { bytesWritten } = await file.writeBatch(extents, { dsync: true })
  assert.equal(bytesWritten, 400_000)
  const written = readFileSync(target)
  for (const { position, buffer } of extents) {
    assert.ok(written.subarray(position, position + buffer.length).equals(buffer))
  }
})

test('a batch rejects with the first failure once all are over', async () => {
  await using file = await open(path)
  const extents = Array.from({ length: 20 }, (_, n) => ({ position: n, buffer: Buffer.alloc(10) }))
  await assert.rejects(file.writeBatch(extents), { code: 'EBADF', syscall: 'write' })
  assert.equal(engine().stats().inFlight, 0)
})

test('an empty batch does nothing', async () => {
  await using file = await open(path)
  assert.deepEqual(await file.readBatch([]), [])
  assert.deepEqual(await file.writeBatch([]), { bytesWritten: 0 })
})

test('wrong extents are refused before anything is read', async () => {
  await using file = await open(path)
  const wrong: [unknown, string][] = [
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [[null], 'ERR_INVALID_ARG_TYPE'],
    [[{ length: 5 }], 'ERR_INVALID_ARG_TYPE'],
    [[{ position: -1, length: 5 }], 'ERR_OUT_OF_RANGE'],
    [[{ position: 0, length: -5 }], 'ERR_OUT_OF_RANGE'],
    [[{ position: 0, buffer: 'abc' }], 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [extents, code] of wrong) {
    await assert.rejects(file.readBatch(extents as never), { code })
    if (!JSON.stringify(extents)?.includes('length'))
      await assert.rejects(file.writeBatch(extents as never), { code })
  }
  await assert.rejects(file.readBatch([], { signal: AbortSignal.abort() }), { name: 'AbortError' })
})
