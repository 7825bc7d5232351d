import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, readSync, truncateSync, writeSync } from 'node:fs'
import { open as openNode } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { open } from '../file/index.js'
import {
  collect,
  countAfterEach,
  END_KINDS,
  isBlocking,
  openDescriptors,
  openSinkEnd,
  openSourceEnd,
  pipePair,
  pump,
  scratchFile,
  setBlocking,
  someBytes,
} from './ends.test.support.js'
import { type TransferOptions, transfer, type Via } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

const VIAS: readonly (TransferOptions['via'] | undefined)[] = [
  undefined,
  'copy_file_range',
  'sendfile',
  'splice',
  'vmsplice',
  'preadv2',
  'send_zc',
  'read+write',
  'stream',
]

/** Sizes around those of pages, pipes, blocks and send buffers, and some at random. */
function sizes(): number[] {
  const random = () => Math.floor(Math.random() * 2 ** (8 + Math.random() * 13))
  return [0, 1, 4096, 65537, 1_500_000, random(), random()]
}

for (const sourceKind of END_KINDS) {
  for (const sinkKind of END_KINDS) {
    for (const via of VIAS) {
      const name = `${via ?? 'the best way'} moves exactly the bytes from ${sourceKind} to ${sinkKind}, or none and says so`
      test(name, async () => {
        for (const size of sizes()) await moveOnce(sourceKind, sinkKind, via, size)
      })
    }
  }
}

async function moveOnce(
  sourceKind: (typeof END_KINDS)[number],
  sinkKind: (typeof END_KINDS)[number],
  via: TransferOptions['via'],
  size: number,
): Promise<void> {
  const bytes = someBytes(size)
  const source = openSourceEnd(sourceKind, bytes)
  const sink = openSinkEnd(sinkKind)
  if (Math.random() < 0.5) setBlocking(source.fd, false)
  if (Math.random() < 0.5) setBlocking(sink.fd, false)
  const flags = [isBlocking(source.fd), isBlocking(sink.fd)]
  const offset = sourceKind === 'file' && Math.random() < 0.5 ? Math.floor(Math.random() * size) : undefined
  const rest = size - (offset ?? 0)
  const length = Math.random() < 0.5 ? Math.floor(Math.random() * rest) : undefined
  const expected = bytes.subarray(offset ?? 0, (offset ?? 0) + (length ?? rest))
  const options = { via, offset, length }
  let moved = expected.length
  try {
    const result = await transfer(source.fd, sink.fd, options)
    assert.equal(result.bytes, expected.length)
    if (via !== undefined) assert.equal(result.via, via)
  } catch (error) {
    const { code, bytes: reached } = error as NodeJS.ErrnoException & { bytes: number }
    assert.equal(code, 'ERR_SLUICE_UNSUPPORTED', `${(error as Error).stack}`)
    assert.ok(via !== undefined && via !== 'read+write', 'the best way and read+write always work')
    assert.equal(reached, 0)
    moved = 0
  }
  assert.deepEqual(
    [isBlocking(source.fd), isBlocking(sink.fd)],
    flags,
    'the descriptors were left as they were',
  )
  await source.close()
  const got = await sink.finish()
  assert.equal(got.length, moved)
  assert.ok(got.equals(expected.subarray(0, moved)), `${size} bytes arrived altered`)
}

test('each mechanism works for the pairs it is meant for', async () => {
  const meant: [Via, string, string][] = [
    ['copy_file_range', 'file', 'file'],
    ['sendfile', 'file', 'tcp'],
    ['sendfile', 'file', 'unix'],
    ['sendfile', 'file', 'pipe'],
    ['splice', 'tcp', 'tcp'],
    ['splice', 'pipe', 'tcp'],
    ['splice', 'tcp', 'pipe'],
    ['splice', 'unix', 'file'],
    ['splice', 'file', 'unix'],
    ['vmsplice', 'file', 'tcp'],
    ['vmsplice', 'file', 'pipe'],
    ['preadv2', 'file', 'tcp'],
    ['preadv2', 'file', 'pipe'],
    ['read+write', 'pipe', 'file'],
  ]
  const bytes = someBytes(300_000)
  for (const [via, from, to] of meant) {
    const source = openSourceEnd(from as 'file', bytes)
    const sink = openSinkEnd(to as 'file')
    const result = await transfer(source.fd, sink.fd, { via: via as TransferOptions['via'] })
    assert.deepEqual(result, { bytes: bytes.length, via })
    await source.close()
    assert.ok((await sink.finish()).equals(bytes))
  }
})

