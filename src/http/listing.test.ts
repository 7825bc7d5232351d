import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { Site } from './site.js'
import type { SiteOptions } from './site-options.js'

const base = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-listing-'))
const root = path.join(base, 'root')
fs.mkdirSync(path.join(root, 'sub/deep'), { recursive: true })
fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
const MODIFIED = new Date('2024-05-01T12:00:00.000Z')
fs.utimesSync(path.join(root, 'a.txt'), MODIFIED, MODIFIED)
fs.writeFileSync(path.join(base, 'outside'), 'outside')
fs.mkdirSync(path.join(base, 'away'))
for (const [name, target] of [
  ['file', '../a.txt'],
  ['folder', 'deep'],
  ['leaves', '../../outside'],
  ['leaves-too', '../../away'],
  ['dangles', 'nowhere'],
  ['loops', 'loops'],
  ['absolute', path.join(base, 'outside')],
] as const)
  fs.symlinkSync(target, path.join(root, 'sub', name))
after(() => fs.rmSync(base, { recursive: true }))

type Entry = { name: string; type: string; size: number; modified: string }

/** What a listing shows, and what a request for each of it is answered with. */
async function listed(options: Partial<SiteOptions>): Promise<{ entries: Entry[]; statuses: number[] }> {
  const site = new Site({ root, listing: true, ...options })
  const ask = async (target: string) => {
    const rest = { range: undefined, ifRange: undefined, acceptEncoding: undefined, ifMatch: undefined }
    const conditions = { ifNoneMatch: undefined, ifModifiedSince: undefined, ifUnmodifiedSince: undefined }
    const answer = await site.answer({
      method: 'GET',
      target,
      accept: 'application/json',
      ...rest,
      ...conditions,
    })
    if (answer.body.kind === 'file') answer.body.file.release()
    return answer
  }
  try {
    const { body } = await ask('/sub/')
    assert.ok(body.kind === 'bytes')
    const { entries } = JSON.parse(Buffer.from(body.bytes).toString()) as { entries: Entry[] }
    const statuses = []
    for (const { name, type } of entries)
      statuses.push((await ask(`/sub/${name}${type === 'directory' ? '/' : ''}`)).status)
    return { entries, statuses }
  } finally {
    site.close()
  }
}

test('a listing shows the links that are served, as what they lead to, and no others', async () => {
  const { entries, statuses } = await listed({})
  assert.deepEqual(
    entries.map(({ name, type, size }) => [name, type, type === 'file' ? size : 0]),
    [
      ['deep', 'directory', 0],
      ['folder', 'directory', 0],
      ['file', 'file', 5],
    ],
  )
  assert.equal(entries[2]?.modified, '2024-05-01T12:00:00.000Z')
  assert.deepEqual(statuses, [200, 200, 200])
})

test('by another policy it shows others', async () => {
  assert.deepEqual(
    (await listed({ symlinks: 'deny' })).entries.map(({ name }) => name),
    ['deep'],
  )
  const { entries, statuses } = await listed({ symlinks: 'follow' })
  assert.deepEqual(
    entries.map(({ name }) => name),
    ['deep', 'folder', 'leaves-too', 'absolute', 'file', 'leaves'],
  )
  assert.ok(statuses.every(status => status === 200))
})

test('what was opened to be looked at is closed', async () => {
  const open = () => fs.readdirSync('/proc/self/fd').length
  await listed({})
  const before = open()
  for (let round = 0; round < 3; round++) await listed({ symlinks: 'follow' })
  assert.equal(open(), before)
})
