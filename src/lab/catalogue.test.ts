import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allRows, GOALS, rowsMatching } from './catalogue.js'

/** What the table's first column has. */
const NAME_COLUMNS = 17

test('every row has an id of its own, and a name that fits the table', () => {
  const rows = allRows()
  assert.equal(new Set(rows.map(({ id }) => id)).size, rows.length)
  for (const { mechanism } of rows) assert.ok(mechanism.name.length <= NAME_COLUMNS, mechanism.name)
})

test('every goal has rows, and they stand together', () => {
  const goals = allRows().map(({ goal }) => goal)
  const runs = goals.filter((goal, index) => goal !== goals[index - 1])
  assert.deepEqual(runs, Object.keys(GOALS))
})

/** What the lab promises to compare, goal by goal. A row that goes from here is taken away from users. */
const PROMISED: Record<string, string> = {
  'read/cached/sequential':
    'readsync-1-b readsync-4-kib readsync-64-kib readsync-1-mib readv-16-parts-64-kib fs.promises-64-kib createreadstream-64-kib mmap-64-kib filehandle-64-kib-x16 ring-64-kib-x16 ring-fixed-64-kib-x16',
  'read/cached/random':
    'readsync-4-kib fs.promises-4-kib fs.promises-4-kib-x64 mmap-4-kib filehandle-4-kib filehandle-4-kib-x64 ring-4-kib ring-4-kib-x64 ring-fixed-4-kib-x64 ring-sqpoll-4-kib-x64',
  'read/uncached/sequential':
    'readsync-4-kib readsync-1-mib readv-16-parts-64-kib fs.promises-64-kib createreadstream-64-kib mmap-64-kib filehandle-64-kib-x16 ring-64-kib-x16 direct-readsync-1-mib direct-ring-1-mib-x16',
  'read/uncached/random':
    'readsync-4-kib fs.promises-4-kib-x64 mmap-4-kib filehandle-4-kib-x64 ring-4-kib-x64 direct-readsync-4-kib direct-ring-4-kib-x64 direct-ring-fixed-4-kib-x64',
  'send/cached':
    'fs-net-1-mib read-send-1-mib map-send-1-mib ring-read-send-1-mib ring-zero-copy-1-mib splice-net-1-mib sendfile-net-1-mib transfer-net-1-mib',
  'write/cached/sequential':
    'writesync-4-kib writesync-64-kib writesync-1-mib writev-16-parts-64-kib fs.promises-64-kib createwritestream-64-kib mmap-store-64-kib filehandle-64-kib-x16 ring-64-kib-x16',
  'write/cached/random':
    'writesync-4-kib fs.promises-4-kib-x64 mmap-store-4-kib filehandle-4-kib-x64 ring-4-kib-x64',
  'write/uncached/sequential': 'direct-writesync-1-mib direct-ring-1-mib-x16',
  'write/uncached/random': 'direct-writesync-4-kib direct-ring-4-kib-x64',
  'write/durable/sequential':
    'write-fdatasync-4-kib promises-sync-4-kib filehandle-sync-4-kib ring-write-sync-4-kib 64-writes-1-sync-4-kib-x64 appendlog-4-kib appendlog-4-kib-x64',
  'write/copy/sequential':
    'read-write-1-mib ring-1-mib-x4 write-from-mmap-1-mib copy-file-range-1-mib reflink-1-mib sendfile-1-mib splice-1-mib',
  'net/echo': 'net-64-b-x64 net-64-b-x8 ring-64-b-x64 ring-sqpoll-64-b-x64 node-net-64-b-x64 threads-64-b-x8',
  'net/messages': 'net-each-sent-64-b net-coalesced-64-b-x64 node-net-each-64-b node-net-corked-64-b-x64',
  'net/relay':
    'net-1-mib recv-send-1-mib ring-recv-send-1-mib ring-zero-copy-1-mib splice-net-1-mib transfer-net-1-mib',
}

test('every row that the lab promises is there', () => {
  const ids = new Set(allRows().map(({ id }) => id))
  const promised = Object.entries(PROMISED).flatMap(([goal, slugs]) =>
    slugs.split(' ').map(slug => `${goal}/${slug}`),
  )
  assert.deepEqual(
    promised.filter(id => !ids.has(id)),
    [],
  )
})

test('every mechanism explains itself and its copies', () => {
  for (const { mechanism } of allRows()) {
    assert.ok(mechanism.about.length > 20, mechanism.name)
    assert.ok(mechanism.copiesWhy.length > 5, mechanism.name)
    const lends = mechanism.name.startsWith('mmap') || mechanism.name.endsWith('(net)')
    const shares = mechanism.name === 'reflink'
    assert.equal(mechanism.copies === 0, mechanism.direct === true || lends || shares, mechanism.name)
  }
})

test('a pattern finds rows by id and by name, whatever the case', () => {
  const ids = (pattern: string) => rowsMatching(pattern).map(({ id }) => id)
  assert.deepEqual(ids('read/cached/random/ring-4-kib-x64'), ['read/cached/random/ring-4-kib-x64'])
  assert.deepEqual(ids('SQPOLL'), [
    'read/cached/random/ring-sqpoll-4-kib-x64',
    'net/echo/ring-sqpoll-64-b-x64',
  ])
  assert.deepEqual(ids('readSync 1 B'), ['read/cached/sequential/readsync-1-b'])
  assert.ok(ids('uncached*mmap').every(id => id.startsWith('read/uncached/') && id.includes('mmap')))
  assert.deepEqual(ids('sqpoll, readsync-1-b').length, 3)
  assert.deepEqual(ids('nothing like it'), [])
  assert.deepEqual(ids(' , '), [])
  const reading = [...ids('read/cached/sequential/'), ...ids('read/cached/random/')]
  assert.deepEqual(ids('read/cached/*'), reading, 'reading a file, and nothing that sends it to a socket')
  // A dot and a bracket are themselves.
  assert.deepEqual(ids('r.ng'), [])
  assert.deepEqual(ids('['), [])
})
