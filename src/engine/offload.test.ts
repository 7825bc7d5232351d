import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { JOB_WORDS, jobResult, SYSCALL, syscall, writeJob } from '../kernel/index.js'
import { offload, offloadJobs, type Usage } from './index.js'

test('an offloaded call gives what the call gives', async () => {
  assert.equal(await offload('getpid', []), process.pid)
  const ends = new Int32Array(new ArrayBuffer(8))
  assert.equal(await offload('pipe2', [ends, 0]), 0)
  const text = Buffer.from(new ArrayBuffer(5)).fill('x')
  assert.equal(await offload('write', [ends[1] as number, text, 5]), 5)
  const read = new Uint8Array(new ArrayBuffer(9))
  assert.equal(await offload('read', [ends[0] as number, read, 9]), 5)
  assert.equal(Buffer.from(read).toString('latin1', 0, 5), 'xxxxx')
  for (const fd of ends) assert.equal(await offload('close', [fd]), 0)
})

test('an offloaded call that fails rejects with its error', async () => {
  await assert.rejects(offload('close', [-1]), { code: 'EBADF', syscall: 'close' })
  const options = { syscall: 'open', details: { path: 'x' } }
  const path = new Uint8Array(new ArrayBuffer(1))
  await assert.rejects(offload('openat', [-100, path, 0], options), {
    message: "ENOENT: no such file or directory, open 'x'",
  })
})

test('more calls than can be under way at once all come back, to whom they belong', async () => {
  const calls = Array.from({ length: 5000 }, (_, fd) =>
    offload('close', [1e6 + fd]).catch(error => error.code),
  )
  assert.deepEqual(new Set(await Promise.all(calls)), new Set(['EBADF']))
  const numbers = Array.from({ length: 3000 }, (_, index) => offload(index % 2 ? 'getpid' : 'getuid', []))
  const uid = syscall('getuid')
  assert.ok((await Promise.all(numbers)).every((value, index) => value === (index % 2 ? process.pid : uid)))
})

test('memory that a call was given outlives everyone else', async () => {
  const ends = new Int32Array(new ArrayBuffer(8))
  assert.equal(syscall('pipe2', ends, 0), 0)
  const write = () => {
    const bytes = Buffer.from(new ArrayBuffer(4096)).fill('y')
    return offload('write', [ends[1] as number, bytes, bytes.length])
  }
  const writes = Array.from({ length: 8 }, write)
  for (let round = 0; round < 50; round++) Buffer.alloc(2 ** 20, round)
  await Promise.all(writes)
  const read = Buffer.from(new ArrayBuffer(8 * 4096))
  assert.equal(syscall('read', ends[0] as number, read, read.length), read.length)
  assert.ok(read.every(byte => byte === 0x79))
  for (const fd of ends) syscall('close', fd)
})

test('jobs are carried out in order, each with a result of its own', async () => {
  const ends = new Int32Array(new ArrayBuffer(8))
  assert.equal(syscall('pipe2', ends, 0), 0)
  const jobs = new Int32Array(new ArrayBuffer(4 * JOB_WORDS * 4))
  const [reader, writer] = ends as unknown as [number, number]
  writeJob(jobs, 0, SYSCALL.getpid, 0)
  writeJob(jobs, JOB_WORDS, SYSCALL.close, 0, writer)
  writeJob(jobs, 2 * JOB_WORDS, SYSCALL.close, 0, writer)
  writeJob(jobs, 3 * JOB_WORDS, SYSCALL.close, 0, reader)
  await offloadJobs(jobs, 4)
  const results = [0, 1, 2, 3].map(index => jobResult(jobs, index * JOB_WORDS))
  assert.deepEqual(results, [process.pid, 0, -9, 0])
})

test('a usage counts a call until it is over', async () => {
  let idle = 0
  const usage: Usage = { inFlight: 0, idle: () => idle++ }
  const calls = [offload('getpid', [], { usage }), offload('close', [-1], { usage }).catch(() => {})]
  assert.equal(usage.inFlight, 2)
  await Promise.all(calls)
  await new Promise(resolve => setImmediate(resolve))
  assert.deepEqual([usage.inFlight, idle], [0, 1])
})

test('a process ends when its last offloaded call is over, and not before', () => {
  const face = fileURLToPath(new URL('./index.js', import.meta.url))
  const script = `
    const { offload } = await import(${JSON.stringify(face)})
    const calls = Array.from({ length: 10 }, () => offload('getpid', []))
    Promise.all(calls).then(all => console.log(all.length))`
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 30_000,
  })
  assert.equal(String(stdout), '10\n')
  assert.equal(status, 0)
})
