import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import { engine } from '../engine/index.js'
import { syscall } from '../kernel/index.js'
import { patternBytes, scratchFolder } from './file.test.support.js'
import { FileHandle, open } from './index.js'

const folder = scratchFolder()
const content = patternBytes(700_000)
let count = 0
const fresh = () => join(folder, `file-${++count}`)

/** A pipe whose writing end nobody empties until asked to. */
function pipe(): { input: FileHandle; output: FileHandle } {
  const ends = new Int32Array(new ArrayBuffer(8))
  assert.equal(syscall('pipe2', ends, 0), 0)
  return {
    input: FileHandle.from(ends[0] as number, { own: true }),
    output: FileHandle.from(ends[1] as number, { own: true }),
  }
}

test('pieces of any size, in chunks of any size, at any depth, become the file', async () => {
  const plan = fc.record({
    pieces: fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 40 }),
    start: fc.integer({ min: 0, max: 5000 }),
    chunkSize: fc.integer({ min: 500, max: 60_000 }),
    depth: fc.integer({ min: 1, max: 6 }),
    waits: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(plan, async ({ pieces, waits, start, ...options }) => {
      const path = fresh()
      await using file = await open(path, 'w')
      const writer = file.writer({ start, ...options })
      let at = 0
      const writes = []
      for (const piece of pieces) {
        const write = writer.write(content.subarray(at, at + piece))
        if (waits) await write
        writes.push(write)
        at += piece
      }
      assert.deepEqual(await writer.end(), { bytesWritten: at })
      await Promise.all(writes)
      const expected = Buffer.concat([Buffer.alloc(at > 0 ? start : 0), content.subarray(0, at)])
      assert.ok(readFileSync(path).equals(expected))
    }),
    { numRuns: 60 },
  )
})

test('what was passed may be changed once write() has resolved', async () => {
  const path = fresh()
  await using file = await open(path, 'w')
  const writer = file.writer({ chunkSize: 1000, depth: 2 })
  const piece = Buffer.alloc(700)
  for (let value = 0; value < 50; value++) {
    await writer.write(piece.fill(value))
  }
  piece.fill(255)
  await writer.end()
  const expected = Buffer.concat(Array.from({ length: 50 }, (_, value) => Buffer.alloc(700, value)))
  assert.ok(readFileSync(path).equals(expected))
})

test('text is written as UTF-8', async () => {
  const path = fresh()
  await using file = await open(path, 'w')
  {
    await using writer = file.writer()
    await writer.write('grüße ')
    await writer.write(new Uint16Array([0x4141]))
  }
  assert.equal(readFileSync(path, 'utf8'), 'grüße AA')
})

test('as many writes are in flight as asked for', async () => {
  await using file = await open(fresh(), 'w')
  for (const depth of [1, 2, 6]) {
    const writer = file.writer({ chunkSize: 5000, depth })
    const { inFlight } = engine().stats()
    // Taking them takes no turn of the event loop, in which one could be over.
    for (let chunk = 0; chunk < depth; chunk++) await writer.write(content.subarray(0, 5000))
    assert.equal(engine().stats().inFlight - inFlight, depth)
    let most = 0
    for (let chunk = 0; chunk < 50; chunk++) {
      await writer.write(content.subarray(0, 5000))
      most = Math.max(most, engine().stats().inFlight - inFlight)
    }
    assert.ok(most <= depth + 1, `${most} in flight`)
    await writer.end()
  }
})

test('write() waits while all memory is in flight', async () => {
  const { input, output } = pipe()
  // A pipe holds 64 KiB, and the writer two chunks.
  const writer = output.writer({ chunkSize: 50_000 })
  let resolved = 0
  const writes = Array.from({ length: 8 }, async () => {
    await writer.write(content.subarray(0, 50_000))
    resolved++
  })
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
  assert.ok(resolved <= 4, `${resolved} writes were taken`)
  let bytes = 0
  const ended = writer.end().then(async () => output.close())
  for await (const chunk of input.stream()) bytes += chunk.length
  await Promise.all([...writes, ended])
  assert.equal(bytes, 400_000)
  await input.close()
})

