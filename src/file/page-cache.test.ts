import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { PAGE_SIZE } from '../kernel/index.js'
import { Mapping } from '../memory/index.js'
import { open } from './open.js'
import { pageCache } from './page-cache.js'

const PAGES = 64

let folder: string
let file: string
/** Why nothing can be evicted: the folder is in memory and has no device. */
let pinned: string | false = false

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-page-cache-'))
  file = path.join(folder, 'file')
  fs.writeFileSync(file, Buffer.alloc(PAGES * PAGE_SIZE - 100, 'x'))
  await using handle = await open(file)
  if ((await pageCache.evict(handle)) > 0) pinned = 'the temporary folder is kept in memory'
})

after(() => fs.rmSync(folder, { recursive: true }))

test('what is loaded is cached, what is evicted is not, and looking changes nothing', async t => {
  if (pinned) return t.skip(pinned)
  await using handle = await open(file)
  assert.equal(await pageCache.evict(handle), 0)
  assert.equal((await pageCache.stat(handle)).cached, 0)
  assert.equal((await pageCache.stat(handle)).cached, 0)
  await pageCache.load(handle)
  const stat = await pageCache.stat(handle)
  assert.deepEqual([stat.cached, stat.pages, stat.pageSize], [PAGES, PAGES, PAGE_SIZE])
})

test('a range is widened to whole pages and cut to the file', async () => {
  await using handle = await open(file)
  const pages = async (offset: number, length?: number) =>
    (await pageCache.stat(handle, length === undefined ? { offset } : { offset, length })).pages
  assert.equal(await pages(PAGE_SIZE - 1, 2), 2)
  assert.equal(await pages(PAGE_SIZE, 0), 0)
  assert.equal(await pages((PAGES - 1) * PAGE_SIZE), 1)
  assert.equal(await pages(PAGES * PAGE_SIZE * 2, 10), 0)
})

test('only the range that is asked for is evicted', async t => {
  if (pinned) return t.skip(pinned)
  await using handle = await open(file)
  await pageCache.load(handle)
  await pageCache.evict(handle, { offset: 0, length: 16 * PAGE_SIZE })
  assert.equal((await pageCache.stat(handle, { offset: 0, length: 16 * PAGE_SIZE })).cached, 0)
  assert.equal((await pageCache.stat(handle, { offset: 16 * PAGE_SIZE })).cached, PAGES - 16)
})

test('changed pages are counted, and written back before they are evicted', async t => {
  if (pinned) return t.skip(pinned)
  const name = path.join(folder, 'dirty')
  await using handle = await open(name, 'w+')
  await handle.write(Buffer.alloc(8 * PAGE_SIZE, 'y'), 0, 8 * PAGE_SIZE, 0)
  const { dirty, writeback, method } = await pageCache.stat(handle)
  if (method !== 'cachestat') return t.skip('changed pages are counted by cachestat(2), Linux 6.5')
  assert.equal((dirty ?? 0) + (writeback ?? 0), 8)
  assert.equal(await pageCache.evict(handle), 0)
  assert.ok(fs.readFileSync(name).every(byte => byte === 'y'.charCodeAt(0)))
})

test('what the kernel has pushed out is counted as evicted', async t => {
  if (pinned) return t.skip(pinned)
  const name = path.join(folder, 'pushed-out')
  fs.writeFileSync(name, Buffer.alloc(32 * PAGE_SIZE, 'z'))
  await using handle = await open(name, 'r+')
  await handle.sync()
  await pageCache.load(handle)
  const before = await pageCache.stat(handle)
  if (before.method !== 'cachestat') return t.skip('evicted pages are counted by cachestat(2), Linux 6.5')
  // posix_fadvise(2) leaves no trace of a page; reclaiming memory does.
  using mapping = new Mapping({ file: handle, access: 'write' })
  let seen = before
  // It takes no page that waits on another CPU's list to be counted, or that somebody else looks at just now.
  for (let tries = 0; tries < 50 && !seen.evicted; tries++) {
    mapping.advise('populate-read')
    mapping.advise('pageout')
    seen = await pageCache.stat(handle)
  }
  const { cached, evicted, recentlyEvicted, pages } = seen
  assert.ok(evicted !== undefined && evicted > 0, `${evicted} of ${pages} evicted`)
  // A page that the kernel takes back for good meanwhile leaves no trace either.
  assert.ok(cached + evicted <= pages, `${cached} cached and ${evicted} evicted of ${pages}`)
  assert.ok(recentlyEvicted !== undefined && recentlyEvicted <= evicted)
})

test('locked pages are not evicted until they are unlocked', async t => {
  if (pinned) return t.skip(pinned)
  await using handle = await open(file)
  const lock = await pageCache.lock(handle)
  assert.equal(await pageCache.evict(handle), PAGES)
  lock.unlock()
  lock.unlock()
  assert.equal(await pageCache.evict(handle), 0)
})

test('an empty file holds nothing, and everything can be done with it', async () => {
  await using handle = await open(path.join(folder, 'empty'), 'w+')
  assert.deepEqual((await pageCache.stat(handle)).pages, 0)
  await pageCache.load(handle)
  assert.equal(await pageCache.evict(handle), 0)
  assert.equal((await pageCache.lock(handle)).bytes, 0)
})

test('descriptors and Node’s handles will do; what is none is refused', async () => {
  const fd = fs.openSync(file, 'r')
  assert.equal((await pageCache.stat(fd)).pages, PAGES)
  fs.closeSync(fd)
  const node = await fs.promises.open(file)
  assert.equal((await pageCache.stat(node)).pages, PAGES)
  await node.close()
  await assert.rejects(pageCache.stat(99999), { code: 'EBADF', syscall: 'fstat' })
  await assert.rejects(pageCache.stat('x' as unknown as number), { code: 'ERR_INVALID_ARG_TYPE' })
  await assert.rejects(pageCache.stat(0, { offset: -1 }), { code: 'ERR_OUT_OF_RANGE' })
})

test('a file that is closed while it is loaded or evicted stays open until that is over', async () => {
  for (const call of [pageCache.load, pageCache.evict, pageCache.stat, pageCache.lock]) {
    const handle = await open(file)
    const { fd } = handle
    const working = call(handle)
    const closing = handle.close()
    assert.ok(fs.fstatSync(fd).isFile())
    await working
    await closing
    assert.throws(() => fs.fstatSync(fd), { code: 'EBADF' })
    const node = await fs.promises.open(file)
    const result = call(node)
    await node.close()
    await result
  }
})

test('a handle that has been closed is a bad descriptor', async () => {
  const handle = await open(file)
  await handle.close()
  const node = await fs.promises.open(file)
  await node.close()
  for (const closed of [handle, node]) {
    for (const call of [pageCache.load, pageCache.evict, pageCache.stat, pageCache.lock]) {
      await assert.rejects(call(closed), { code: 'EBADF' })
    }
  }
})

test('loading ends when it is aborted', async () => {
  await using handle = await open(file)
  await assert.rejects(pageCache.load(handle, { signal: AbortSignal.abort() }), { name: 'AbortError' })
})
