import assert from 'node:assert/strict'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import { engine } from '../engine/index.js'
import { syscall } from '../kernel/index.js'
import { patternBytes, scratchFolder } from './file.test.support.js'
import { FileHandle, open } from './index.js'

const folder = scratchFolder()
const content = patternBytes(1_000_000)
const path = join(folder, 'content')
writeFileSync(path, content)

/** Copies of a stream's chunks, put together. */
async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const chunk of chunks) all.push(Buffer.from(chunk))
  return Buffer.concat(all)
}

test('any part of a file, in chunks of any size, at any depth, is what the file has', async () => {
  await using file = await open(path)
  const part = fc.record({
    start: fc.integer({ min: 0, max: 1_100_000 }),
    length: fc.option(fc.integer({ min: 1, max: 400_000 }), { nil: undefined }),
    chunkSize: fc.oneof(fc.integer({ min: 1000, max: 9000 }), fc.integer({ min: 9000, max: 600_000 })),
    depth: fc.integer({ min: 1, max: 9 }),
    owned: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(part, async ({ start, length, ...options }) => {
      const end = length === undefined ? undefined : start + length - 1
      const bytes = await collect(file.stream({ start, end, ...options }))
      const stop = end === undefined ? undefined : end + 1
      assert.ok(bytes.equals(content.subarray(start, stop)))
    }),
    { numRuns: 60 },
  )
})

test('every chunk but the last is full', async () => {
  await using file = await open(path)
  const lengths: number[] = []
  for await (const chunk of file.stream({ chunkSize: 150_000 })) lengths.push(chunk.length)
  assert.deepEqual(lengths, [...new Array(6).fill(150_000), 100_000])
})

test('no more memory is used than chunks in flight, and one with the reader', async () => {
  await using file = await open(path)
  const addresses = new Set<number>()
  const buffers = new Set<ArrayBuffer>()
  for await (const chunk of file.stream({ chunkSize: 10_000, depth: 3 })) {
    addresses.add(chunk.byteOffset)
    buffers.add(chunk.buffer)
  }
  assert.equal(buffers.size, 1)
  assert.ok(addresses.size <= 4, `${addresses.size} blocks`)
})

test('an owned chunk stays as it is', async () => {
  await using file = await open(path)
  const chunks: Uint8Array[] = []
  for await (const chunk of file.stream({ chunkSize: 10_000, depth: 3, owned: true })) chunks.push(chunk)
  assert.equal(new Set(chunks.map(chunk => chunk.buffer)).size, chunks.length)
  assert.ok(Buffer.concat(chunks).equals(content))
})

test('as many reads as asked for are on their way before the first chunk is there', async () => {
  await using file = await open(path)
  for (const depth of [1, 2, 7]) {
    const { inFlight } = engine().stats()
    const chunks = file.stream({ chunkSize: 5000, depth })[Symbol.asyncIterator]()
    const first = chunks.next()
    assert.equal(engine().stats().inFlight - inFlight, depth)
    await first
    await chunks.return(undefined)
  }
})

test('no more reads are in flight than asked for', async () => {
  await using file = await open(path)
  let most = 0
  for await (const _ of file.stream({ chunkSize: 5000, depth: 3 })) {
    most = Math.max(most, engine().stats().inFlight)
  }
  assert.ok(most <= 3, `${most} in flight`)
})

test('a loop that is left early leaves nothing in flight', async () => {
  const file = await open(path)
  for await (const _ of file.stream({ chunkSize: 5000, depth: 8 })) break
  assert.equal(engine().stats().inFlight, 0)
  await file.close()
})

test('each loop over a stream begins anew', async () => {
  await using file = await open(path)
  const stream = file.stream({ start: 999_000 })
  assert.deepEqual(await collect(stream), await collect(stream))
})

test('a stream uses no position, and moves none', async () => {
  await using file = await open(path)
  await file.read(Buffer.alloc(500))
  assert.equal((await collect(file.stream({ end: 99 }))).length, 100)
  const { buffer } = await file.read(Buffer.alloc(100))
  assert.deepEqual(buffer, content.subarray(500, 600))
})

test('an aborted stream throws AbortError and leaves nothing in flight', async () => {
  await using file = await open(path)
  const controller = new AbortController()
  const { signal } = controller
  const reading = async () => {
    for await (const _ of file.stream({ chunkSize: 5000, depth: 4, signal })) controller.abort()
  }
  await assert.rejects(reading, { name: 'AbortError' })
  assert.equal(engine().stats().inFlight, 0)
})

test('a stream on a handle that is closed meanwhile throws EBADF', async () => {
  const file = await open(path)
  const reading = async () => {
    for await (const _ of file.stream({ chunkSize: 5000, depth: 2 })) await file.close()
  }
  await assert.rejects(reading, { code: 'EBADF' })
  await assert.rejects(collect(file.stream()), { code: 'EBADF' })
})

test('a file that is cut while it is streamed ends early', async () => {
  const short = join(folder, 'short')
  writeFileSync(short, content)
  await using file = await open(short)
  let bytes = 0
  for await (const chunk of file.stream({ chunkSize: 10_000, depth: 2 })) {
    assert.ok(Buffer.from(chunk).equals(content.subarray(bytes, bytes + chunk.length)))
    if (bytes === 0) truncateSync(short, 95_000)
    bytes += chunk.length
  }
  assert.equal(bytes, 95_000)
})

test('an empty file gives no chunk', async () => {
  const empty = join(folder, 'empty')
  writeFileSync(empty, '')
  await using file = await open(empty)
  for await (const _ of file.stream()) assert.fail('a chunk of nothing')
})

test('what does not tell its length is read to its end', async () => {
  await using file = await open('/proc/self/limits')
  assert.match(String(await collect(file.stream({ chunkSize: 100 }))), /Max open files/)
})

test('a pipe is streamed as it comes', async () => {
  const ends = new Int32Array(new ArrayBuffer(8))
  assert.equal(syscall('pipe2', ends, 0), 0)
  const output = FileHandle.from(ends[1] as number, { own: true })
  await using input = FileHandle.from(ends[0] as number, { own: true })
  await output.write('hello ')
  const seen: string[] = []
  for await (const chunk of input.stream({ end: 10, chunkSize: 8 })) {
    seen.push(Buffer.from(chunk).toString())
    if (seen.length === 1) await output.write('world and more')
  }
  assert.deepEqual(seen, ['hello ', 'world'])
  await output.close()
})

test("as a stream of Node's", async () => {
  await using file = await open(path)
  const parts: Buffer[] = []
  const sink = new Writable({
    write(chunk, _encoding, done) {
      parts.push(chunk)
      setImmediate(done)
    },
  })
  await pipeline(file.stream({ chunkSize: 70_000, start: 3 }).toNode(), sink)
  assert.ok(Buffer.concat(parts).equals(content.subarray(3)))
})

test("a stream of Node's that is destroyed leaves nothing in flight", async () => {
  await using file = await open(path)
  const stream = file.stream({ chunkSize: 5000 }).toNode()
  for await (const _ of stream) break
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(engine().stats().inFlight, 0)
})

test('as a web stream, for a reader without a buffer and for one with its own', async () => {
  await using file = await open(path)
  const stream = () => file.stream({ chunkSize: 70_000 }).toWeb()
  assert.ok((await collect(stream() as AsyncIterable<Uint8Array>)).equals(content))
  const reader = stream().getReader({ mode: 'byob' })
  const parts: Uint8Array[] = []
  while (true) {
    const { value, done } = await reader.read(new Uint8Array(33_333))
    if (done) break
    parts.push(value)
  }
  assert.ok(Buffer.concat(parts).equals(content))
  const cancelled = stream()
  await cancelled.getReader().cancel()
})

test('wrong options are refused', async () => {
  await using file = await open(path)
  const wrong: [object, string][] = [
    [{ start: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ start: 5, end: 4 }, 'ERR_OUT_OF_RANGE'],
    [{ end: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [{ chunkSize: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ depth: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ depth: '4' }, 'ERR_INVALID_ARG_TYPE'],
    [{ owned: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [options, code] of wrong) assert.throws(() => file.stream(options as never), { code })
  assert.throws(() => file.stream(null as never), { code: 'ERR_INVALID_ARG_TYPE' })
})
