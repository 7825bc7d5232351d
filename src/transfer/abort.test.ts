import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { engine } from '../engine/index.js'
import { type Connection, connect, type Listener, listen } from '../net/index.js'
import {
  collect,
  countAfterEach,
  END_KINDS,
  type EndKind,
  openDescriptors,
  openSinkEnd,
  openSourceEnd,
  someBytes,
} from './ends.test.support.js'
import { pipePool, type TransferFailure, type TransferOptions, transfer } from './index.js'

process.env.SLUICE_CALIBRATION = 'off'
countAfterEach()

const VIAS: readonly TransferOptions['via'][] = [
  undefined,
  'copy_file_range',
  'sendfile',
  'splice',
  'vmsplice',
  'preadv2',
  'send_zc',
  'read+write',
]

const bytes = someBytes(6_000_000)

/** Aborts a transfer somewhere in its midst, and accounts for every byte. */
async function abortOnce(sourceKind: EndKind, sinkKind: EndKind, via: TransferOptions['via']): Promise<void> {
  const source = openSourceEnd(sourceKind, bytes)
  const sink = openSinkEnd(sinkKind, Math.random() < 0.5)
  const abort = new AbortController()
  const moved = transfer(source.fd, sink.fd, { via, signal: abort.signal, length: bytes.length }).then(
    () => undefined,
    error => error as TransferFailure & { code: string },
  )
  // A few turns of the event loop: somewhere before, in or after the transfer.
  for (let turns = Math.random() * 12; turns > 0; turns--) await setTimeout(0)
  abort.abort(new Error('enough'))
  sink.resume()
  const error = await moved
  if (error !== undefined && error.code !== 'ERR_SLUICE_UNSUPPORTED') {
    assert.equal(error.name, 'AbortError', error.stack)
    assert.equal((error.cause as Error).message, 'enough')
  }
  const reached = error === undefined ? bytes.length : error.bytes
  const taken = Buffer.from(error?.undelivered ?? [])
  assert.ok(
    taken.equals(bytes.subarray(reached, reached + taken.length)),
    'what was taken follows what arrived',
  )
  if (sourceKind !== 'file' && reached + taken.length < bytes.length) {
    const from = reached + taken.length
    const next = await collect(source.fd, 100)
    assert.ok(
      next.equals(bytes.subarray(from, from + next.length)),
      'the source goes on where the error leaves off',
    )
  }
  await source.close()
  const got = await sink.finish()
  assert.equal(got.length, reached, `${via}: what arrived is what was told`)
  assert.ok(got.equals(bytes.subarray(0, reached)))
}

for (const sourceKind of END_KINDS) {
  for (const sinkKind of END_KINDS) {
    test(`aborted at any moment from ${sourceKind} to ${sinkKind}, every byte is accounted for`, async () => {
      for (const via of VIAS)
        for (let round = 0; round < 3; round++) await abortOnce(sourceKind, sinkKind, via)
    })
  }
}

test('a signal that is aborted already moves nothing', async () => {
  const source = openSourceEnd('pipe', someBytes(1000))
  const sink = openSinkEnd('tcp')
  const signal = AbortSignal.abort()
  await assert.rejects(transfer(source.fd, sink.fd, { signal }), { name: 'AbortError', bytes: 0 })
  await source.close()
  assert.equal((await sink.finish()).length, 0)
})

test('a transfer that waits for a silent source ends at once, and holds no pipe while it waits', async () => {
  for (const via of ['splice', 'read+write', 'send_zc'] as const) {
    if (via === 'send_zc' && engine().driver !== 'ring') continue
    const source = openSourceEnd('tcp', someBytes(1000))
    const silent = { fd: source.fd }
    const sink = openSinkEnd('tcp')
    const abort = new AbortController()
    const moved = transfer(silent, sink.fd, { via, signal: abort.signal, length: 5000 })
    const short = assert.rejects(moved, { bytes: 1000 })
    await source.fed
    await short
    assert.equal(pipePool().stats().open - pipePool().stats().idle, 0)
    await source.close()
    await sink.finish()
  }
})

test('aborts leave nothing open and nothing listening', async () => {
  const run = async () => {
    for (const via of ['splice', 'read+write'] as const) await abortOnce('unix', 'tcp', via)
    await abortOnce('file', 'tcp', 'sendfile')
  }
  await run()
  const before = openDescriptors()
  for (let round = 0; round < 5; round++) await run()
  assert.equal(openDescriptors(), before)
  assert.equal(engine().stats().inFlight, 0)
})

async function chunksOf(connection: Connection): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  for await (const chunk of connection) chunks.push(chunk)
  return chunks
}

/** Two connections of ours with one another. */
async function connected(): Promise<[Connection, Connection, Listener]> {
  let accept: (connection: Connection) => void
  const accepted = new Promise<Connection>(resolve => {
    accept = resolve
  })
  const listener = await listen({ host: '127.0.0.1' }, connection => accept(connection))
  const near = await connect({ host: '127.0.0.1', port: listener.port })
  return [near, await accepted, listener]
}

test('aborted at any moment between connections, the source goes on where the sink leaves off', async () => {
  for (const via of [undefined, 'splice', 'read+write', 'send_zc'] as const) {
    if (via === 'send_zc' && engine().driver !== 'ring') continue
    for (let round = 0; round < 5; round++) {
      const [source, feeder, one] = await connected()
      const [sink, reader, other] = await connected()
      const fed = feeder.write(bytes).then(() => feeder.end())
      const abort = new AbortController()
      const moved = transfer(source, sink, { via, signal: abort.signal }).then(
        result => result.bytes,
        (error: TransferFailure) => {
          assert.equal(error.name, 'AbortError', error.stack)
          return error.bytes
        },
      )
      const got = chunksOf(reader)
      for (let turns = Math.random() * 8; turns > 0; turns--) await setTimeout(0)
      abort.abort()
      const reached = await moved
      await sink.end()
      const first = Buffer.concat(await got)
      assert.equal(first.length, reached)
      const rest = await chunksOf(source)
      assert.ok(Buffer.concat([first, ...rest]).equals(bytes))
      await fed
      for (const each of [source, feeder, sink, reader]) await each.destroy()
      for (const each of [one, other]) await each.close({ timeout: 0 })
    }
  }
})
