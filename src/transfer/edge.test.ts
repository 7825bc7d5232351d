import assert from 'node:assert/strict'
import { closeSync, constants, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { F, O, syscall } from '../kernel/index.js'
import { type Connection, connect, listen } from '../net/index.js'
import {
  collect,
  countAfterEach,
  openDescriptors,
  openSinkEnd,
  openSourceEnd,
  pipePair,
  pump,
  scratchFile,
  setBlocking,
  someBytes,
} from './ends.test.support.js'
import { pipePool, type TransferFailure, type TransferOptions, tee, transfer } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

const INTO_FILE = ['copy_file_range', 'sendfile', 'splice', 'vmsplice', 'read+write', undefined] as const

function failed(moved: Promise<unknown>): Promise<TransferFailure & { code?: string }> {
  return moved.then(
    () => assert.fail('it did not fail'),
    error => error,
  )
}

test('a file is not moved onto bytes of its own that are yet to be read', async () => {
  const bytes = someBytes(300_000)
  const path = scratchFile(bytes)
  const [source, sink] = [openSync(path, 'r'), openSync(path, 'r+')]
  for (const via of INTO_FILE) {
    for (const position of [1, 99_999, 0]) {
      const error = await failed(transfer(source, sink, { offset: 0, length: 100_000, position, via }))
      assert.equal(error.code, 'ERR_INVALID_ARG_VALUE')
      assert.equal(error.bytes, 0)
    }
    assert.ok(readFileSync(path).equals(bytes))
    await transfer(source, sink, { offset: 0, length: 100_000, position: 200_000, via })
    assert.ok(
      readFileSync(path).equals(Buffer.concat([bytes.subarray(0, 200_000), bytes.subarray(0, 100_000)])),
    )
    writeFileSync(path, bytes)
  }
  closeSync(source)
  closeSync(sink)
})

for (const via of INTO_FILE) {
  test(`${via ?? 'the best way'}: pieces of one file go to their places at once, and its own position stays`, async () => {
    const bytes = someBytes(4_000_000)
    const source = openSync(scratchFile(bytes), 'r')
    const path = scratchFile(new Uint8Array(0))
    const sink = openSync(path, 'r+')
    writeSync(sink, 'abc')
    const length = 250_000
    const pieces = Array.from({ length: 16 }, (_, index) => index * length)
    await Promise.all(pieces.map(at => transfer(source, sink, { offset: at, position: at, length, via })))
    assert.ok(readFileSync(path).equals(bytes))
    writeSync(sink, 'xyz')
    assert.equal(String(readFileSync(path).subarray(3, 6)), 'xyz')
    closeSync(source)
    closeSync(sink)
  })

  test(`${via ?? 'the best way'}: a file that was opened for appending is appended to, or refused`, async () => {
    const bytes = someBytes(200_000)
    const source = openSync(scratchFile(bytes), 'r')
    const path = scratchFile(Buffer.from('head'))
    const sink = openSync(path, 'a')
    try {
      await transfer(source, sink, { offset: 0, via })
      assert.ok(readFileSync(path).equals(Buffer.concat([Buffer.from('head'), bytes])))
    } catch (error) {
      assert.equal((error as { code: string }).code, 'ERR_SLUICE_UNSUPPORTED')
      assert.ok(via !== undefined && via !== 'read+write')
      assert.equal(String(readFileSync(path)), 'head')
    }
    closeSync(source)
    closeSync(sink)
  })
}

test('a transfer that is aborted in the queue leaves at once, and nobody overtakes the one before it', async () => {
  const [reader, writer] = pipePair()
  const source = { fd: reader }
  const sinks = [openSinkEnd('file'), openSinkEnd('file'), openSinkEnd('file')] as const
  const abort = new AbortController()
  const first = transfer(source, sinks[0].fd, { length: 1000 })
  const second = failed(transfer(source, sinks[1].fd, { length: 1000, signal: abort.signal }))
  const third = transfer(source, sinks[2].fd, { length: 1000 })
  await setImmediate()
  abort.abort()
  const error = await second
  assert.equal(error.name, 'AbortError')
  assert.equal(error.bytes, 0)
  const bytes = someBytes(2000)
  await pump(writer, bytes)
  await Promise.all([first, third])
  assert.ok((await sinks[0].finish()).equals(bytes.subarray(0, 1000)))
  assert.equal((await sinks[1].finish()).length, 0)
  assert.ok((await sinks[2].finish()).equals(bytes.subarray(1000)))
  closeSync(reader)
  closeSync(writer)
})

test('an abort does not wait for what a connection has yet to send, and the connection goes on', async () => {
  let accept: (value: Connection) => void = () => {}
  const accepted = new Promise<Connection>(resolve => {
    accept = resolve
  })
  const listener = await listen({ host: '127.0.0.1' }, connection => {
    accept(connection)
    return connection.closed
  })
  const one = await connect({ host: '127.0.0.1', port: listener.port })
  const other = await accepted
  const bytes = someBytes(20_000_000)
  const written = one.write(bytes)
  const file = openSync(scratchFile(someBytes(100)), 'r')
  const abort = new AbortController()
  const moved = failed(transfer(file, one, { signal: abort.signal }))
  await setImmediate()
  abort.abort()
  assert.equal((await moved).name, 'AbortError')
  const chunks: Uint8Array[] = []
  for (let got = 0; got < bytes.length; ) {
    const chunk = await other.read()
    assert.ok(chunk !== null)
    chunks.push(chunk)
    got += chunk.length
  }
  await written
  assert.ok(Buffer.concat(chunks).equals(bytes))
  await transfer(file, one, { offset: 0 })
  assert.equal((await other.read())?.length, 100)
  closeSync(file)
  await one.close()
  await listener.close()
})

/** A stream that takes one piece and keeps the next ones waiting. */
function stuckStream(): { stream: Writable; pieces: Buffer[]; goOn: (error?: Error) => void } {
  const pieces: Buffer[] = []
  let pending: ((error?: Error) => void) | undefined
  let flowing = false
  const stream = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      pieces.push(Buffer.from(chunk))
      if (flowing || pieces.length === 1) done()
      else pending = done
    },
  })
  stream.on('error', () => {})
  const goOn = (error?: Error) => {
    flowing = true
    pending?.(error)
  }
  return { stream, pieces, goOn }
}

