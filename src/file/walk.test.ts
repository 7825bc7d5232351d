import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { scratchFolder } from './file.test.support.js'
import { type WalkEntry, type WalkOptions, walk } from './index.js'

const folder = scratchFolder()
const root = join(folder, 'root')

/** Folders three deep, with files, links and names of all kinds. */
function grow(path: string, depth: number): void {
  mkdirSync(path)
  for (let index = 0; index < 12; index++) writeFileSync(join(path, `file ${index} ü`), 'x'.repeat(index))
  symlinkSync('file 0 ü', join(path, 'link'))
  symlinkSync('..', join(path, 'up'))
  for (let index = 0; depth > 0 && index < 4; index++) grow(join(path, `folder-${index}`), depth - 1)
}
grow(root, 3)
mkdirSync(join(root, 'large'))
for (let index = 0; index < 3000; index++)
  writeFileSync(join(root, 'large', `${'n'.repeat(60)}-${index}`), '')

async function collect(options: WalkOptions = {}, start: string | Buffer = root): Promise<WalkEntry[]> {
  const all: WalkEntry[] = []
  for await (const entry of walk(start, options)) all.push(entry)
  return all
}

function kind(entry: { isFile(): boolean; isDirectory(): boolean; isSymbolicLink(): boolean }): string {
  return [entry.isFile(), entry.isDirectory(), entry.isSymbolicLink()].join()
}

/** What is there, folder by folder: Node's recursive readdir follows links, from Node 22 on. */
function expected(path = root): string[] {
  const entries = readdirSync(path, { withFileTypes: true })
  return entries
    .flatMap(entry => {
      const inner = join(path, entry.name)
      return [`${inner} ${kind(entry)}`, ...(entry.isDirectory() ? expected(inner) : [])]
    })
    .sort()
}

test('everything below a folder is found once, with its type', async () => {
  for (const inFlight of [1, 3, 16]) {
    const found = (await collect({ inFlight })).map(entry => `${entry.path} ${kind(entry)}`)
    assert.deepEqual(found.sort(), expected())
  }
})

test('a folder comes before what is in it', async () => {
  const seen = new Set([root])
  for (const entry of await collect()) {
    assert.ok(seen.has(entry.parentPath), entry.path)
    if (entry.isDirectory()) seen.add(entry.path)
  }
})

test('an entry knows its name, its folder and its depth', async () => {
  for (const entry of await collect()) {
    assert.equal(join(entry.parentPath, entry.name), entry.path)
    assert.equal(entry.depth, entry.path.slice(root.length + 1).split('/').length - 1)
    assert.equal(entry.bytes.toString(), entry.path)
    assert.equal(entry.stats, undefined)
  }
})

test('stats come along where asked for', async () => {
  for (const { stats, path, ...entry } of await collect({ stats: true })) {
    assert.ok(stats !== undefined && !(stats instanceof Error), path)
    if (path.includes('file 7')) assert.equal(stats.size, 7)
    assert.equal(typeof entry, 'object')
  }
})

test('the walk goes as deep as it may, and where it may', async () => {
  const shallow = await collect({ maxDepth: 0 })
  assert.deepEqual(shallow.map(({ name }) => name).sort(), readdirSync(root).sort())
  const some = await collect({ enter: entry => entry.name === 'folder-1' })
  assert.ok(some.some(entry => entry.path.endsWith('folder-1/folder-1/folder-1/link')))
  assert.ok(some.every(entry => !entry.path.includes('folder-2/')))
})

test('the root may be a link, a slash may end it, and it may be bytes', async () => {
  const link = join(folder, 'to-root')
  symlinkSync(root, link)
  const count = expected().length
  assert.equal((await collect({}, link)).length, count)
  const slashed = await collect({}, `${root}/`)
  assert.equal(slashed.length, count)
  assert.ok(slashed.every(entry => !entry.path.includes('//')))
  assert.equal((await collect({}, Buffer.from(root))).length, count)
})

test('names that are no UTF-8 are walked into', async () => {
  const odd = join(folder, 'odd')
  mkdirSync(odd)
  const strange = Buffer.concat([Buffer.from(`${odd}/`), Buffer.from([0x66, 0xff, 0xfe])])
  mkdirSync(strange)
  writeFileSync(Buffer.concat([strange, Buffer.from('/inside')]), '')
  const found = await collect({ stats: true }, odd)
  assert.equal(found.length, 2)
  const inside = found.find(({ name }) => name === 'inside') as WalkEntry
  assert.deepEqual(inside.bytes, Buffer.concat([strange, Buffer.from('/inside')]))
  assert.ok(!(inside.stats instanceof Error))
})

