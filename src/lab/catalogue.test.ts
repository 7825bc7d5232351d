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
  // A dot and a bracket are themselves.
  assert.deepEqual(ids('r.ng'), [])
  assert.deepEqual(ids('['), [])
})