test('aborted, bytes that a stream goes on to write have reached it, and are told so', async () => {
  const bytes = someBytes(1_000_000)
  const file = openSync(scratchFile(bytes), 'r')
  const { stream, pieces, goOn } = stuckStream()
  const abort = new AbortController()
  const moved = failed(transfer(file, stream, { signal: abort.signal }))
  while (pieces.length < 2) await setImmediate()
  abort.abort()
  const error = await moved
  assert.equal(error.name, 'AbortError')
  goOn()
  await new Promise<void>(resolve => stream.end(resolve))
  assert.ok(Buffer.concat(pieces).equals(bytes.subarray(0, error.bytes)))
  closeSync(file)
})

test('what a stream that failed was given comes back, if the source cannot give it again', async () => {
  const bytes = someBytes(500_000)
  const source = openSourceEnd('unix', bytes)
  const { stream, pieces, goOn } = stuckStream()
  const moved = failed(transfer(source.fd, stream))
  while (pieces.length < 2) await setImmediate()
  goOn(new Error('broken'))
  const error = await moved
  assert.equal(error.message, 'broken')
  const taken = Buffer.from(error.undelivered ?? [])
  assert.equal(error.bytes, (pieces[0] as Buffer).length)
  assert.ok(taken.length > 0 && taken.equals(bytes.subarray(error.bytes, error.bytes + taken.length)))
  const next = await collect(source.fd, 100)
  const from = error.bytes + taken.length
  assert.ok(next.equals(bytes.subarray(from, from + next.length)))
  await source.close()
})

test('more tees at once than there are pipes for end all the same', async () => {
  const bytes = someBytes(300_000)
  const before = openDescriptors()
  const one = async () => {
    const source = openSourceEnd('unix', bytes)
    const sinks = [openSinkEnd('unix'), openSinkEnd('tcp'), openSinkEnd('unix')]
    const moved = await tee(
      source.fd,
      sinks.map(sink => sink.fd),
    )
    assert.equal(moved.bytes, bytes.length)
    await source.close()
    for (const sink of sinks) assert.ok((await sink.finish()).equals(bytes))
  }
  await Promise.all(Array.from({ length: 40 }, one))
  assert.equal(openDescriptors(), before)
  assert.equal(pipePool().stats().waiting, 0)
})

