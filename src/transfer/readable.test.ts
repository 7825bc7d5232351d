import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, createReadStream, createWriteStream, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { open } from '../file/index.js'
import { connect, listen } from '../net/index.js'
import { countAfterEach, openSinkEnd, scratchFile, scratchPath, someBytes } from './ends.test.support.js'
import { type TeeFailure, type TransferFailure, tee, transfer } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

const bytes = someBytes(1_000_000)

function failed(moved: Promise<unknown>): Promise<TransferFailure & { code?: string }> {
  return moved.then(
    () => assert.fail('it did not fail'),
    error => error,
  )
}

/** A stream that gives these bytes piece by piece, and counts what was asked of it. */
function pieces(length: number): { stream: Readable; given: () => number } {
  let given = 0
  const stream = new Readable({
    highWaterMark: 65536,
    read() {
      const piece = bytes.subarray(given, Math.min(given + length, bytes.length))
      given += piece.length
      this.push(piece.length > 0 ? piece : null)
    },
  })
  return { stream, given: () => given }
}

for (const start of [undefined, 0, 100]) {
  test(`a file's write stream keeps the order of what it is given, started at ${start ?? 'no place'}`, async () => {
    const path = scratchFile(Buffer.alloc(start ?? 0, '.'))
    const stream = createWriteStream(path, { flags: start === undefined ? 'w' : 'r+', start })
    await once(stream, 'open')
    stream.write('head')
    await using file = await open(scratchFile(bytes))
    assert.deepEqual(await transfer(file, stream), { bytes: bytes.length, via: 'stream' })
    stream.end('tail')
    await once(stream, 'close')
    const expected = [Buffer.alloc(start ?? 0, '.'), Buffer.from('head'), bytes, Buffer.from('tail')]
    assert.ok(readFileSync(path).equals(Buffer.concat(expected)))
  })
}

test("a file's read stream gives what it has read ahead, and no more than was asked for", async () => {
  const stream = createReadStream(scratchFile(bytes), { start: 1000 })
  stream.on('error', assert.fail)
  stream.read(0)
  while (stream.readableLength === 0) await turn()
  const [one, other] = [openSinkEnd('file'), openSinkEnd('tcp')]
  assert.equal((await transfer(stream, one.fd, { length: 10_000 })).bytes, 10_000)
  assert.equal((await transfer(stream, other.fd)).bytes, bytes.length - 11_000)
  assert.ok((await one.finish()).equals(bytes.subarray(1000, 11_000)))
  assert.ok((await other.finish()).equals(bytes.subarray(11_000)))
})

test('any stream of bytes is a source of any sink, and of several', async () => {
  for (const kind of ['file', 'pipe', 'tcp', 'unix'] as const) {
    for (const length of [1 + Math.floor(Math.random() * 3000), 300_000]) {
      const sink = openSinkEnd(kind)
      const { stream } = pieces(length)
      assert.deepEqual(await transfer(stream, sink.fd), { bytes: bytes.length, via: 'read+write' })
      assert.ok((await sink.finish()).equals(bytes))
      assert.ok(stream.readableEnded)
    }
  }
  const through = new PassThrough()
  const got = through.toArray()
  assert.equal((await transfer(pieces(5000).stream, through)).via, 'stream')
  through.end()
  assert.ok(Buffer.concat((await got) as Buffer[]).equals(bytes))
  const sinks = [openSinkEnd('file'), openSinkEnd('tcp')]
  const { stream } = pieces(5000)
  await tee(
    stream,
    sinks.map(({ fd }) => fd),
  )
  for (const sink of sinks) assert.ok((await sink.finish()).equals(bytes))
})

