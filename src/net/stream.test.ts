import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Connection } from './connection.js'
import { pattern, testOn, testOnBoth, withPair } from './net.test.support.js'
import { LACKS } from './older-kernels.test.support.js'
import { refuseSubmissions } from './untaken.test.support.js'

/** More on request. */
const RUNS = Number(process.env.SLUICE_PROPERTY_RUNS ?? 12)

/** One thing that the writer does: a write of so many bytes, awaited or not, several at once, or a pause. */
type Step =
  | { kind: 'write'; size: number; wait: boolean }
  | { kind: 'writev'; sizes: number[] }
  | { kind: 'pause' }
  | { kind: 'flush' }

/** How the reader takes bytes. */
type Take = { kind: 'read' } | { kind: 'into'; size: number } | { kind: 'pause' } | { kind: 'iterate' }

const size = fc.oneof(
  fc.integer({ min: 0, max: 100 }),
  fc.integer({ min: 0, max: 20_000 }),
  fc.constantFrom(8191, 8192, 8193, 65536, 150_000),
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), size, wait: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('writev' as const), sizes: fc.array(size, { maxLength: 5 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('pause' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('flush' as const) }) },
)
const take: fc.Arbitrary<Take> = fc.oneof(
  fc.record({ kind: fc.constant('read' as const) }),
  fc.record({ kind: fc.constant('into' as const), size: fc.constantFrom(33, 100, 5000, 16384, 70_000) }),
  fc.record({ kind: fc.constant('pause' as const) }),
  fc.record({ kind: fc.constant('iterate' as const) }),
)

const pause = () => new Promise(resolve => setImmediate(resolve))

/** @returns what was written, in order */
async function write(connection: Connection, steps: readonly Step[]): Promise<number> {
  let at = 0
  const next = (length: number) => {
    at += length
    return pattern(length, at - length)
  }
  const pending: Promise<void>[] = []
  const later = (written: Promise<void>) => {
    // What fails while something else is awaited is asserted below.
    written.catch(() => {})
    pending.push(written)
  }
  for (const step of steps) {
    if (step.kind === 'pause') await pause()
    else if (step.kind === 'flush') await connection.flush()
    else if (step.kind === 'writev') later(connection.writev(step.sizes.map(next)))
    else if (step.wait) await connection.write(next(step.size))
    else later(connection.write(next(step.size)))
  }
  await Promise.all(pending)
  await connection.end()
  return at
}

/** @returns what came, in order, until the end */
async function read(connection: Connection, takes: readonly Take[]): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  const iterator = connection[Symbol.asyncIterator]()
  for (let turn = 0; ; turn++) {
    const take = takes[turn % takes.length]
    if (take.kind === 'pause') {
      await pause()
    } else if (take.kind === 'into') {
      const into = new Uint8Array(take.size)
      const count = await connection.readInto(into)
      if (count === 0) break
      chunks.push(into.subarray(0, count))
    } else if (take.kind === 'read') {
      const chunk = await connection.read()
      if (chunk === null) break
      chunks.push(chunk)
    } else {
      const { done, value } = await iterator.next()
      if (done) break
      chunks.push(value)
    }
  }
  return Buffer.concat(chunks)
}

const buffers = fc.constantFrom(undefined, 4096, 30_000)
const setting = fc.record({
  receiveBound: fc.constantFrom(64, 4096, 65536),
  sendBound: fc.constantFrom(1, 5000, 2 ** 20),
  receiveBufferSize: buffers,
  sendBufferSize: buffers,
})

/** Random traffic over a connection at a time. */
async function assertExact(runs: number): Promise<void> {
  const property = fc.asyncProperty(
    fc.array(step, { maxLength: 30 }),
    fc.array(step, { maxLength: 30 }),
    fc
      .array(take, { minLength: 1, maxLength: 8 })
      .filter(takes => takes.some(({ kind }) => kind !== 'pause')),
    setting,
    async (out, back, takes, setting) => {
      const defined = Object.fromEntries(Object.entries(setting).filter(([, value]) => value !== undefined))
      await withPair(
        async (near, far) => {
          const [sent, answered, got, answer] = await Promise.all([
            write(near, out),
            write(far, back),
            read(far, takes),
            read(near, takes),
          ])
          assert.ok(got.equals(pattern(sent)), 'what the server got is what the client sent')
          assert.ok(answer.equals(pattern(answered)), 'what the client got is what the server sent')
        },
        { near: defined, far: defined },
      )
    },
  )
  await fc.assert(property, { numRuns: runs, endOnFailure: true, interruptAfterTimeLimit: 50_000 })
}

testOnBoth('whatever is written comes, in order, once, in both directions at the same time', () =>
  assertExact(RUNS),
)

for (const [lack, doWithout] of Object.entries(LACKS)) {
  testOn(['ring'], `whatever is written comes, in order, once, on ${lack}`, t => {
    doWithout(t)
    return assertExact(Math.ceil(RUNS / 2))
  })
}

testOn(
  ['ring'],
  'whatever is written comes, in order, once, from a kernel that takes submissions late now and then',
  t => {
    let submission = 0
    refuseSubmissions(t)(() => (submission++ * 7) % 11 < 5)
    return assertExact(RUNS)
  },
)

testOnBoth('a stream that is cut short is a prefix of what was sent', async () => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 20 }), fc.nat(300_000), async (out, most) => {
    await withPair(async (near, far) => {
      const writing = write(near, out).catch(error => {
        assert.ok(['ECONNRESET', 'EPIPE', 'ERR_SLUICE_CLOSED'].includes(error.code), error.stack)
      })
      const chunks: Uint8Array[] = []
      for (let length = 0; length < most; ) {
        const chunk = await far.read()
        if (chunk === null) break
        chunks.push(chunk)
        length += chunk.length
      }
      await far.reset()
      await near.destroy()
      await writing
      const got = Buffer.concat(chunks)
      assert.ok(got.equals(pattern(got.length)))
    })
  })
  await fc.assert(property, { numRuns: RUNS, endOnFailure: true, interruptAfterTimeLimit: 50_000 })
})