test('write() rejects while all memory is in flight, where it is told to', async () => {
  const { input, output } = pipe()
  const writer = output.writer({ chunkSize: 50_000, full: 'reject' })
  const codes: string[] = []
  for (let turn = 0; turn < 8; turn++) {
    await writer.write(content.subarray(0, 50_000)).catch(error => codes.push(error.code))
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.ok(codes.length > 0)
  assert.ok(codes.every(code => code === 'ERR_SLUICE_QUEUE_FULL'))
  const ended = writer.end().then(async result => {
    await output.close()
    return result
  })
  let bytes = 0
  for await (const chunk of input.stream()) bytes += chunk.length
  assert.equal((await ended).bytesWritten, bytes)
  assert.equal(bytes, (8 - codes.length) * 50_000)
  await input.close()
})

test('a failed write ends the writer with its error', async () => {
  const path = fresh()
  writeFileSync(path, '')
  await using file = await open(path, 'r')
  const writer = file.writer({ chunkSize: 1000 })
  await writer.write(content.subarray(0, 5000)).catch(() => {})
  await assert.rejects(writer.flush(), { code: 'EBADF', syscall: 'write' })
  await assert.rejects(writer.write('more'), { code: 'EBADF', syscall: 'write' })
  await assert.rejects(writer.end(), { code: 'EBADF', syscall: 'write' })
  assert.equal(engine().stats().inFlight, 0)
})

test('a writer that has ended takes nothing more', async () => {
  await using file = await open(fresh(), 'w')
  const writer = file.writer()
  const first = writer.end()
  assert.equal(writer.end(), first)
  await first
  await assert.rejects(writer.write('more'), { code: 'ERR_SLUICE_CLOSED' })
})

test('a writer on a closed handle rejects', async () => {
  const file = await open(fresh(), 'w')
  const writer = file.writer()
  await writer.write('abc')
  await file.close()
  await assert.rejects(writer.write('def'), { code: 'EBADF' })
  await assert.rejects(writer.end(), { code: 'EBADF' })
})

test('an aborted writer drops what it has not sent', async () => {
  const path = fresh()
  await using file = await open(path, 'w')
  const writer = file.writer({ chunkSize: 1000 })
  await writer.write(content.subarray(0, 2500))
  await writer.abort()
  await assert.rejects(writer.write('more'), { code: 'ERR_SLUICE_CLOSED' })
  assert.ok(readFileSync(path).length <= 2000)
  assert.equal(engine().stats().inFlight, 0)
})

test('a signal aborts a writer that waits', async () => {
  const { input, output } = pipe()
  const controller = new AbortController()
  const writer = output.writer({ chunkSize: 50_000, signal: controller.signal })
  const writes = Array.from({ length: 8 }, () => writer.write(content.subarray(0, 50_000)))
  setImmediate(() => controller.abort())
  const outcomes = await Promise.allSettled(writes)
  assert.equal(outcomes.at(-1)?.status, 'rejected')
  await assert.rejects(writer.end(), { name: 'AbortError' })
  await Promise.all([input.close(), output.close()])
})

test('flush() leaves everything taken so far in the file', async () => {
  const path = fresh()
  await using file = await open(path, 'w')
  const writer = file.writer({ chunkSize: 1000 })
  await writer.write(content.subarray(0, 2500))
  await writer.flush()
  assert.ok(readFileSync(path).equals(content.subarray(0, 2500)))
  await writer.write(content.subarray(2500, 2600))
  await writer.end()
  assert.ok(readFileSync(path).equals(content.subarray(0, 2600)))
})

test('a file that is open for appending is written at its end, in order', async () => {
  const path = fresh()
  writeFileSync(path, 'begin ')
  await using file = await open(path, 'a')
  const writer = file.writer({ chunkSize: 100, depth: 4 })
  for (let at = 0; at < 5000; at += 50) await writer.write(content.subarray(at, at + 50))
  await writer.end()
  assert.ok(readFileSync(path).equals(Buffer.concat([Buffer.from('begin '), content.subarray(0, 5000)])))
})

test("as a stream of Node's", async () => {
  const path = fresh()
  await using file = await open(path, 'w')
  const parts = Array.from({ length: 70 }, (_, n) => content.subarray(n * 10_000, (n + 1) * 10_000))
  await pipeline(Readable.from(parts), file.writer({ chunkSize: 33_000, flush: true }).toNode())
  assert.ok(readFileSync(path).equals(content))
})

test("a failure reaches a stream of Node's", async () => {
  const path = fresh()
  writeFileSync(path, '')
  await using file = await open(path, 'r')
  const stream = file.writer({ chunkSize: 1000 }).toNode()
  await assert.rejects(pipeline(Readable.from([content]), stream), { code: 'EBADF' })
})

test('as a web stream', async () => {
  const path = fresh()
  await using file = await open(path, 'w')
  await using source = await open(process.execPath)
  await source.stream({ end: 999_999 }).toWeb().pipeTo(file.writer().toWeb())
  assert.ok(readFileSync(path).equals(readFileSync(process.execPath).subarray(0, 1_000_000)))
})

test('wrong options and data are refused', async () => {
  await using file = await open(fresh(), 'w')
  const wrong: [object, string][] = [
    [{ start: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ chunkSize: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ depth: 2000 }, 'ERR_OUT_OF_RANGE'],
    [{ full: 'drop' }, 'ERR_INVALID_ARG_VALUE'],
    [{ flush: 1 }, 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [options, code] of wrong) assert.throws(() => file.writer(options as never), { code })
  await using writer = file.writer()
  for (const data of [undefined, 5, {}, null]) {
    await assert.rejects(writer.write(data as never), { code: 'ERR_INVALID_ARG_TYPE' })
  }
})
