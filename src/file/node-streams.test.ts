import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, fstatSync, openSync, ReadStream, readFileSync, WriteStream, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'
import { type EitherHandle, patternBytes, scratchFolder, withBoth } from './file.test.support.js'
import { FileHandle, open } from './index.js'

const folder = scratchFolder()
const content = patternBytes(200_000)
const path = join(folder, 'content')
writeFileSync(path, content)
const text = join(folder, 'text')
writeFileSync(text, 'one\ntwo\r\nthree\n\nfive')

const collect = async (chunks: AsyncIterable<Uint8Array>) => {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return all
}

describe("a stream on a handle is Node's, and gives what Node's handle gives", () => {
  const cases = {
    'as it comes': {},
    'from a start': { start: 100_000 },
    'between start and end': { start: 5, end: 70_000 },
    'in small chunks': { highWaterMark: 1000, start: 199_000 },
    'one byte': { start: 7, end: 7 },
    'nothing, beyond the end': { start: 300_000 },
  }
  for (const [name, options] of Object.entries(cases)) {
    test(name, async () => {
      await withBoth([path, path], 'r', async (node, ours) => {
        const read = async (file: EitherHandle) => {
          const stream = file.createReadStream({ ...options, autoClose: false })
          assert.ok(stream instanceof ReadStream)
          const chunks = await collect(stream)
          return { chunks, bytesRead: stream.bytesRead }
        }
        assert.deepEqual(await read(ours), await read(node))
      })
    })
  }
})

test('a stream begins at the position of the handle, and moves it', async () => {
  await withBoth([path, path], 'r', async (node, ours) => {
    const read = async (file: EitherHandle) => {
      await file.read(Buffer.alloc(1000))
      const stream = file.createReadStream({ end: 99, autoClose: false })
      const chunks = await collect(stream)
      return { chunks, next: (await file.read(Buffer.alloc(10))).buffer }
    }
    assert.deepEqual(await read(ours), await read(node))
  })
})

test('a stream that ends closes its handle', async () => {
  const file = await open(path)
  const { fd } = file
  await collect(file.createReadStream())
  await file.close()
  assert.equal(file.fd, -1)
  assert.throws(() => fstatSync(fd), { code: 'EBADF' })
})

test('a handle that is closed ends its streams, and what was written to them is kept', async () => {
  const target = join(folder, 'kept')
  const file = await open(target, 'w')
  const stream = file.createWriteStream()
  assert.ok(stream instanceof WriteStream)
  for (let part = 0; part < 20; part++) stream.write(content.subarray(part * 10_000, (part + 1) * 10_000))
  await Promise.all([file.close(), once(stream, 'close')])
  assert.deepEqual(readFileSync(target), content)
})

test('a stream destroyed in the middle lets its handle close', async () => {
  const file = await open(path)
  const stream = file.createReadStream({ highWaterMark: 100 })
  await once(stream, 'data')
  stream.destroy()
  await once(stream, 'close')
  assert.equal(file.fd, -1)
})

test('from stream to stream, through a pipeline', async () => {
  const target = join(folder, 'piped')
  const [source, sink] = [await open(path), await open(target, 'w')]
  await pipeline(source.createReadStream(), sink.createWriteStream({ flush: true }))
  assert.deepEqual(readFileSync(target), content)
})

test('lines are as Node splits them', async () => {
  await withBoth([text, text], 'r', async (node, ours) => {
    const lines = async (file: EitherHandle) => {
      const all: string[] = []
      for await (const line of file.readLines({ autoClose: false })) all.push(line)
      return all
    }
    assert.deepEqual(await lines(ours), await lines(node))
  })
})

test('a web stream gives the whole file, to a reader with or without its own buffer', async () => {
  await using first = await open(path)
  const chunks = await collect(first.readableWebStream() as AsyncIterable<Uint8Array>)
  assert.deepEqual(Buffer.concat(chunks), content)
  await using second = await open(path)
  const reader = second.readableWebStream().getReader({ mode: 'byob' })
  const parts: Uint8Array[] = []
  while (true) {
    const { value, done } = await reader.read(new Uint8Array(30_000))
    if (done) break
    parts.push(value)
  }
  assert.deepEqual(Buffer.concat(parts), content)
})

test('a handle gives one web stream, and ends it when it is closed', async () => {
  const file = await open(path)
  const stream = file.readableWebStream()
  assert.throws(() => file.readableWebStream(), { code: 'ERR_INVALID_STATE' })
  await file.close()
  assert.deepEqual(await stream.getReader().read(), { done: true, value: undefined })
})

test('a web stream with autoClose closes the handle at its end, or when it is cancelled', async () => {
  const file = await open(text)
  await collect(file.readableWebStream({ autoClose: true }) as AsyncIterable<Uint8Array>)
  assert.equal(file.fd, -1)
  const other = await open(text)
  await other.readableWebStream({ autoClose: true }).cancel()
  assert.equal(other.fd, -1)
})

test('a handle whose web stream has failed is closed all the same, reader or not', async () => {
  for (const autoClose of [false, true]) {
    const file = await open(folder)
    const { fd } = file
    const reader = file.readableWebStream({ autoClose }).getReader()
    await assert.rejects(reader.read(), { code: 'EISDIR' })
    await file.close()
    assert.throws(() => fstatSync(fd), { code: 'EBADF' })
  }
})

test('a web stream whose read has failed says why, even if the file cannot be closed either', async t => {
  const fd = openSync(folder, 'r')
  t.after(() => closeSync(fd))
  const close = async () => {
    throw new Error('not closed')
  }
  const file = FileHandle.from({ fd, close } as unknown as FileHandle, { own: true })
  const reader = file.readableWebStream({ autoClose: true }).getReader()
  await assert.rejects(reader.read(), { code: 'EISDIR' })
})

test('a handle is closed under a reader that waits for the rest of an element', async () => {
  const odd = join(folder, 'odd')
  writeFileSync(odd, 'abc')
  const file = await open(odd)
  const { fd } = file
  const reader = file.readableWebStream().getReader({ mode: 'byob' })
  assert.equal((await reader.read(new Uint16Array(4))).value?.length, 1)
  await assert.rejects(reader.read(new Uint16Array(4)), TypeError)
  await file.close()
  assert.throws(() => fstatSync(fd), { code: 'EBADF' })
})