test('a slow sink slows a stream', async () => {
  const { stream, given } = pieces(10_000)
  const sink = openSinkEnd('pipe', true)
  const moved = transfer(stream, sink.fd)
  let before = -1
  // It has come to a standstill when turn after turn brings nothing.
  for (let quiet = 0; quiet < 50; quiet = given() === before ? quiet + 1 : 0) {
    before = given()
    await turn()
  }
  // A pipe, two blocks and what the stream itself may hold.
  assert.ok(given() <= 65536 + 2 * 131072 + 65536 + 10_000, `${given()} bytes were taken`)
  sink.resume()
  assert.equal((await moved).bytes, bytes.length)
  assert.ok((await sink.finish()).equals(bytes))
})

test('aborted, a stream has what its sink has not', async () => {
  const { stream } = pieces(10_000)
  const sink = openSinkEnd('pipe', true)
  const abort = new AbortController()
  const moved = failed(transfer(stream, sink.fd, { signal: abort.signal }))
  const head = await sink.read(100_000)
  abort.abort()
  const error = await moved
  assert.equal(error.name, 'AbortError')
  assert.equal(error.undelivered, undefined)
  const got = Buffer.concat([head, await sink.finish()])
  assert.equal(got.length, error.bytes)
  assert.ok(Buffer.concat([got, ...(await stream.toArray())]).equals(bytes))
})

test('a stream that is silent is given up at once', async () => {
  const stream = new PassThrough()
  const sink = openSinkEnd('file')
  const abort = new AbortController()
  const moved = failed(transfer(stream, sink.fd, { signal: abort.signal }))
  stream.write('so far')
  while (readableLength(stream) > 0) await turn()
  abort.abort()
  assert.equal((await moved).name, 'AbortError')
  for (const event of ['readable', 'error', 'end']) assert.equal(stream.listenerCount(event), 0, event)
  stream.end(' and on')
  const rest = Buffer.concat(await stream.toArray())
  assert.equal(String(await sink.finish()) + String(rest), 'so far and on')
})

function readableLength(stream: PassThrough): number {
  return stream.readableLength + stream.writableLength
}

test('what a stream that has ended cannot take back is told', async () => {
  // One block, of which the sink takes a part: what is read ahead is the end.
  const length = 100_000
  const stream = Readable.from([bytes.subarray(0, length)], { objectMode: false })
  const sink = openSinkEnd('pipe', true)
  const moved = failed(transfer(stream, sink.fd))
  await once(stream, 'end')
  sink.reset()
  const error = await moved
  assert.equal(error.code, 'EPIPE')
  assert.ok(Buffer.from(error.undelivered ?? []).equals(bytes.subarray(error.bytes, length)))
  closeSync(sink.fd)
})

test('a stream that fails, or is destroyed, ends it with its error; one that was is refused', async () => {
  for (const reason of [new Error('broken'), undefined]) {
    const stream = new PassThrough()
    stream.write('something')
    const sink = openSinkEnd('file')
    const moved = failed(transfer(stream, sink.fd))
    while (readableLength(stream) > 0) await turn()
    await turn()
    stream.destroy(reason)
    const error = await moved
    if (reason === undefined) assert.equal(error.code, 'ERR_SLUICE_CLOSED')
    else assert.equal(error, reason)
    const got = Buffer.concat([await sink.finish(), Buffer.from(error.undelivered ?? [])])
    assert.equal(String(got), 'something')
    const again = await failed(transfer(stream, 1))
    assert.equal(again.bytes, 0)
    assert.equal(again.code, reason === undefined ? 'ERR_SLUICE_CLOSED' : undefined)
  }
})

test('a stream that ends early is short of its length; one that ended before gives nothing', async () => {
  const stream = Readable.from(['0123456789'], { objectMode: false })
  const sink = openSinkEnd('file')
  const error = await failed(transfer(stream, sink.fd, { length: 11 }))
  assert.equal(error.code, 'ERR_SLUICE_SHORT')
  assert.equal(error.bytes, 10)
  assert.equal((await transfer(stream, sink.fd)).bytes, 0)
  await sink.finish()
})

