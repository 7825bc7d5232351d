import assert from 'node:assert/strict'
import { closeSync, ftruncateSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { PAGE_SIZE, POSIX_FADV, syscall } from '../kernel/index.js'
import { cpuTimes, fingerprint, kernelThreads, residency, storageOf } from './index.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-observe-'))
after(() => rmSync(folder, { recursive: true }))

test('a fingerprint names the machine, and can be written as JSON', () => {
  const print = fingerprint(folder)
  assert.deepEqual(JSON.parse(JSON.stringify(print)).node.version, process.version)
  assert.ok(print.cpu.count >= 1)
  assert.ok(print.memory.bytes > 0)
  assert.equal(print.memory.pageBytes, PAGE_SIZE)
  assert.notEqual(print.storage.fileSystem, '')
  assert.match(print.kernel.release, /^linux \d/)
})

test('a place that is not there is an error', () => {
  assert.throws(() => storageOf(join(folder, 'nothing')), { code: 'ENOENT' })
})

test('what was just written is cached, and a hole is not', () => {
  const path = join(folder, 'cached')
  writeFileSync(path, new Uint8Array(8 * PAGE_SIZE))
  const fd = openSync(path, 'r+')
  const { cachedPages, pages, method } = residency(fd, 0, 8 * PAGE_SIZE)
  assert.equal(pages, 8)
  assert.equal(cachedPages, 8)
  ftruncateSync(fd, 16 * PAGE_SIZE)
  const hole = residency(fd, 8 * PAGE_SIZE, 8 * PAGE_SIZE)
  if (method === 'cachestat') assert.equal(hole.cachedPages, 0)
  assert.equal(residency(fd, 0, 5).pages, 1)
  closeSync(fd)
})

test('what the page cache is told to forget is not cached any more', context => {
  if (storageOf(folder).device === undefined) return context.skip(`${folder} lies on no device`)
  const path = join(folder, 'evicted')
  writeFileSync(path, new Uint8Array(16 * PAGE_SIZE))
  const fd = openSync(path, 'r+')
  assert.equal(syscall('fdatasync', fd), 0)
  assert.equal(syscall('fadvise64', fd, 0, 0, POSIX_FADV.DONTNEED), 0)
  assert.equal(residency(fd, 0, 16 * PAGE_SIZE).cachedPages, 0)
  readSync(fd, new Uint8Array(1), 0, 1, 0)
  assert.ok(residency(fd, 0, PAGE_SIZE).cachedPages > 0)
  closeSync(fd)
  return undefined
})

test('a process without rings has no threads of the kernel', () => {
  assert.deepEqual(kernelThreads(), { workers: 0, pollers: 0, cpuNs: 0 })
})

test('the CPUs’ time goes on', () => {
  const before = cpuTimes()
  const after = cpuTimes()
  assert.ok(after.busyMs + after.idleMs >= before.busyMs + before.idleMs)
})
