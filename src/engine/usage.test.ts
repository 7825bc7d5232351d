import assert from 'node:assert/strict'
import { closeSync, writeSync } from 'node:fs'
import { test } from 'node:test'
import { syscall } from '../kernel/index.js'
import { prepareNop } from '../ring/index.js'
import { Engine, type Usage } from './index.js'

function pipe(): [reader: number, writer: number] {
  const ends = new Int32Array(new ArrayBuffer(8))
  assert.equal(syscall('pipe2', ends, 0), 0)
  return [ends[0] as number, ends[1] as number]
}

function counting(): Usage & { idles: number } {
  const usage = {
    inFlight: 0,
    idles: 0,
    idle: () => {
      usage.idles++
    },
  }
  return usage
}

test('a usage counts every kind of operation, whether it succeeds or fails', async () => {
  await using engine = new Engine()
  const usage = counting()
  const [reader, writer] = pipe()
  const bytes = new Uint8Array(new ArrayBuffer(100))
  const operations = [
    engine.write(writer, bytes, 0, 100, -1, undefined, undefined, usage),
    engine.read(reader, bytes, 0, 100, -1, undefined, undefined, usage),
    engine.read(-1, bytes, 0, 100, -1, undefined, undefined, usage),
    engine.run((queue, userData) => prepareNop(queue, userData), { syscall: 'nop', usage }),
    ...engine.chain(
      [{ syscall: 'nop', usage, prepare: (queue, userData) => prepareNop(queue, userData) }],
      0,
    ),
  ]
  assert.equal(usage.inFlight, operations.length)
  await Promise.allSettled(operations)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual([usage.inFlight, usage.idles], [0, 1])
  closeSync(reader)
  closeSync(writer)
})

test('a usage counts an operation that waits for a slot', async () => {
  await using engine = new Engine({ maxInFlight: 1 })
  const usage = counting()
  const [reader, writer] = pipe()
  const bytes = new Uint8Array(new ArrayBuffer(100))
  const reads = [0, 1, 2].map(at => engine.read(reader, bytes, at, 1, -1, undefined, undefined, usage))
  assert.equal(usage.inFlight, 3)
  writeSync(writer, 'abc')
  await Promise.all(reads)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual([usage.inFlight, usage.idles], [0, 1])
  closeSync(reader)
  closeSync(writer)
})

test('a usage counts an aborted operation until the kernel has let go', async () => {
  await using engine = new Engine()
  const usage = counting()
  const [reader, writer] = pipe()
  const controller = new AbortController()
  const bytes = new Uint8Array(new ArrayBuffer(100))
  const read = engine.read(reader, bytes, 0, 100, -1, undefined, controller.signal, usage)
  setImmediate(() => controller.abort())
  await assert.rejects(read, { name: 'AbortError' })
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual([usage.inFlight, usage.idles], [0, 1])
  closeSync(reader)
  closeSync(writer)
})
