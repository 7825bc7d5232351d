import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync, truncateSync } from 'node:fs'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { CAP, hasCapability, RLIMIT, SHUT, syscall } from '../kernel/index.js'
import {
  collect,
  countAfterEach,
  nodePair,
  openDescriptors,
  openSinkEnd,
  openSourceEnd,
  pipePair,
  pump,
  resetAndClose,
  scratchFile,
  scratchPath,
  someBytes,
  tcpPair,
} from './ends.test.support.js'
import {
  pipePool,
  type TransferFailure,
  type TransferOptions,
  type TransferResult,
  transfer,
} from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

type Name = TransferOptions['via']
type Failure = TransferFailure & NodeJS.ErrnoException

const FROM_FILE: readonly Name[] = [
  undefined,
  'sendfile',
  'splice',
  'vmsplice',
  'preadv2',
  'send_zc',
  'read+write',
]
const FROM_SOCKET: readonly Name[] = [undefined, 'splice', 'send_zc', 'read+write']

/** What a transfer fails with; undefined where the mechanism is none for these ends, or for this driver. */
async function failureOf(moved: Promise<unknown>): Promise<Failure | undefined> {
  const error: Failure = await moved.then(
    () => assert.fail('it did not fail'),
    reason => reason,
  )
  return error.code === 'ERR_SLUICE_UNSUPPORTED' ? undefined : error
}

for (const via of FROM_FILE) {
  const name = via ?? 'the best way'
  test(`${name}: a peer that resets is an error that tells how far it came`, async () => {
    const bytes = someBytes(24_000_000)
    const file = openSync(scratchFile(bytes), 'r')
    const sink = openSinkEnd('tcp', true)
    const failed = failureOf(transfer(file, sink.fd, { via }))
    const got = await Promise.race([sink.read(5_000_000), failed])
    sink.reset()
    const error = await failed
    if (error !== undefined) {
      assert.ok(error.code === 'ECONNRESET' || error.code === 'EPIPE', error.stack)
      assert.ok(error.bytes >= 5_000_000 && error.bytes < bytes.length)
      assert.ok((got as Buffer).equals(bytes.subarray(0, 5_000_000)))
    }
    closeSync(file)
    closeSync(sink.fd)
  })

  // The end of a page, and the midst of one: what is mapped of a page behind a file's end reads as zeros.
  for (const end of [12_288_000, 12_289_234]) {
    for (const kind of ['tcp', 'pipe'] as const) {
      test(`${name}: a file that is truncated to ${end} bytes is an error to a ${kind}, and is not padded`, () =>
        truncated(via, kind, end))
    }
  }
}

async function truncated(via: Name, kind: 'tcp' | 'pipe', end: number): Promise<void> {
  const bytes = someBytes(16_000_000)
  const path = scratchFile(bytes)
  const file = openSync(path, 'r')
  const sink = openSinkEnd(kind, true)
  const failed = failureOf(transfer(file, sink.fd, { via }))
  await Promise.race([sink.read(4096), failed])
  truncateSync(path, end)
  sink.resume()
  const error = await failed
  closeSync(file)
  const got = await sink.finish()
  if (error === undefined) return
  assert.equal(error.code, 'ERR_SLUICE_SHORT', error.stack)
  assert.equal(error.bytes, end)
  assert.ok(got.equals(bytes.subarray(4096, end)))
}

/** Ways that take a file for a sink. */
const TO_FILE = [...FROM_FILE, 'copy_file_range' as const].filter(
  via => via !== 'preadv2' && via !== 'send_zc',
)

for (const via of TO_FILE) {
  const name = via ?? 'the best way'
  test(`${name}: a file that is truncated while it goes to a file is an error that tells how far it came`, async () => {
    const bytes = someBytes(24_000_000)
    const path = scratchFile(bytes)
    const file = openSync(path, 'r')
    const sink = openSinkEnd('file')
    const moved = transfer(file, sink.fd, { via }).then(
      () => undefined,
      (reason: Failure) => reason,
    )
    await setTimeout(1)
    truncateSync(path, 4_096_000)
    const error = await moved
    closeSync(file)
    const got = await sink.finish()
    if (error !== undefined) assert.equal(error.code, 'ERR_SLUICE_SHORT', error.stack)
    assert.equal(got.length, error?.bytes ?? bytes.length)
    const kept = got.subarray(0, 4_096_000)
    assert.ok(kept.equals(bytes.subarray(0, kept.length)))
    // Pages on their way are the file's own: the kernel zeroes of them what is cut off.
    const cut = got.subarray(4_096_000)
    assert.ok(cut.every((byte, index) => byte === 0 || byte === bytes[4_096_000 + index]))
  })
}

