import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { patternBytes, scratchFolder } from './file.test.support.js'
import { AppendLog, type FileHandle, MappedFile, open, pageCache } from './index.js'

const folder = scratchFolder()
const content = patternBytes(3_000_000)
const SPOTS = [0, 1, 4095, 4096, 1_234_567, 2_999_999]

/** Where a file's pages are before it is used: on the device, in memory, or the first half of them in memory. */
const STATES = ['cold', 'warm', 'half cold'] as const
type State = (typeof STATES)[number]

/** Brings a file there. @returns false after skipping the test: what is in memory only is never cold */
async function bring(t: TestContext, path: string, state: State): Promise<boolean> {
  await using file = await open(path, 'r+')
  await file.sync()
  await (state === 'warm' ? pageCache.load(file) : pageCache.evict(file))
  const { cached, pages } = await pageCache.stat(file)
  if (state === 'warm') {
    assert.equal(cached, pages)
    return true
  }
  if (cached > 0) {
    t.skip('the folder for temporary files is kept in memory: nothing is ever cold')
    return false
  }
  if (state === 'half cold') await pageCache.load(file, { offset: 0, length: content.length / 2 })
  return true
}

/** A file of its own in that state, for each driver and user that the suite runs with. */
function inEachState(name: string, body: (path: string) => Promise<void>): void {
  for (const state of STATES) {
    test(`${name}: ${state}`, async t => {
      const path = join(folder, `${name}-${state}`.replaceAll(/[^a-z]+/g, '-'))
      writeFileSync(path, content)
      if (await bring(t, path, state)) await body(path)
    })
  }
}

async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const chunk of chunks) all.push(Buffer.from(chunk))
  return Buffer.concat(all)
}

inEachState('a stream brings every byte', async path => {
  await using file = await open(path)
  for (const options of [{}, { chunkSize: 100_001, depth: 7 }, { start: 4097, end: 2_000_000 }]) {
    const { start = 0, end = content.length - 1 } = options as { start?: number; end?: number }
    assert.ok((await gather(file.stream(options))).equals(content.subarray(start, end + 1)))
  }
})

inEachState("Node's and the web's streams of it bring every byte", async path => {
  await using file = await open(path)
  const node = await gather(file.createReadStream({ autoClose: false, start: 0 }))
  assert.ok(node.equals(content))
  const web = await gather(file.readableWebStream() as unknown as AsyncIterable<Uint8Array>)
  assert.ok(web.equals(content))
})

inEachState('a direct stream brings every byte, its tail too', async path => {
  let file: FileHandle
  try {
    file = await open(path, 'r', { direct: true })
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ERR_SLUICE_UNSUPPORTED')
    return
  }
  assert.ok((await gather(file.stream({ chunkSize: 65536, depth: 4 }))).equals(content))
  await file.close()
})

inEachState('reads at odd places, one by one and in a batch, bring what is there', async path => {
  await using file = await open(path)
  const extents = SPOTS.map(position => ({ position, buffer: Buffer.alloc(5000) }))
  const results = await file.readBatch(extents)
  for (const [index, position] of SPOTS.entries()) {
    const expected = content.subarray(position, position + 5000)
    const { bytesRead, buffer } = await file.read(Buffer.alloc(5000), 0, 5000, position)
    assert.ok(buffer.subarray(0, bytesRead).equals(expected))
    assert.equal(results[index].bytesRead, expected.length)
    assert.ok(extents[index].buffer.subarray(0, expected.length).equals(expected))
  }
})

inEachState('writes amid pages leave what stands beside them', async path => {
  const expected = Buffer.from(content)
  await using file = await open(path, 'r+')
  for (const position of SPOTS.slice(0, -1)) {
    const bytes = Buffer.alloc(777, position % 251)
    bytes.copy(expected, position)
    await file.write(bytes, 0, bytes.length, position)
  }
  const writer = file.writer({ start: 2_000_001 })
  await writer.write(Buffer.alloc(100_000, 7))
  await writer.end()
  expected.fill(7, 2_000_001, 2_100_001)
  assert.ok(readFileSync(path).equals(expected))
})

inEachState('a mapping shows the file, reads it and writes to it', async path => {
  const expected = Buffer.from(content)
  await using mapped = await MappedFile.open(path, { access: 'write' })
  for (const position of SPOTS.slice(0, -1)) {
    const bytes = Buffer.alloc(5000)
    mapped.read(position, bytes)
    assert.ok(bytes.equals(expected.subarray(position, position + 5000)))
    mapped.write(position, bytes.fill(position % 251))
    bytes.copy(expected, position)
  }
  mapped.bytes[2_500_000] ^= 0xff
  expected[2_500_000] ^= 0xff
  assert.ok(Buffer.from(mapped.bytes).equals(expected))
  assert.equal(mapped.resident(), content.length)
  await mapped.sync()
  await mapped.unmap()
  await using file = await open(path, 'r+')
  await pageCache.evict(file)
  assert.ok((await gather(file.stream())).equals(expected))
})

inEachState('a private mapping changes nothing', async path => {
  await using mapped = await MappedFile.open(path, { access: 'write', shared: false })
  for (const position of SPOTS) mapped.write(position, Buffer.from('x'))
  assert.equal(mapped.bytes[1_234_567], 0x78)
  assert.ok(readFileSync(path).equals(content))
})

test('a log is recovered and read from the device as from memory', async t => {
  const directory = join(folder, 'log')
  const records = Array.from({ length: 300 }, (_, index) => content.subarray(index * 100, index * 137 + 50))
  const log = await AppendLog.open(directory, { segmentBytes: 65536 })
  // A batch is never parted between segments.
  for (let at = 0; at < records.length; at += 10) {
    await Promise.all(records.slice(at, at + 10).map(record => log.append(record)))
  }
  const { segments } = log.stats()
  await log.close()
  assert.ok(segments > 3)
  for (const state of STATES) {
    for (const name of readdirSync(directory)) {
      if (name.endsWith('.log') && !(await bring(t, join(directory, name), state))) return
    }
    const again = await AppendLog.open(directory, { segmentBytes: 65536 })
    let index = 0
    for await (const { bytes } of again.read()) assert.ok(Buffer.from(bytes).equals(records[index++]))
    assert.equal(index, records.length, state)
    await again.close()
  }
})
