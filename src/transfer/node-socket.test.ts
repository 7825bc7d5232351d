import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { createConnection, createServer, type Server, Socket } from 'node:net'
import { PassThrough, Writable } from 'node:stream'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { open } from '../file/index.js'
import {
  collect,
  countAfterEach,
  openDescriptors,
  openSinkEnd,
  scratchFile,
  someBytes,
} from './ends.test.support.js'
import { type TransferFailure, transfer } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

let server: Server
before(async () => {
  server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
after(() => server.close())

/** Two connected sockets of Node's; nobody reads from them yet. */
async function socketPair(): Promise<[Socket, Socket]> {
  const accepted = once(server, 'connection')
  const { port } = server.address() as { port: number }
  const one = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true })
  const [other] = (await accepted) as [Socket]
  if (one.connecting) await once(one, 'connect')
  return [one, other]
}

/** All that comes until the end. The other half stays open, as iterating would not leave it. */
async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk)).resume()
  await once(socket, 'end')
  return Buffer.concat(chunks)
}

const bytes = someBytes(5_000_000)

test('what was written before goes first, what is written meanwhile goes after', async () => {
  const [one, other] = await socketPair()
  await using file = await open(scratchFile(bytes))
  const head = Buffer.alloc(3_000_000, 'h')
  one.write(head)
  const moved = transfer(file, one)
  one.write('meanwhile')
  const got = readAll(other)
  await setTimeout(1)
  one.write(' and later')
  assert.deepEqual(await moved, { bytes: bytes.length, via: 'sendfile' })
  one.end(' and last')
  // Written before the transfer had its turn, or while it had it.
  const all = await got
  const text = 'meanwhile and later and last'
  assert.equal(all.length, head.length + bytes.length + text.length)
  assert.ok(all.subarray(0, head.length).equals(head))
  const rest = String(all.subarray(head.length)).replace(bytes.toString(), '')
  assert.equal(rest, text)
  other.destroy()
})

test('an uncork() that balances a cork from before lets nothing in between', async () => {
  const [one, other] = await socketPair()
  await using file = await open(scratchFile(bytes))
  one.cork()
  one.write('head')
  const moved = transfer(file, one)
  // Nobody reads yet, so that it is under way for as long as this takes.
  await setTimeout(20)
  one.write('tail')
  one.uncork()
  const got = readAll(other)
  assert.equal((await moved).bytes, bytes.length)
  one.end()
  assert.ok((await got).equals(Buffer.concat([Buffer.from('head'), bytes, Buffer.from('tail')])))
  assert.equal(Object.hasOwn(one, 'uncork'), false)
  other.end()
  await Promise.all([once(one, 'close'), once(other, 'close')])
})

test('what a cork holds back is sent first, and does not hold up the transfer', async () => {
  const [one, other] = await socketPair()
  await using file = await open(scratchFile(bytes))
  const got = readAll(other)
  one.cork()
  one.cork()
  one.write('head')
  const signal = AbortSignal.timeout(10_000)
  assert.equal((await transfer(file, one, { signal })).bytes, bytes.length)
  one.uncork()
  one.end('tail')
  const all = await got
  assert.equal(all.length, bytes.length + 8)
  assert.ok(all.equals(Buffer.concat([Buffer.from('head'), bytes, Buffer.from('tail')])))
  other.destroy()
})

test('a socket that has been ended is refused, and sends what it has yet to send', async () => {
  const [one, other] = await socketPair()
  await using file = await open(scratchFile(bytes))
  const errors: Error[] = []
  one.on('error', error => errors.push(error))
  one.end(Buffer.alloc(20_000_000))
  await assert.rejects(transfer(file, one), { code: 'ERR_SLUICE_CLOSED', bytes: 0 })
  assert.equal((await readAll(other)).length, 20_000_000)
  assert.deepEqual(errors, [])
  one.destroy()
  other.destroy()
})