for (const via of FROM_SOCKET) {
  const name = via ?? 'the best way'
  test(`${name}: what a source gave before it ended too early reaches the sink`, async () => {
    const bytes = someBytes(3_000_000)
    const [source, peer] = tcpPair()
    const sink = openSinkEnd('tcp')
    const failed = failureOf(transfer(source, sink.fd, { via, length: 4_000_000 }))
    await Promise.race([pump(peer, bytes), failed])
    syscall('shutdown', peer, SHUT.WR)
    const error = await failed
    for (const fd of [source, peer]) closeSync(fd)
    const got = await sink.finish()
    if (error === undefined) return
    assert.equal(error.code, 'ERR_SLUICE_SHORT', error.stack)
    assert.equal(error.bytes, bytes.length)
    assert.ok(got.equals(bytes))
  })

  test(`${name}: a source that is reset is an error, and what it gave before has reached the sink`, async () => {
    const bytes = someBytes(300_000)
    const [source, peer] = tcpPair()
    const sink = openSinkEnd('tcp', true)
    const failed = failureOf(transfer(source, sink.fd, { via }))
    const fed = pump(peer, bytes)
    const got = await Promise.race([sink.read(bytes.length), failed])
    await fed
    resetAndClose(peer)
    const error = await failed
    closeSync(source)
    const rest = await sink.finish()
    if (error === undefined) return
    assert.equal(error.code, 'ECONNRESET', error.stack)
    assert.deepEqual([error.bytes, error.undelivered, rest.length], [bytes.length, undefined, 0])
    assert.ok((got as Buffer).equals(bytes))
  })

  test(`${name}: what a sink that was reset has not taken is told, byte for byte`, async () => {
    const bytes = someBytes(40_000_000)
    const source = openSourceEnd('unix', bytes)
    const sink = openSinkEnd('tcp', true)
    const failed = failureOf(transfer(source.fd, sink.fd, { via }))
    await Promise.race([sink.read(2_000_000), failed])
    sink.reset()
    const error = await failed
    if (error !== undefined) {
      assert.ok(error.code === 'ECONNRESET' || error.code === 'EPIPE', error.stack)
      const taken = Buffer.from(error.undelivered ?? [])
      assert.ok(taken.equals(bytes.subarray(error.bytes, error.bytes + taken.length)))
      const next = await collect(source.fd, 1000)
      const from = error.bytes + taken.length
      assert.ok(
        next.equals(bytes.subarray(from, from + 1000)),
        'the source goes on where the error leaves off',
      )
    }
    closeSync(sink.fd)
    await source.close()
  })
}

test('a source that ends before its length is an error; without a length it is the end', async () => {
  for (const kind of ['pipe', 'tcp', 'unix'] as const) {
    const bytes = someBytes(100_000)
    const [one, other] = [openSourceEnd(kind, bytes), openSourceEnd(kind, bytes)]
    const sinks = [openSinkEnd('tcp'), openSinkEnd('tcp')] as const
    await assert.rejects(transfer(one.fd, sinks[0].fd, { length: 100_001 }), {
      code: 'ERR_SLUICE_SHORT',
      bytes: 100_000,
    })
    assert.equal((await transfer(other.fd, sinks[1].fd)).bytes, 100_000)
    await Promise.all([one.close(), other.close()])
    for (const sink of sinks) assert.ok((await sink.finish()).equals(bytes))
  }
})

const mounts = hasCapability(CAP.SYS_ADMIN)
  ? {}
  : { skip: 'mounting a small file system needs CAP_SYS_ADMIN' }

test('a disk that fills up is an error that tells how far it came', mounts, async t => {
  const disk = scratchPath('disk')
  mkdirSync(disk)
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', disk])
  if (status !== 0) return t.skip(`mount: ${stderr}`)
  try {
    const bytes = someBytes(3_000_000)
    for (const kind of ['file', 'pipe', 'tcp', 'unix'] as const) {
      const vias =
        kind === 'file' ? ([undefined, 'sendfile', 'splice', 'vmsplice', 'read+write'] as const) : FROM_SOCKET
      for (const via of vias) await fill(join(disk, `${kind}-${via}`), kind, via, bytes)
    }
  } finally {
    assert.equal(spawnSync('umount', [disk]).status, 0)
  }
})

async function fill(
  path: string,
  kind: 'file' | 'pipe' | 'tcp' | 'unix',
  via: Name,
  bytes: Buffer,
): Promise<void> {
  const source = openSourceEnd(kind, bytes)
  const sink = openSync(path, 'w+')
  const error = await failureOf(transfer(source.fd, sink, { via }))
  if (error !== undefined) {
    assert.equal(error.code, 'ENOSPC', error.stack)
    assert.ok(error.bytes > 0 && error.bytes <= 2 ** 20)
    assert.ok(readFileSync(path).equals(bytes.subarray(0, error.bytes)), `${kind} ${via}`)
    const taken = Buffer.from(error.undelivered ?? [])
    assert.ok(taken.equals(bytes.subarray(error.bytes, error.bytes + taken.length)))
    assert.ok(kind !== 'file' || taken.length === 0)
  }
  truncateSync(path)
  closeSync(sink)
  await source.close()
}