test('nothing is left open', async () => {
  const run = async () => {
    for (const sourceKind of END_KINDS) {
      for (const sinkKind of END_KINDS) await moveOnce(sourceKind, sinkKind, undefined, 200_000)
    }
  }
  await run()
  const before = openDescriptors()
  await run()
  assert.equal(openDescriptors(), before)
})

test('without an offset it begins at the position of the file, and moves it', async () => {
  const bytes = someBytes(500_000)
  const fd = openSync(scratchFile(bytes), 'r')
  readSync(fd, Buffer.alloc(1000))
  const sink = openSinkEnd('tcp')
  await transfer(fd, sink.fd, { length: 100_000 })
  const next = Buffer.alloc(10)
  readSync(fd, next)
  assert.ok(next.equals(bytes.subarray(101_000, 101_010)))
  closeSync(fd)
  assert.ok((await sink.finish()).equals(bytes.subarray(1000, 101_000)))
})

test('with an offset the position of the file stays', async () => {
  const bytes = someBytes(500_000)
  const fd = openSync(scratchFile(bytes), 'r')
  const sink = openSinkEnd('tcp')
  await transfer(fd, sink.fd, { offset: 1000 })
  const next = Buffer.alloc(10)
  readSync(fd, next)
  assert.ok(next.equals(bytes.subarray(0, 10)))
  closeSync(fd)
  assert.ok((await sink.finish()).equals(bytes.subarray(1000)))
})

for (const via of ['copy_file_range', 'sendfile', 'splice', 'vmsplice', 'read+write'] as const) {
  test(`${via} writes to a file's own position and moves it, or to a given one and does not`, async () => {
    const bytes = someBytes(200_000)
    const from = openSync(scratchFile(bytes), 'r')
    const path = scratchFile(Buffer.alloc(10, 'x'))
    const to = openSync(path, 'r+')
    writeSync(to, 'abc')
    await transfer(from, to, { via, offset: 0, length: 1000 })
    writeSync(to, 'def')
    await transfer(from, to, { via, offset: 0, length: 1000, position: 5000 })
    writeSync(to, 'ghi')
    closeSync(from)
    closeSync(to)
    const expected = Buffer.concat([
      Buffer.from('abc'),
      bytes.subarray(0, 1000),
      Buffer.from('defghi'),
      Buffer.alloc(5000 - 1009),
      bytes.subarray(0, 1000),
    ])
    assert.ok(readFileSync(path).equals(expected))
  })
}

test('a file opened for appending is appended to', async () => {
  const bytes = someBytes(100_000)
  const path = scratchFile(Buffer.from('head'))
  const from = openSync(scratchFile(bytes), 'r')
  const to = openSync(path, 'a')
  const { via } = await transfer(from, to)
  assert.equal(via, 'read+write')
  closeSync(from)
  closeSync(to)
  assert.ok(readFileSync(path).equals(Buffer.concat([Buffer.from('head'), bytes])))
})

test('files of ours and of Node serve as either end', async () => {
  const bytes = someBytes(100_000)
  const path = scratchFile(bytes)
  const target = scratchFile(new Uint8Array(0))
  for (const [from, to] of [
    [await open(path), await openNode(target, 'r+')],
    [await openNode(path), await open(target, 'r+')],
  ] as const) {
    await transfer(from, to)
    await Promise.all([from.close(), to.close()])
    assert.ok(readFileSync(target).equals(bytes))
    truncateSync(target)
  }
})

test('a file that is closed meanwhile is sent to its end', async () => {
  const bytes = someBytes(12_000_000)
  const path = scratchFile(bytes)
  for (const opener of [open, openNode]) {
    const file = await opener(path)
    const sink = openSinkEnd('tcp', true)
    const sent = transfer(file, sink.fd, { offset: 0, length: bytes.length })
    await setTimeout(1)
    const closed = file.close()
    const got = sink.read(bytes.length)
    assert.equal((await sent).bytes, bytes.length)
    await closed
    assert.ok((await got).equals(bytes))
    await sink.finish()
  }
})

