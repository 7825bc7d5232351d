import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import test from 'node:test'
import {
  AT,
  addressOf,
  errnoOf,
  JOB_WORDS,
  jobResult,
  O,
  pathBytes,
  resultOf,
  runJobs,
  SYSCALL,
  writeJob,
} from './index.js'

/** Opens a file, reads from what was opened, and closes that. */
function openReadClose(path: string, target: Uint8Array): number[] {
  const jobs = new Int32Array(new ArrayBuffer(3 * JOB_WORDS * 4))
  const name = pathBytes(path)
  writeJob(jobs, 0, SYSCALL.openat, 0, AT.FDCWD, addressOf(name), O.RDONLY | O.CLOEXEC)
  writeJob(jobs, JOB_WORDS, SYSCALL.pread64, 0, resultOf(0), addressOf(target), target.length, 0)
  writeJob(jobs, 2 * JOB_WORDS, SYSCALL.close, 0, resultOf(0))
  runJobs(jobs, 3)
  return [0, 1, 2].map(index => jobResult(jobs, index * JOB_WORDS))
}

test('a job takes the result of an earlier one as an argument', () => {
  const target = new Uint8Array(new ArrayBuffer(16))
  const before = readdirSync('/proc/self/fd').length
  const [fd, read, closed] = openReadClose(process.execPath, target)
  assert.ok(fd > 2)
  assert.equal(read, 16)
  assert.equal(closed, 0)
  assert.equal(Buffer.from(target).toString('latin1', 0, 4), '\x7fELF')
  assert.equal(readdirSync('/proc/self/fd').length, before)
})

test('a job that needs the result of one that failed is not carried out', () => {
  const results = openReadClose('/absent', new Uint8Array(new ArrayBuffer(16)))
  assert.deepEqual(results, [-errnoOf('ENOENT'), -errnoOf('ECANCELED'), -errnoOf('ECANCELED')])
})

test('a job cannot take a result that is not there yet', () => {
  const jobs = new Int32Array(new ArrayBuffer(JOB_WORDS * 4))
  writeJob(jobs, 0, SYSCALL.close, 0, resultOf(0))
  runJobs(jobs, 1)
  assert.equal(jobResult(jobs, 0), -errnoOf('ECANCELED'))
})