test('while nobody takes what is found, few folders are open, and no more are read', async () => {
  const inFlight = 3
  let entered = 0
  const enter = () => {
    entered++
    return true
  }
  const open = () => {
    let count = 0
    for (const name of readdirSync('/proc/self/fd')) {
      try {
        if (readlinkSync(`/proc/self/fd/${name}`).startsWith(root)) count++
      } catch {
        // The one that lists them is gone already.
      }
    }
    return count
  }
  const folders = (await collect()).filter(entry => entry.isDirectory()).length
  const iterator = walk(root, { inFlight, enter })
  await iterator.next()
  let most = 0
  for (let turn = 0; turn < 60; turn++) {
    await new Promise(setImmediate)
    most = Math.max(most, open())
  }
  assert.ok(most > 0 && most <= inFlight, `${most} open`)
  assert.ok(entered < folders, `${entered} of ${folders} folders entered`)
  await iterator.return?.()
  assert.equal(open(), 0)
})

test('a walk that is left early ends its reading', async () => {
  for await (const _ of walk(root)) break
  const iterator = walk(root)
  await iterator.next()
  await iterator.return?.()
  assert.deepEqual(await iterator.next(), { done: true, value: undefined })
})

test('a walk can be aborted', async () => {
  await assert.rejects(
    async () => {
      const controller = new AbortController()
      for await (const _ of walk(root, { signal: controller.signal })) controller.abort()
    },
    { name: 'AbortError' },
  )
})

test('a root that cannot be read is an error', async () => {
  const missing = join(folder, 'missing')
  await assert.rejects(collect({}, missing), { code: 'ENOENT', syscall: 'opendir', path: missing })
  await assert.rejects(collect({}, join(root, 'link')), { code: 'ENOTDIR' })
})

test('a folder that cannot be read ends the walk, or is told', async t => {
  if (process.getuid?.() === 0) return t.skip('to root, every folder is open')
  const closed = join(folder, 'closed')
  mkdirSync(join(closed, 'inner'), { recursive: true })
  chmodSync(join(closed, 'inner'), 0)
  t.after(() => chmodSync(join(closed, 'inner'), 0o700))
  await assert.rejects(collect({}, closed), { code: 'EACCES' })
  const told: string[] = []
  const found = await collect({ onError: (error, path) => told.push(`${error.code} ${path}`) }, closed)
  assert.equal(found.length, 1)
  assert.deepEqual(told, [`EACCES ${join(closed, 'inner')}`])
})

test('a folder that goes meanwhile is passed over', async () => {
  const going = join(folder, 'going')
  mkdirSync(join(going, 'inner'), { recursive: true })
  const found = await collect(
    {
      enter: entry => {
        rmSync(entry.path, { recursive: true })
        return true
      },
    },
    going,
  )
  assert.equal(found.length, 1)
})

test('what a callback throws ends the walk', async () => {
  const enter = () => {
    throw new Error('own')
  }
  await assert.rejects(collect({ enter }), /own/)
  const told: unknown[] = []
  await assert.rejects(collect({ enter, onError: error => told.push(error) }), /own/)
  const below = (entry: WalkEntry) => entry.depth === 0 || enter()
  await assert.rejects(collect({ enter: below, onError: error => told.push(error) }), /own/)
  assert.deepEqual(told, [])
})

test('wrong options are refused', () => {
  const wrong: [object, string][] = [
    [{ inFlight: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ maxDepth: -1 }, 'ERR_OUT_OF_RANGE'],
    [{ stats: 'yes' }, 'ERR_INVALID_ARG_TYPE'],
    [{ enter: true }, 'ERR_INVALID_ARG_TYPE'],
    [{ onError: 5 }, 'ERR_INVALID_ARG_TYPE'],
  ]
  for (const [options, code] of wrong) assert.throws(() => walk(root, options as never), { code })
  assert.throws(() => walk(5 as never), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('entries that are asked for without waiting come one after the other', async () => {
  const iterator = walk(root)
  const results = await Promise.all(Array.from({ length: 5000 }, () => iterator.next()))
  const paths = results.flatMap(({ value }) => (value === undefined ? [] : [value.path]))
  assert.equal(new Set(paths).size, expected().length)
  assert.equal(paths.length, expected().length)
})
