import assert from 'node:assert/strict'
import { closeSync } from 'node:fs'
import { Writable } from 'node:stream'
import { after, before, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { open } from '../file/index.js'
import { type Connection, type ConnectOptions, connect, type Listener, listen } from '../net/index.js'
import { countAfterEach, openSinkEnd, openSourceEnd, scratchFile, someBytes } from './ends.test.support.js'
import { type TransferFailure, tee, transfer } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

const bytes = someBytes(5_000_000)
const accepted: ((connection: Connection) => void)[] = []
let listener: Listener

before(async () => {
  listener = await listen({ host: '127.0.0.1' }, connection => accepted.shift()?.(connection))
})
after(() => listener.close())

/** Two connections that are connected to one another. */
async function connectionPair(options: ConnectOptions = {}): Promise<[Connection, Connection]> {
  const other = new Promise<Connection>(resolve => accepted.push(resolve))
  return [await connect({ host: '127.0.0.1', port: listener.port, ...options }), await other]
}

async function readAll(connection: Connection): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of connection) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function readSome(connection: Connection, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length)
  for (let done = 0; done < length; ) {
    const read = await connection.readInto(buffer.subarray(done))
    if (read === 0) return buffer.subarray(0, done)
    done += read
  }
  return buffer
}

test('a file goes to a connection behind what was written to it', async () => {
  const [one, other] = await connectionPair()
  await using file = await open(scratchFile(bytes))
  const got = readAll(other)
  await one.write('head')
  assert.deepEqual(await transfer(file, one), { bytes: bytes.length, via: 'sendfile' })
  await one.write('tail')
  await one.end()
  assert.ok((await got).equals(Buffer.concat([Buffer.from('head'), bytes, Buffer.from('tail')])))
  await Promise.all([one.close(), other.close()])
})

test('what a connection has received already comes first, and reading goes on afterwards', async () => {
  const [one, other] = await connectionPair()
  await other.write(bytes.subarray(0, 5000))
  assert.ok((await readSome(one, 10)).equals(bytes.subarray(0, 10)))
  const sink = openSinkEnd('file')
  const moved = transfer(one, sink.fd, { length: 1_000_000 })
  await Promise.all([other.write(bytes.subarray(5000)), moved])
  const end = other.end()
  assert.ok((await readAll(one)).equals(bytes.subarray(1_000_010)))
  assert.equal(one.bytesRead, bytes.length)
  await end
  assert.ok((await sink.finish()).equals(bytes.subarray(10, 1_000_010)))
  await Promise.all([one.close(), other.close()])
})

test('a transfer of less than was received leaves the rest to the next read', async () => {
  const [one, other] = await connectionPair()
  await other.write('0123456789')
  assert.equal(String(await readSome(one, 1)), '0')
  const sink = openSinkEnd('pipe')
  await transfer(one, sink.fd, { length: 4 })
  assert.equal(String(await readSome(one, 5)), '56789')
  assert.equal(one.bytesRead, 10)
  assert.equal(String(await sink.finish()), '1234')
  await Promise.all([one.close(), other.close()])
})

test('what a tee takes from a connection counts once, however many sinks it goes to', async () => {
  const [one, other] = await connectionPair()
  await other.write(bytes.subarray(0, 7000))
  assert.ok((await readSome(one, 10)).equals(bytes.subarray(0, 10)))
  const sinks = [openSinkEnd('pipe'), openSinkEnd('pipe'), openSinkEnd('pipe')]
  await other.end()
  const fds = sinks.map(({ fd }) => fd)
  assert.equal((await tee(one, fds)).bytes, 6990)
  assert.equal(one.bytesRead, 7000)
  for (const sink of sinks) assert.ok((await sink.finish()).equals(bytes.subarray(10, 7000)))
  await Promise.all([one.close(), other.close()])
})

test('two connections are joined in both directions', async () => {
  const [client, front] = await connectionPair()
  const [back, service] = await connectionPair()
  const forth = transfer(front, back).then(result => back.end().then(() => result))
  const home = transfer(back, front).then(result => front.end().then(() => result))
  const answered = readAll(service).then(async request => {
    await service.write(request.subarray(0, 1_000_000))
    await service.end()
    return request
  })
  const sent = client.write(bytes).then(() => client.end())
  assert.ok((await readAll(client)).equals(bytes.subarray(0, 1_000_000)))
  assert.ok((await answered).equals(bytes))
  await sent
  assert.deepEqual(await forth, { bytes: bytes.length, via: 'splice' })
  assert.deepEqual(await home, { bytes: 1_000_000, via: 'splice' })
  for (const connection of [client, front, back, service]) await connection.close()
})

test('while a half is lent, it is not to be used; the other half is', async () => {
  const [one, other] = await connectionPair()
  const source = openSourceEnd('unix', bytes)
  const moved = transfer(source.fd, one, { length: bytes.length })
  await other.write('hello')
  assert.equal(String(Buffer.from((await one.read()) ?? [])), 'hello')
  await assert.rejects(one.write('no'), { code: 'ERR_SLUICE_BUSY' })
  assert.ok((await readSome(other, bytes.length)).equals(bytes))
  await moved
  await source.close()
  await Promise.all([one.close(), other.close()])
})

