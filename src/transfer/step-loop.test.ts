import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { engine } from '../engine/index.js'
import { open } from '../file/index.js'
import { CAP, hasCapability, syscall } from '../kernel/index.js'
import {
  countAfterEach,
  openSinkEnd,
  openSourceEnd,
  scratchFile,
  setBlocking,
  someBytes,
  tcpPair,
} from './ends.test.support.js'
import { Pipe, pipePool, type TransferOptions, type TransferResult, transfer } from './index.js'

countAfterEach()

/** Reads by system calls alone, so that the engine has nothing to do for it. */
async function readPlainly(fd: number, length: number): Promise<Buffer> {
  const bytes = Buffer.from(new ArrayBuffer(length))
  let done = 0
  while (done < length) {
    const result = syscall('read', fd, bytes.subarray(done), Math.min(100_000, length - done))
    if (result > 0) done += result
    await turn()
  }
  return bytes
}

test('a socket that does not block is waited for without an operation of the engine', async () => {
  const bytes = someBytes(6_000_000)
  await using file = await open(scratchFile(bytes))
  const [reader, fd] = tcpPair()
  setBlocking(reader, false)
  setBlocking(fd, false)
  const { submissions } = engine().stats()
  const read = readPlainly(reader, bytes.length)
  const result = await transfer(file, fd, { offset: 0, via: 'sendfile' })
  assert.ok(bytes.equals(await read))
  assert.equal(engine().stats().submissions, submissions)
  assert.deepEqual(result, { bytes: bytes.length, via: 'sendfile' })
  for (const each of [reader, fd]) syscall('close', each)
})

test('an abort ends a wait on the event loop at once, and says how far it came', async () => {
  const bytes = someBytes(20_000_000)
  await using file = await open(scratchFile(bytes))
  const [reader, fd] = tcpPair()
  setBlocking(fd, false)
  const controller = new AbortController()
  const moving = transfer(file, fd, { offset: 0, signal: controller.signal })
  await turn()
  await turn()
  controller.abort()
  const error = await moving.then(
    () => assert.fail('nobody has read it'),
    reason => reason as Error & { code: string; bytes: number },
  )
  assert.equal(error.code, 'ABORT_ERR')
  syscall('close', fd)
  setBlocking(reader, false)
  assert.ok(bytes.subarray(0, error.bytes).equals(await readPlainly(reader, error.bytes)))
  syscall('close', reader)
})

/** So many bytes from one socket to another, to a sink that nobody reads from before it is told to. */
function relays(count: number, options: TransferOptions) {
  return Array.from({ length: count }, () => {
    const bytes = someBytes(700_000)
    const source = openSourceEnd('unix', bytes)
    const sink = openSinkEnd('unix', true)
    for (const { fd } of [source, sink]) setBlocking(fd, false)
    return { bytes, source, sink, moved: transfer(source.fd, sink.fd, options) }
  })
}

async function finishAll(all: ReturnType<typeof relays>): Promise<TransferResult[]> {
  for (const { sink } of all) sink.resume()
  const results = await Promise.all(all.map(({ moved }) => moved))
  for (const { bytes, source, sink } of all) {
    assert.ok(bytes.equals(await sink.finish()))
    await source.close()
  }
  return results
}

test('more relays than there are pipes: those in demand of one wait for it, others do without', async () => {
  const { pipes } = pipePool()
  const demanding = relays(pipes + 8, { via: 'splice' })
  while (pipePool().stats().waiting < 8) await turn()
  assert.equal(pipePool().stats().open, pipes)
  const others = relays(3, {})
  const modest = await finishAll(others)
  assert.deepEqual(new Set(modest.map(({ via }) => via)), new Set(['read+write']))
  const patient = await finishAll(demanding)
  assert.deepEqual(new Set(patient.map(({ via }) => via)), new Set(['splice']))
  const { waiting, open: there, idle } = pipePool().stats()
  assert.deepEqual({ waiting, inUse: there - idle }, { waiting: 0, inUse: 0 })
})

test('bytes go through a pipe of a page or two where a user may have no larger ones', async t => {
  const ordinary = !hasCapability(CAP.SYS_RESOURCE) && !hasCapability(CAP.SYS_ADMIN)
  if (!ordinary) return t.skip('the limits on pipes do not hold for the superuser')
  pipePool().trim()
  const soft = Number(readFileSync('/proc/sys/fs/pipe-user-pages-soft', 'utf8')) * 4096
  const held: Pipe[] = []
  try {
    for (let bytes = 0; bytes <= soft + 2 ** 20; bytes += 2 ** 20) held.push(new Pipe())
    const [result] = await finishAll(relays(1, { via: 'splice' }))
    assert.deepEqual(result, { bytes: 700_000, via: 'splice' })
    assert.match(pipePool().stats().reduced ?? '', /pipe-user-pages-soft/)
  } finally {
    for (const pipe of held) pipe.close()
    pipePool().trim()
  }
})