test('a stream that somebody else reads, or that gives no bytes, is refused as it is', async () => {
  const read = new PassThrough().on('data', () => {})
  const text = new PassThrough().setEncoding('utf8')
  const objects = Readable.from([{}])
  const offset = new PassThrough()
  const cases = [
    [read, {}, 'ERR_SLUICE_BUSY'],
    [text, {}, 'ERR_INVALID_ARG_VALUE'],
    [objects, {}, 'ERR_INVALID_ARG_VALUE'],
    [offset, { offset: 1 }, 'ERR_INVALID_ARG_VALUE'],
    [offset, { via: 'splice' }, 'ERR_SLUICE_UNSUPPORTED'],
    [offset, { via: 'send_zc' }, 'ERR_SLUICE_UNSUPPORTED'],
  ] as const
  const sink = openSinkEnd('tcp')
  for (const [stream, options, code] of cases) {
    await assert.rejects(transfer(stream, sink.fd, options), { code, bytes: 0 })
  }
  assert.equal(offset.listenerCount('readable') + objects.listenerCount('readable'), 0)
  await sink.finish()
})

/** Has a server put uploads into files. */
async function withUploads(
  handler: (message: IncomingMessage) => Promise<unknown>,
  body: (port: number) => Promise<void>,
): Promise<void> {
  const server = createServer(async (message, response) => {
    await handler(message)
    response.end('kept')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await body((server.address() as AddressInfo).port)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('an upload to a server of Node goes into a file, and the connection goes on', async () => {
  const path = scratchPath('upload')
  await withUploads(
    async message => {
      await using file = await open(path, 'w')
      const length = Number(message.headers['content-length'])
      assert.equal((await transfer(message, file, { length })).bytes, bytes.length)
    },
    async port => {
      for (let round = 0; round < 2; round++) {
        const upload = request({ port, method: 'PUT', headers: { 'content-length': bytes.length } })
        upload.end(bytes)
        const [answer] = (await once(upload, 'response')) as [IncomingMessage]
        assert.equal(String(Buffer.concat(await answer.toArray())), 'kept')
        assert.ok(readFileSync(path).equals(bytes))
      }
    },
  )
})

test('an upload that is broken off is an error that says how far it came', async () => {
  const sink = openSinkEnd('file')
  let outcome: Promise<TransferFailure & { code?: string }> | undefined
  await withUploads(
    message => {
      outcome = failed(transfer(message, sink.fd))
      return outcome
    },
    async port => {
      const upload = request({ port, method: 'PUT', headers: { 'content-length': bytes.length } })
      upload.on('error', () => {})
      upload.write(bytes.subarray(0, 500_000))
      while (outcome === undefined) await turn()
      upload.destroy()
      const error = await outcome
      assert.equal(error.code, 'ECONNRESET')
      const got = await sink.finish()
      assert.equal(got.length, error.bytes)
      assert.ok(got.equals(bytes.subarray(0, got.length)))
    },
  )
})

test('a connection of ours that has become a stream is a source', async () => {
  const sink = openSinkEnd('file')
  let moved: Promise<{ bytes: number }> | undefined
  const listener = await listen({ host: '127.0.0.1' }, async connection => {
    moved = transfer(connection.toDuplex(), sink.fd)
    await moved
  })
  const connection = await connect({ host: '127.0.0.1', port: listener.port })
  await connection.write(bytes)
  await connection.end()
  while (moved === undefined) await turn()
  assert.equal((await moved).bytes, bytes.length)
  assert.ok((await sink.finish()).equals(bytes))
  await connection.close()
  await listener.close()
})

test('of several sinks one fails: the stream has what the first has not', async () => {
  const { stream } = pieces(10_000)
  const [one, other] = [openSinkEnd('tcp'), openSinkEnd('pipe', true)]
  const moved = failed(tee(stream, [one.fd, other.fd]))
  await other.read(100_000)
  other.reset()
  const error = (await moved) as TeeFailure & { code?: string }
  assert.equal(error.code, 'EPIPE')
  const got = await one.finish()
  assert.equal(got.length, error.sinkBytes[0])
  assert.ok(Buffer.concat([got, ...(await stream.toArray())]).equals(bytes))
  closeSync(other.fd)
})