test('a connection that is destroyed meanwhile ends the transfer', async () => {
  const [one, other] = await connectionPair()
  await using file = await open(scratchFile(someBytes(20_000_000)))
  const moved = transfer(file, one)
  await readSome(other, 1_000_000)
  const destroyed = one.destroy()
  await assert.rejects(moved, (error: TransferFailure) => error.bytes >= 1_000_000)
  await destroyed
  await other.destroy()
})

test('a peer that resets is an error that tells how far it came', async () => {
  const [one, other] = await connectionPair()
  await using file = await open(scratchFile(someBytes(20_000_000)))
  const moved = transfer(file, one)
  await readSome(other, 1_000_000)
  await other.reset()
  await assert.rejects(moved, (error: TransferFailure & NodeJS.ErrnoException) => {
    assert.match(String(error.code), /ECONNRESET|EPIPE/)
    return error.bytes >= 1_000_000
  })
  await one.close()
})

test('what a failed transfer took from a connection is there for the next read', async () => {
  const [one, other] = await connectionPair()
  const sink = openSinkEnd('tcp', true)
  const moved = transfer(one, sink.fd).then(
    () => assert.fail('it did not fail'),
    error => error as TransferFailure,
  )
  const written = other.write(bytes).then(() => other.end())
  await sink.read(100_000)
  sink.reset()
  const error = await moved
  assert.ok((await readAll(one)).equals(bytes.subarray(error.bytes)))
  assert.equal(one.bytesRead, bytes.length)
  closeSync(sink.fd)
  await written
  await Promise.all([one.close(), other.close()])
})

for (const kind of ['connection', 'stream'] as const) {
  test(`an abort while what was written waits for the peer leaves the ${kind} usable`, async () => {
    const [one, other] = await connectionPair({ sendBufferSize: 10_000 })
    await using file = await open(scratchFile(bytes))
    const much = bytes.subarray(0, 1_000_000)
    const written = one.write(much)
    const stream = kind === 'stream' ? one.toDuplex() : undefined
    // From the beginning, and at each step of getting ready on.
    for (let steps = 0; steps < 20; steps++) {
      const controller = new AbortController()
      const moved = transfer(file, stream ?? one, { signal: controller.signal })
      for (let step = 0; step < steps; step++) await null
      controller.abort()
      await assert.rejects(moved, { name: 'AbortError', bytes: 0 })
    }
    const tail = stream === undefined ? one.write('tail') : new Promise(sent => stream.write('tail', sent))
    assert.ok((await readSome(other, much.length)).equals(much))
    assert.equal(String(await readSome(other, 4)), 'tail')
    await Promise.all([written, tail])
    await Promise.all([one.close(), other.close()])
  })
}

test('what a connection has received can be transferred when both of its halves have ended', async () => {
  const [one, other] = await connectionPair()
  await other.write(bytes.subarray(0, 5000))
  assert.ok((await readSome(one, 10)).equals(bytes.subarray(0, 10)))
  await other.end()
  // By readiness nothing is received ahead, and the end neither.
  const isReceived = () => one.readableLength === 4990
  for (let turn = 0; turn < 100 && !isReceived(); turn++) await setImmediate()
  await one.end()
  for (let turn = 0; turn < 100 && one.isOpen; turn++) await setImmediate()
  const sink = openSinkEnd('file')
  assert.equal((await transfer(one, sink.fd, { length: 1000 })).bytes, 1000)
  assert.ok((await readSome(one, 10)).equals(bytes.subarray(1010, 1020)))
  assert.equal((await transfer(one, sink.fd)).bytes, 3980)
  assert.equal(await one.read(), null)
  const expected = [bytes.subarray(10, 1010), bytes.subarray(1020, 5000)]
  assert.ok((await sink.finish()).equals(Buffer.concat(expected)))
  await Promise.all([one.close(), other.close()])
})

test('what a connection has received already comes first in a stream, too', async () => {
  const [one, other] = await connectionPair()
  await other.write(bytes.subarray(0, 5000))
  assert.ok((await readSome(one, 10)).equals(bytes.subarray(0, 10)))
  for (let turn = 0; turn < 100 && one.readableLength < 4990; turn++) await setImmediate()
  const pieces: Buffer[] = []
  const sink = new Writable({
    write(piece, _encoding, done) {
      pieces.push(piece)
      done()
    },
  })
  assert.equal((await transfer(one, sink, { length: 1000 })).bytes, 1000)
  await Promise.all([other.write(bytes.subarray(5000)), other.end(), transfer(one, sink)])
  assert.ok(Buffer.concat(pieces).equals(bytes.subarray(10)))
  assert.equal(one.bytesRead, bytes.length)
  await Promise.all([one.close(), other.close()])
})