test('a file that the kernel makes up is sent to its end', async () => {
  const fd = openSync('/proc/self/status', 'r')
  const sink = openSinkEnd('tcp')
  const { via } = await transfer(fd, sink.fd)
  closeSync(fd)
  assert.equal(via, 'read+write')
  assert.match(String(await sink.finish()), /^Name:\s/)
})

test('a device is read from and written to by copying', async () => {
  const zero = openSync('/dev/zero', 'r')
  const sink = openSinkEnd('tcp')
  assert.deepEqual(await transfer(zero, sink.fd, { length: 300_000 }), { bytes: 300_000, via: 'read+write' })
  assert.ok((await sink.finish()).equals(Buffer.alloc(300_000)))
  closeSync(zero)
  const file = openSync(scratchFile(someBytes(1000)), 'r')
  const nothing = openSync('/dev/null', 'w')
  assert.deepEqual(await transfer(file, nothing), { bytes: 1000, via: 'read+write' })
  closeSync(file)
  closeSync(nothing)
})

test('transfers from one pipe go one after the other', async () => {
  const bytes = someBytes(400_000)
  const [reader, writer] = pipePair()
  const source = { fd: reader }
  const sinks = [openSinkEnd('tcp'), openSinkEnd('file'), openSinkEnd('unix')]
  const moved = sinks.map(sink => transfer(source, sink.fd, { length: 100_000 }))
  await pump(writer, bytes.subarray(0, 300_000))
  await Promise.all(moved)
  for (const [index, sink] of sinks.entries()) {
    assert.ok((await sink.finish()).equals(bytes.subarray(index * 100_000, (index + 1) * 100_000)))
  }
  closeSync(reader)
  closeSync(writer)
})

test('transfers to one sink go one after the other', async () => {
  const parts = [someBytes(300_000), someBytes(5), someBytes(200_000)]
  const [reader, writer] = pipePair()
  const sink = { fd: writer }
  const files = parts.map(part => openSync(scratchFile(part), 'r'))
  const moved = files.map(fd => transfer(fd, sink))
  const got = collect(reader, 500_005)
  await Promise.all(moved)
  assert.ok((await got).equals(Buffer.concat(parts)))
  for (const fd of [reader, writer, ...files]) closeSync(fd)
})

test('two directions of one connection do not wait for one another', async () => {
  const [a, b] = [openSinkEnd('tcp'), openSinkEnd('tcp')]
  const [one, other] = [{ fd: a.fd }, { fd: b.fd }]
  const stop = new AbortController()
  const forth = transfer(one, other, { signal: stop.signal })
  const file = openSync(scratchFile(someBytes(10)), 'r')
  const back = transfer(file, one)
  assert.equal((await back).bytes, 10)
  stop.abort()
  await assert.rejects(forth, { name: 'AbortError', bytes: 0 })
  closeSync(file)
  assert.equal((await a.finish()).length, 10)
  await b.finish()
})

test('arguments are checked', async () => {
  const file = openSync(scratchFile(someBytes(10)), 'r')
  const [reader, writer] = pipePair()
  const cases: [() => Promise<unknown>, string][] = [
    [() => transfer('x' as never, writer), 'ERR_INVALID_ARG_TYPE'],
    [() => transfer(file, {} as never), 'ERR_INVALID_ARG_TYPE'],
    [() => transfer(file, -1), 'ERR_OUT_OF_RANGE'],
    [() => transfer(file, writer, null as never), 'ERR_INVALID_ARG_TYPE'],
    [() => transfer(file, writer, { offset: -1 }), 'ERR_OUT_OF_RANGE'],
    [() => transfer(file, writer, { length: 1.5 }), 'ERR_OUT_OF_RANGE'],
    [() => transfer(file, writer, { via: 'magic' as never }), 'ERR_INVALID_ARG_VALUE'],
    [() => transfer(file, writer, { position: 1 }), 'ERR_INVALID_ARG_VALUE'],
    [() => transfer(reader, writer, { offset: 1 }), 'ERR_INVALID_ARG_VALUE'],
    [() => transfer(file, writer, { signal: {} as never }), 'ERR_INVALID_ARG_TYPE'],
    [() => transfer(1_000_000, writer), 'EBADF'],
    [() => transfer(writer, writer), 'EBADF'],
  ]
  for (const [call, code] of cases) await assert.rejects(call, { code })
  for (const fd of [file, reader, writer]) closeSync(fd)
})
