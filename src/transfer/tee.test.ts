import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import {
  countAfterEach,
  END_KINDS,
  openDescriptors,
  openSinkEnd,
  openSourceEnd,
  scratchFile,
  someBytes,
} from './ends.test.support.js'
import { type TeeFailure, tee } from './index.js'

countAfterEach()

const bytes = someBytes(4_000_000)

for (const kind of END_KINDS) {
  test(`every sink gets exactly the bytes of a ${kind}`, async () => {
    for (const size of [0, 1, 65537, bytes.length]) {
      const expected = bytes.subarray(0, size)
      const source = openSourceEnd(kind, expected)
      const sinks = [...END_KINDS, ...END_KINDS].map(each => openSinkEnd(each))
      const result = await tee(
        source.fd,
        sinks.map(({ fd }) => fd),
      )
      assert.deepEqual(result, { bytes: size, via: kind === 'file' && size === 0 ? result.via : 'tee' })
      await source.close()
      for (const sink of sinks) assert.ok((await sink.finish()).equals(expected))
    }
  })
}

test('a part of a file goes to every sink; the position stays', async () => {
  const fd = openSync(scratchFile(bytes), 'r')
  const sinks = [openSinkEnd('tcp'), openSinkEnd('pipe')]
  const { bytes: moved } = await tee(
    fd,
    sinks.map(sink => sink.fd),
    { offset: 1000, length: 700_000 },
  )
  assert.equal(moved, 700_000)
  closeSync(fd)
  for (const sink of sinks) assert.ok((await sink.finish()).equals(bytes.subarray(1000, 701_000)))
})

test('where pages cannot be lent to all, bytes are copied', async () => {
  const source = openSourceEnd('tcp', bytes)
  const path = scratchFile(Buffer.from('head'))
  const appended = openSync(path, 'a')
  const sink = openSinkEnd('tcp')
  const result = await tee(source.fd, [appended, sink.fd], { length: 1_000_000 })
  assert.deepEqual(result, { bytes: 1_000_000, via: 'read+write' })
  closeSync(appended)
  assert.ok(readFileSync(path).equals(Buffer.concat([Buffer.from('head'), bytes.subarray(0, 1_000_000)])))
  assert.ok((await sink.finish()).equals(bytes.subarray(0, 1_000_000)))
  await source.close()
})

test('the slowest sink sets the pace', async () => {
  const source = openSourceEnd('unix', bytes)
  const [fast, slow] = [openSinkEnd('file'), openSinkEnd('unix', true)]
  const moved = tee(source.fd, [fast.fd, slow.fd])
  await setTimeout(50)
  const ahead = (await fast.read(Number.POSITIVE_INFINITY)).length
  assert.ok(ahead <= 2 * 2 ** 20, `the fast sink is ${ahead} bytes ahead of one that takes none`)
  slow.resume()
  assert.equal((await moved).bytes, bytes.length)
  await source.close()
  for (const sink of [fast, slow]) assert.ok((await sink.finish()).equals(bytes))
})

test('a sink that fails ends it for all; each byte is accounted for', async () => {
  for (const broken of [0, 1, 2]) {
    const source = openSourceEnd('unix', bytes)
    const sinks = ['tcp', 'unix', 'file'].map((kind, index) =>
      openSinkEnd(index === broken ? 'tcp' : (kind as 'tcp'), index === broken),
    )
    const failed = tee(
      source.fd,
      sinks.map(({ fd }) => fd),
    ).then(
      () => assert.fail('it did not fail'),
      error => error as TeeFailure & NodeJS.ErrnoException,
    )
    await sinks[broken]?.read(500_000)
    sinks[broken]?.reset()
    const error = await failed
    assert.match(String(error.code), /ECONNRESET|EPIPE/)
    assert.equal(error.bytes, Math.min(...error.sinkBytes))
    const taken = Buffer.from(error.undelivered ?? [])
    const from = error.sinkBytes[0] as number
    assert.ok(taken.equals(bytes.subarray(from, from + taken.length)))
    await source.close()
    for (const [index, sink] of sinks.entries()) {
      if (index === broken) closeSync(sink.fd)
      else assert.ok((await sink.finish()).equals(bytes.subarray(0, error.sinkBytes[index])))
    }
  }
})

test('aborted at any moment, every byte is accounted for', async () => {
  for (let round = 0; round < 12; round++) {
    const source = openSourceEnd('tcp', bytes)
    const sinks = [openSinkEnd('unix', true), openSinkEnd('tcp'), openSinkEnd('file')]
    const abort = new AbortController()
    const moved = tee(
      source.fd,
      sinks.map(({ fd }) => fd),
      { signal: abort.signal },
    ).then(
      () => undefined,
      error => error as TeeFailure,
    )
    for (let turns = Math.random() * 8; turns > 0; turns--) await setTimeout(0)
    abort.abort()
    const error = await moved
    assert.equal(error?.name, 'AbortError')
    await source.close()
    const reached = await Promise.all(sinks.map(sink => sink.finish()))
    for (const [index, got] of reached.entries()) {
      assert.equal(got.length, error?.sinkBytes[index])
      assert.ok(got.equals(bytes.subarray(0, got.length)))
    }
  }
})

test('nothing is left open', async () => {
  const run = async () => {
    const source = openSourceEnd('pipe', bytes)
    const sinks = [openSinkEnd('unix'), openSinkEnd('tcp'), openSinkEnd('file')]
    await tee(
      source.fd,
      sinks.map(({ fd }) => fd),
    )
    await source.close()
    for (const sink of sinks) await sink.finish()
  }
  await run()
  const before = openDescriptors()
  await run()
  assert.equal(openDescriptors(), before)
})

test('two that share sinks in another order do not wait for one another', async () => {
  const [one, other] = [openSourceEnd('pipe', bytes), openSourceEnd('pipe', bytes)]
  const [a, b] = [openSinkEnd('file'), openSinkEnd('file')]
  const [first, second] = [{ fd: a.fd }, { fd: b.fd }]
  await Promise.all([tee(one.fd, [first, second]), tee(other.fd, [second, first])])
  await Promise.all([one.close(), other.close()])
  for (const sink of [a, b]) assert.ok((await sink.finish()).equals(Buffer.concat([bytes, bytes])))
})

test('arguments are checked', async () => {
  const source = openSourceEnd('file', bytes)
  await assert.rejects(tee(source.fd, []), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(tee(source.fd, 1 as never), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(tee(source.fd, [1], { length: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(tee(source.fd, [1], { signal: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(tee(source.fd, [new PassThrough()]), { code: 'ERR_SLUICE_UNSUPPORTED' })
  await assert.rejects(tee(source.fd, [1], { signal: AbortSignal.abort() }), { name: 'AbortError' })
  await source.close()
})