test('aborted at any moment, a socket has sent what was told, between what its owner wrote', async () => {
  await using file = await open(scratchFile(bytes))
  for (let round = 0; round < 12; round++) {
    const [one, other] = await socketPair()
    const abort = new AbortController()
    one.write('head')
    const moved = transfer(file, one, { offset: 0, signal: abort.signal }).then(
      result => result.bytes,
      (error: TransferFailure) => {
        assert.equal(error.name, 'AbortError', error.stack)
        return error.bytes
      },
    )
    for (let turns = Math.random() * 6; turns > 0; turns--) await setTimeout(0)
    abort.abort()
    const got = readAll(other)
    const reached = await moved
    one.end('tail')
    const all = await got
    assert.equal(all.length, reached + 8)
    assert.ok(
      all.equals(Buffer.concat([Buffer.from('head'), bytes.subarray(0, reached), Buffer.from('tail')])),
    )
    one.destroy()
    other.destroy()
  }
})

test('a socket goes on as before once it is given back', async () => {
  const [one, other] = await socketPair()
  await using file = await open(scratchFile(bytes))
  const before = openDescriptors()
  for (let round = 0; round < 3; round++) {
    const got = collectSome(other, bytes.length + 5)
    await transfer(file, one, { offset: 0 })
    one.write('after')
    const all = await got
    assert.ok(all.subarray(0, -5).equals(bytes))
    assert.equal(String(all.subarray(-5)), 'after')
    other.write('back')
    assert.equal(String((await once(one, 'data'))[0]), 'back')
  }
  assert.equal(openDescriptors(), before)
  one.destroy()
  other.destroy()
})

async function collectSome(socket: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let total = 0
  while (total < length) {
    const there = Math.min(socket.readableLength, length - total)
    const chunk: Buffer | null = there === 0 ? socket.read(0) : socket.read(there)
    if (chunk === null) {
      await once(socket, 'readable')
      continue
    }
    chunks.push(chunk)
    total += chunk.length
  }
  return Buffer.concat(chunks)
}

test('what a socket has read already comes first, and reading goes on afterwards', async () => {
  const [one, other] = await socketPair()
  other.write(bytes.subarray(0, 1000))
  one.once('readable', () => {})
  await once(one, 'readable')
  const sink = openSinkEnd('unix')
  const moved = transfer(one, sink.fd, { length: 2_000_000 })
  other.end(bytes.subarray(1000))
  assert.equal((await moved).bytes, 2_000_000)
  const rest = readAll(one)
  assert.ok((await sink.finish()).equals(bytes.subarray(0, 2_000_000)))
  assert.ok((await rest).equals(bytes.subarray(2_000_000)))
  one.destroy()
  other.destroy()
})

test('a socket that flows does not get what a transfer takes, and flows on afterwards', async () => {
  const [one, other] = await socketPair()
  const seen: Buffer[] = []
  one.on('data', chunk => seen.push(chunk))
  other.write('before')
  await once(one, 'data')
  const sink = openSinkEnd('file')
  const moved = transfer(one, sink.fd, { length: bytes.length })
  other.write(bytes)
  await moved
  other.end('behind')
  await once(one, 'end')
  assert.equal(String(Buffer.concat(seen)), 'beforebehind')
  assert.ok((await sink.finish()).equals(bytes))
  one.destroy()
  other.destroy()
})

test('a source that a failed transfer took bytes from gives them to the next reader', async () => {
  const [one, other] = await socketPair()
  const sink = openSinkEnd('tcp', true)
  const moved = transfer(one, sink.fd).then(
    () => assert.fail('it did not fail'),
    error => error as TransferFailure,
  )
  other.end(bytes)
  await sink.read(100_000)
  await setTimeout(5)
  sink.reset()
  const error = await moved
  assert.equal(error.undelivered, undefined)
  const rest = await readAll(one)
  // Whatever the sink's kernel had taken is gone with it; everything else is still there.
  assert.equal(error.bytes + rest.length, bytes.length)
  assert.ok(rest.equals(bytes.subarray(error.bytes)))
  closeSync(sink.fd)
  one.destroy()
  other.destroy()
})

test('a socket that is destroyed meanwhile ends the transfer, and no other descriptor is touched', async () => {
  for (const waiting of [false, true]) {
    const [one, other] = await socketPair()
    await using file = await open(scratchFile(bytes))
    await using more = await open(scratchFile(bytes))
    const moved = transfer(more, one)
    const queued = transfer(file, one)
    if (waiting) await setTimeout(5)
    one.destroy()
    // Gets the number that has just become free.
    const next = openSinkEnd('tcp')
    await assert.rejects(moved, { code: 'ERR_SLUICE_CLOSED' })
    await assert.rejects(queued, { code: 'ERR_SLUICE_CLOSED', bytes: 0 })
    assert.equal((await next.finish()).length, 0)
    other.destroy()
  }
})

