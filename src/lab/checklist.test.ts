import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checklist } from './checklist.js'
import { rowReport } from './report.test.support.js'

const BYTES = 'read/cached/sequential/readsync-1-b'
const LARGE = 'read/cached/sequential/readsync-1-mib'
const MIDDLE = 'read/cached/sequential/readsync-64-kib'
const MAPPED = 'read/cached/sequential/mmap-64-kib'
const PROMISED = 'read/cached/random/fs.promises-4-kib'
const RING = 'read/cached/random/ring-4-kib-x64'
const SHALLOW = 'read/cached/random/ring-4-kib'

test('needless system calls are named with their number and their price', () => {
  const [calls] = checklist([
    rowReport(BYTES, { mibPerSecond: 2 }),
    rowReport(LARGE, { mibPerSecond: 8000 }),
    rowReport(PROMISED, { callsPerOperation: 9, mibPerSecond: 100 }),
    rowReport(RING, { callsPerOperation: 1 / 64, mibPerSecond: 4000 }),
  ])
  assert.equal(calls?.verdict, 'yes, in 2 rows')
  assert.equal(calls?.good, false)
  const text = calls?.points.join('\n') ?? ''
  assert.match(text, /readSync 1 B makes 1,048,576 system calls for each MiB and moves 2 MiB\/s/)
  assert.match(text, /readSync 1 MiB makes 1 and moves 8,000 MiB\/s/)
  assert.match(text, /fs\.promises 4 KiB makes 9 system calls for each operation/)
})

test('no system call is needless where none could be spared', () => {
  const [calls] = checklist([rowReport(MIDDLE, {}), rowReport(MAPPED, { callsPerOperation: 0.5 })])
  assert.equal(calls?.verdict, 'no')
  assert.equal(calls?.good, true)
})

test('copies are counted from how the mechanisms of this run work', () => {
  const [, copies] = checklist([
    rowReport(MIDDLE, { mibPerSecond: 5000 }),
    rowReport(MAPPED, { mibPerSecond: 4000 }),
  ])
  assert.equal(copies?.verdict, 'no')
  assert.match(copies?.points[0] ?? '', /once at most.*1 of 2 rows have no copy \(mmap\)/)
  assert.match(copies?.points[2] ?? '', /not free.*mmap 64 KiB moves 4,000 MiB\/s, readSync 64 KiB/)
  const [, quick] = checklist([
    rowReport(MIDDLE, { mibPerSecond: 5000 }),
    rowReport(MAPPED, { mibPerSecond: 9000 }),
  ])
  assert.match(quick?.points[2] ?? '', /pays here/)
})

test('a queue beyond its bound is found, and what depth costs is shown', () => {
  const bounded = [
    rowReport(SHALLOW, { mibPerSecond: 1000, p50Us: 1 }),
    rowReport(RING, { mibPerSecond: 4000, p50Us: 50 }),
  ]
  const [, , queues] = checklist(bounded)
  assert.equal(queues?.verdict, 'yes')
  assert.match(
    queues?.points.join('\n') ?? '',
    /Ring 4 KiB ×64 moves 4 times .* waits 50 µs \(p50\) instead of 1/,
  )
  const [, , broken] = checklist([rowReport(RING, { deepest: 65 })])
  assert.equal(broken?.verdict, 'no')
  assert.equal(broken?.good, false)
})

test('for each goal the fastest is named, what cannot be told from it, and what takes the least CPU', () => {
  const [, , , primitive] = checklist([
    rowReport(PROMISED, { mibPerSecond: 100, cpuUs: 40 }),
    rowReport(RING, { mibPerSecond: 4000, cpuUs: 2 }),
    rowReport(SHALLOW, { mibPerSecond: 3990, cpuUs: 1 }),
    rowReport(LARGE, {}),
  ])
  assert.equal(primitive?.points.length, 1, 'one goal has rows to compare')
  assert.match(
    primitive?.points[0] ?? '',
    /Ring 4 KiB ×64 is the fastest with 4,000 MiB\/s, 40 times fs\.promises 4 KiB \(within its spread: Ring 4 KiB\)\. Ring 4 KiB takes the least CPU, 256 µs/,
  )
})

test('rows that were not run are not spoken of', () => {
  assert.deepEqual(checklist([rowReport(RING, 'io_uring is refused')]), [])
  const [calls] = checklist([rowReport(MIDDLE, {}), rowReport(RING, 'io_uring is refused')])
  assert.doesNotMatch(JSON.stringify(calls), /Ring/)
})
