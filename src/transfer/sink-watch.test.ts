import assert from 'node:assert/strict'
import { closeSync } from 'node:fs'
import { test } from 'node:test'
import { engine } from '../engine/index.js'
import { SHUT, syscall } from '../kernel/index.js'
import {
  countAfterEach,
  openDescriptors,
  openSinkEnd,
  pipePair,
  pump,
  setBlocking,
  someBytes,
  tcpPair,
} from './ends.test.support.js'
import { pipePool, type TransferFailure, type TransferOptions, tee, transfer } from './index.js'
import { watchedSinks } from './sink-watch.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

type Failure = TransferFailure & { code?: string; sinkBytes?: number[] }

const bytes = someBytes(10_000)
const VIAS: readonly TransferOptions['via'][] = [undefined, 'splice', 'read+write', 'send_zc']

function failed(moved: Promise<unknown>): Promise<Failure> {
  return moved.then(
    () => assert.fail('it did not fail'),
    error => error,
  )
}

/** A transfer whose source says a little and then nothing; then the sink goes away. */
async function abandoned(
  sourceKind: 'pipe' | 'tcp',
  sinkKind: 'pipe' | 'tcp' | 'unix',
  via: TransferOptions['via'],
  blocking: boolean,
): Promise<void> {
  const what = `${sourceKind} to ${sinkKind} by ${via}`
  const [source, feeder] = sourceKind === 'pipe' ? pipePair() : tcpPair()
  const sink = openSinkEnd(sinkKind, true)
  setBlocking(source, blocking)
  setBlocking(sink.fd, blocking)
  const moved = failed(transfer(source, sink.fd, { via }))
  await pump(feeder, bytes)
  const got: Buffer | Failure = await Promise.race([sink.read(bytes.length), moved])
  if (Buffer.isBuffer(got)) {
    assert.ok(got.equals(bytes))
    sink.reset()
    const error = await moved
    assert.match(String(error.code), /^(ECONNRESET|EPIPE)$/, what)
    assert.deepEqual([error.bytes, error.undelivered], [bytes.length, undefined], what)
    closeSync(sink.fd)
  } else {
    assert.equal(got.code, 'ERR_SLUICE_UNSUPPORTED')
    await sink.finish()
  }
  for (const fd of [source, feeder]) closeSync(fd)
}

/** All of them at once: the wait is a second at most. */
async function allAbandoned(): Promise<void> {
  const all: Promise<void>[] = []
  for (const sourceKind of ['pipe', 'tcp'] as const) {
    for (const sinkKind of ['pipe', 'tcp', 'unix'] as const) {
      for (const via of VIAS) all.push(abandoned(sourceKind, sinkKind, via, all.length % 2 === 0))
    }
  }
  await Promise.all([...all, abandonedTee()])
}

async function abandonedTee(): Promise<void> {
  const [source, feeder] = tcpPair()
  const sinks = [openSinkEnd('tcp', true), openSinkEnd('unix', true)] as const
  const moved = failed(tee(source, [sinks[0].fd, sinks[1].fd]))
  await pump(feeder, bytes)
  await Promise.all(sinks.map(sink => sink.read(bytes.length)))
  sinks[1].reset()
  const error = await moved
  assert.match(String(error.code), /^(ECONNRESET|EPIPE)$/)
  assert.deepEqual(error.sinkBytes, [bytes.length, bytes.length])
  for (const fd of [source, feeder, sinks[1].fd]) closeSync(fd)
  await sinks[0].finish()
}

test('a sink that goes away while the source is silent is an error that tells how far it came', async () => {
  const [source, feeder] = tcpPair()
  const [reader, writer] = tcpPair()
  // Its peer says no more, and goes on listening.
  syscall('shutdown', reader, SHUT.WR)
  const listening = transfer(source, writer, { length: 2 * bytes.length })
  await pump(feeder, bytes)
  await allAbandoned()
  await pump(feeder, bytes)
  assert.equal((await listening).bytes, 2 * bytes.length)
  for (const fd of [source, feeder, reader, writer]) closeSync(fd)
  assert.equal(watchedSinks(), 0)
  assert.equal(engine().stats().inFlight, 0)
  assert.equal(pipePool().stats().open, pipePool().stats().idle)
})

test('nothing of it is left open', async () => {
  const before = openDescriptors()
  await allAbandoned()
  assert.equal(openDescriptors(), before)
})