test('a peer that resets is an error that tells how far it came', async () => {
  const [one, other] = await socketPair()
  await using file = await open(scratchFile(someBytes(20_000_000)))
  // Whichever of the two asks first is told of the reset.
  one.on('error', () => {})
  const moved = transfer(file, one)
  await collectSome(other, 1_000_000)
  other.resetAndDestroy()
  await assert.rejects(moved, (error: TransferFailure & NodeJS.ErrnoException) => {
    assert.match(String(error.code), /ECONNRESET|EPIPE/)
    assert.ok(error.bytes >= 1_000_000)
    return true
  })
  one.destroy()
})

test('two sockets of Node are joined in both directions', async () => {
  const [client, front] = await socketPair()
  const [back, service] = await socketPair()
  const forth = transfer(front, back).then(() => back.end())
  const home = transfer(back, front).then(() => front.end())
  client.end(bytes)
  const got = await readAll(service)
  assert.ok(got.equals(bytes))
  service.end(bytes.subarray(0, 1_000_000))
  assert.ok((await readAll(client)).equals(bytes.subarray(0, 1_000_000)))
  await Promise.all([forth, home])
  for (const socket of [client, front, back, service]) socket.destroy()
})

test('a socket that is still connecting is waited for', async () => {
  const accepted = once(server, 'connection')
  const { port } = server.address() as { port: number }
  const one = createConnection(port, '127.0.0.1')
  await using file = await open(scratchFile(bytes))
  const moved = transfer(file, one)
  const [other] = (await accepted) as [Socket]
  const got = readAll(other)
  await moved
  one.end()
  assert.ok((await got).equals(bytes))
  other.destroy()
})

test('a time-out of the socket does not end a transfer that moves', async () => {
  const [one, other] = await socketPair()
  await using file = await open(scratchFile(someBytes(32_000_000)))
  let timedOut = false
  one.setTimeout(1000, () => {
    timedOut = true
  })
  const moved = transfer(file, one)
  for (let round = 0; round < 31; round++) {
    await collectSome(other, 1_000_000)
    await setTimeout(40)
  }
  const rest = collectSome(other, 1_000_000)
  await moved
  await rest
  assert.equal(timedOut, false)
  one.destroy()
  other.destroy()
})

test('any other writable is written to', async () => {
  const through = new PassThrough()
  await using file = await open(scratchFile(bytes))
  const chunks: Buffer[] = []
  through.on('data', chunk => chunks.push(chunk))
  assert.deepEqual(await transfer(file, through), { bytes: bytes.length, via: 'stream' })
  assert.ok(Buffer.concat(chunks).equals(bytes))
})

test('a slow writable is not written ahead of', async () => {
  let most = 0
  const slow = new Writable({
    highWaterMark: 65536,
    write(_chunk, _encoding, done) {
      most = Math.max(most, slow.writableLength)
      setImmediate(done)
    },
  })
  await using file = await open(scratchFile(bytes))
  await transfer(file, slow)
  assert.ok(most <= 65536 + 2 * 131072, `${most} bytes waited`)
})

test('a writable that fails ends the transfer with its error', async () => {
  let writes = 0
  const failing = new Writable({
    write: (_chunk, _encoding, done) => done(++writes > 3 ? new Error('no more') : null),
  })
  await using file = await open(scratchFile(bytes))
  await assert.rejects(transfer(file, failing), { message: 'no more', bytes: 3 * 131072 })
  await assert.rejects(transfer(file, failing), { bytes: 0 })
})

test('a socket without a descriptor is no source', async () => {
  const socket = new Socket()
  await assert.rejects(transfer(socket, 1, { length: 1 }), { code: 'ERR_INVALID_ARG_TYPE' })
  socket.destroy()
  await assert.rejects(transfer(socket, 1, { length: 1 }), { code: 'ERR_SLUICE_CLOSED' })
  assert.equal((await collect(0, 0)).length, 0)
})

test('a socket that gives text is refused, and nothing of it is taken', async () => {
  const [one, other] = await socketPair()
  one.setEncoding('utf8')
  other.end('text')
  await assert.rejects(transfer(one, 1), { code: 'ERR_INVALID_ARG_VALUE', bytes: 0 })
  assert.equal((await one.toArray()).join(''), 'text')
  one.destroy()
  other.destroy()
})