/** Lets the process open no more descriptors while it runs `body`. */
async function exhausted(body: () => Promise<void>): Promise<void> {
  const before = new BigUint64Array(new ArrayBuffer(64))
  const none = new BigUint64Array(new ArrayBuffer(64))
  assert.equal(syscall('prlimit64', 0, RLIMIT.NOFILE, 0, before), 0)
  none[0] = 3n
  none[1] = before[1] as bigint
  assert.equal(syscall('prlimit64', 0, RLIMIT.NOFILE, none), 0)
  try {
    await body()
  } finally {
    assert.equal(syscall('prlimit64', 0, RLIMIT.NOFILE, before), 0)
  }
}

test('without descriptors for a pipe the bytes are copied, unless splicing is demanded', async () => {
  const bytes = someBytes(400_000)
  const sources = [openSourceEnd('tcp', bytes), openSourceEnd('tcp', bytes)] as const
  const sinks = [openSinkEnd('tcp'), openSinkEnd('tcp')] as const
  // Makes the engine, which needs descriptors, beforehand.
  await sources[0].fed
  pipePool().trim()
  await exhausted(async () => {
    const moved = await transfer(sources[0].fd, sinks[0].fd)
    assert.deepEqual(moved, { bytes: bytes.length, via: 'read+write' })
    await assert.rejects(transfer(sources[1].fd, sinks[1].fd, { via: 'splice' }), {
      code: 'EMFILE',
      bytes: 0,
    })
  })
  for (const source of sources) await source.close()
  assert.ok((await sinks[0].finish()).equals(bytes))
  await sinks[1].finish()
})

test("without descriptors, Node's sockets are read and written as streams", async () => {
  const bytes = someBytes(400_000)
  const [one, other] = await nodePair()
  const [two, another] = await nodePair()
  const file = openSync(scratchFile(bytes), 'r')
  const sink = openSinkEnd('tcp')
  const got = other.toArray()
  await exhausted(async () => {
    assert.deepEqual(await transfer(file, one), { bytes: bytes.length, via: 'stream' })
    another.end(bytes)
    assert.deepEqual(await transfer(two, sink.fd), { bytes: bytes.length, via: 'read+write' })
    await assert.rejects(transfer({ fd: file }, one), { code: 'EMFILE', bytes: 0 })
  })
  one.end()
  assert.ok(Buffer.concat(await got).equals(bytes))
  assert.ok((await sink.finish()).equals(bytes))
  for (const socket of [one, other, two, another]) socket.destroy()
  closeSync(file)
})

test('without descriptors, a large answer of a server of Node is streamed', async () => {
  const bytes = someBytes(400_000)
  const file = openSync(scratchFile(bytes), 'r')
  let moved: TransferResult | undefined
  const server = createServer(async (_request, response) => {
    response.setHeader('Content-Length', bytes.length)
    await exhausted(async () => {
      moved = await transfer(file, response)
    })
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const request = get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', agent: false })
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  assert.ok(Buffer.concat(await answer.toArray()).equals(bytes))
  assert.deepEqual(moved, { bytes: bytes.length, via: 'stream' })
  server.close()
  closeSync(file)
})

test('failures leave nothing open', async () => {
  const bytes = someBytes(8_000_000)
  const run = async () => {
    for (const via of ['splice', 'read+write', 'sendfile'] as const) {
      const source = openSourceEnd(via === 'sendfile' ? 'file' : 'unix', bytes)
      const sink = openSinkEnd('tcp', true)
      const moved = transfer(source.fd, sink.fd, { via })
      await sink.read(100_000)
      sink.reset()
      await assert.rejects(moved)
      closeSync(sink.fd)
      await source.close()
    }
  }
  await run()
  const before = openDescriptors()
  await run()
  assert.equal(openDescriptors(), before)
  assert.equal(pipePool().stats().open, 0)
})

test('a sink without readers is an error', async () => {
  const file = openSync(scratchFile(someBytes(1000)), 'r')
  for (const via of [undefined, 'splice', 'sendfile', 'vmsplice', 'preadv2', 'read+write'] as const) {
    const [reader, writer] = pipePair()
    closeSync(reader)
    await assert.rejects(transfer(file, writer, { offset: 0, via }), { code: 'EPIPE', bytes: 0 })
    closeSync(writer)
  }
  closeSync(file)
})
