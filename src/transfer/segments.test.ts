import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { engine } from '../engine/index.js'
import { SO, SOL, syscall } from '../kernel/index.js'
import {
  countAfterEach,
  openDescriptors,
  openSinkEnd,
  pipePair,
  pump,
  scratchFile,
  someBytes,
  tcpPair,
} from './ends.test.support.js'
import { pipePool, type TransferFailure, type TransferOptions, transfer } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

const VIAS: readonly TransferOptions['via'][] = [
  undefined,
  'sendfile',
  'splice',
  'vmsplice',
  'preadv2',
  'send_zc',
  'read+write',
]
const random = (most: number) => Math.floor(Math.random() * most)

/** A small send buffer, so that few calls move all that they were asked to. */
function narrow(fd: number): void {
  const bytes = new Int32Array(new ArrayBuffer(64)).fill(16384, 0, 1)
  syscall('setsockopt', fd, SOL.SOCKET, SO.SNDBUF, bytes, 4)
}

/** Writes in pieces of any size, now and then with a pause between them. */
async function feed(fd: number, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(bytes.length - done, 1 + random(10 ** random(6)))
    await pump(fd, bytes.subarray(done, done + length))
    done += length
    if (random(3) === 0) await setImmediate()
  }
}

async function source(kind: 'file' | 'pipe' | 'tcp', bytes: Buffer): Promise<[number, Promise<void>]> {
  if (kind === 'file') return [openSync(scratchFile(bytes), 'r'), Promise.resolve()]
  const [reader, writer] = kind === 'pipe' ? pipePair() : tcpPair()
  if (kind === 'tcp') narrow(writer)
  const fed = feed(writer, bytes)
    .catch(() => {})
    .then(() => closeSync(writer))
  return [reader, fed]
}

/** Moves bytes to somebody who reads in pieces of any size, and may go away in the midst of it. */
async function once(kind: 'file' | 'pipe' | 'tcp', via: TransferOptions['via']): Promise<void> {
  const bytes = someBytes(1 + random(300_000))
  const resets = random(4) === 0
  const [from, fed] = await source(kind, bytes)
  const sink = openSinkEnd('tcp', true)
  narrow(sink.fd)
  const moved = transfer(from, sink.fd, { via, length: bytes.length }).then(
    () => undefined,
    (error: TransferFailure & { code: string }) => error,
  )
  const got: Buffer[] = []
  let read = 0
  const wanted = resets ? random(bytes.length) : bytes.length
  const refused = moved.then(error => error?.code === 'ERR_SLUICE_UNSUPPORTED')
  let waiting: Promise<Buffer> | undefined
  while (read < wanted) {
    const piece = sink.read(Math.min(wanted - read, 1 + random(10 ** random(6))))
    const first = await Promise.race([piece, refused.then(is => (is ? undefined : piece))])
    if (first === undefined) {
      waiting = piece
      break
    }
    got.push(first)
    read += first.length
    if (random(3) === 0) await setImmediate()
  }
  // A read is under way where nothing came: its descriptor must not be closed before the end that it waits for.
  const isReset = resets && waiting === undefined
  if (isReset) sink.reset()
  const error = await moved
  const received = Buffer.concat(got)
  assert.ok(received.equals(bytes.subarray(0, received.length)), `${kind} ${via}: the bytes, in order, once`)
  if (error === undefined) {
    if (!resets) assert.equal(received.length, bytes.length)
  } else if (error.code !== 'ERR_SLUICE_UNSUPPORTED') {
    assert.ok(resets && /ECONNRESET|EPIPE/.test(error.code), error.stack)
    assert.ok(error.bytes >= received.length && error.bytes <= bytes.length)
    const taken = Buffer.from(error.undelivered ?? [])
    assert.ok(taken.equals(bytes.subarray(error.bytes, error.bytes + taken.length)))
  }
  closeSync(from)
  if (isReset) closeSync(sink.fd)
  else await sink.finish()
  await waiting
  await fed
}

for (const kind of ['file', 'pipe', 'tcp'] as const) {
  test(`from ${kind}, in pieces of any size through narrow sockets, bytes come in order, once`, async () => {
    await once(kind, undefined)
    const before = openDescriptors()
    for (const via of VIAS) for (let round = 0; round < 3; round++) await once(kind, via)
    // What the first one had open may have been closed since.
    assert.ok(openDescriptors() <= before, `${openDescriptors()} descriptors, ${before} before`)
    assert.equal(pipePool().stats().open, 0)
    assert.equal(engine().stats().inFlight, 0)
  })
}