test('a descriptor that somebody makes non-blocking meanwhile stays so', async () => {
  const bytes = someBytes(8_000_000)
  const file = openSync(scratchFile(bytes), 'r')
  const sink = openSinkEnd('tcp', true)
  const moved = transfer(file, sink.fd)
  await sink.read(1000)
  setBlocking(sink.fd, false)
  sink.resume()
  await moved
  assert.notEqual(syscall('fcntl', sink.fd, F.GETFL) & O.NONBLOCK, 0)
  assert.ok((await sink.finish()).equals(bytes.subarray(1000)))
  closeSync(file)
})

test('a file opened for Direct I/O goes to a slow socket, each byte once', async t => {
  const bytes = someBytes(1_234_567)
  const path = scratchFile(bytes)
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_DIRECT)
  } catch (error) {
    return t.skip(`no Direct I/O here: ${(error as Error).message}`)
  }
  const vias: TransferOptions['via'][] = [undefined, 'read+write']
  for (const via of vias) {
    const sink = openSinkEnd('tcp', true)
    const moved = transfer(file, sink.fd, { offset: 777, via })
    const head = await sink.read(10_000)
    sink.resume()
    assert.deepEqual(await moved, { bytes: bytes.length - 777, via: 'read+write' })
    assert.ok(Buffer.concat([head, await sink.finish()]).equals(bytes.subarray(777)))
  }
  closeSync(file)
})

/** The two ends of a pseudo terminal: what is written to one is read from the other. */
function terminal(): [number, number] {
  const word = new Int32Array(new ArrayBuffer(64))
  const master = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY)
  assert.equal(syscall('ioctl', master, 0x40045431, word), 0)
  assert.equal(syscall('ioctl', master, 0x80045430, word), 0)
  return [master, openSync(`/dev/pts/${word[0]}`, constants.O_RDWR | constants.O_NOCTTY)]
}

test('a terminal takes bytes and gives them', async t => {
  let ends: [number, number]
  try {
    ends = terminal()
  } catch (error) {
    return t.skip(`no pseudo terminal here: ${(error as Error).message}`)
  }
  const [master, slave] = ends
  const file = openSync(scratchFile(Buffer.from('what is said\n')), 'r')
  assert.deepEqual(await transfer(file, slave), { bytes: 13, via: 'read+write' })
  const sink = openSinkEnd('file')
  // The terminal adds a carriage return.
  assert.equal((await transfer(master, sink.fd, { length: 14 })).bytes, 14)
  assert.equal(String(await sink.finish()), 'what is said\r\n')
  for (const fd of [master, slave, file]) closeSync(fd)
})

test('a file that shrinks before it began is an error; one that grew gives what it has', async () => {
  const bytes = someBytes(100_000)
  const path = scratchFile(bytes)
  const file = openSync(path, 'r')
  const sink = openSinkEnd('tcp')
  const error = await failed(transfer(file, sink.fd, { offset: 0, length: 200_000 }))
  assert.equal(error.code, 'ERR_SLUICE_SHORT')
  assert.equal(error.bytes, 100_000)
  writeFileSync(path, Buffer.concat([bytes, bytes]))
  assert.equal((await transfer(file, sink.fd, { offset: 0, length: 200_000 })).bytes, 200_000)
  assert.equal((await transfer(file, sink.fd, { offset: 200_000 })).bytes, 0)
  assert.equal((await transfer(file, sink.fd, { offset: 10 ** 9 })).bytes, 0)
  assert.equal((await transfer(file, sink.fd, { offset: 0, length: 0 })).bytes, 0)
  const own = Buffer.alloc(1)
  assert.equal(readSync(file, own), 1)
  assert.equal(own[0], bytes[0])
  closeSync(file)
  assert.equal((await sink.finish()).length, 300_000)
})
