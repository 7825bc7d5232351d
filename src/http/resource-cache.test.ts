import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { Answer } from './answer.js'
import { fileOf } from './answer.js'
import { ANSWER, KnownHead } from './known-head.js'
import { RememberedTargets } from './remembered-targets.js'
import type { Resource } from './resource.js'
import { Site } from './site.js'
import type { SiteOptions } from './site-options.js'

/** Longer than any test: what is seen was told by inotify. */
const NEVER = 2 ** 30

interface Setting {
  root: string
  site: Site
  /** What a target gives: the status, and the text of a file, by way of the shortcut where there is one. */
  ask(target: string): Promise<string>
}

async function withSite(
  options: Partial<SiteOptions>,
  use: (setting: Setting) => Promise<void>,
): Promise<void> {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-cache-'))
  fs.mkdirSync(path.join(root, 'a/b'), { recursive: true })
  fs.writeFileSync(path.join(root, 'a/b/file.txt'), 'first')
  fs.writeFileSync(path.join(root, 'top.txt'), 'top')
  const site = new Site({ root, cacheMs: NEVER, ...options })
  const ask = async (target: string) => {
    await turn()
    const hot = site.hot(target)
    if (hot !== undefined) return (await hot.plain.read(0, 100)).toString()
    const answer = await site.answer({ ...REQUEST, target })
    const { stored } = answer
    if (stored !== undefined) site.remember(target, stored.resource)
    return textOf(answer)
  }
  try {
    await use({ root, site, ask })
  } finally {
    site.close()
    fs.rmSync(root, { recursive: true })
  }
}

/** What inotify tells is read within a turn of the event loop; the present one may be past that. */
async function turn(): Promise<void> {
  for (let count = 0; count < 2; count++) await new Promise(resolve => setImmediate(resolve))
}

const REQUEST = {
  method: 'GET',
  acceptEncoding: undefined,
  accept: undefined,
  range: undefined,
  ifRange: undefined,
  ifMatch: undefined,
  ifNoneMatch: undefined,
  ifModifiedSince: undefined,
  ifUnmodifiedSince: undefined,
}

async function textOf(answer: Answer): Promise<string> {
  const file = fileOf(answer)
  if (file === undefined) return String(answer.status)
  const text = (await file.read(0, 100)).toString()
  file.release()
  return text
}

/** What is asked for twice, so that it is at hand, then changed, and must be seen as it is at once. */
const CHANGES: readonly [what: string, change: (root: string) => void, expected: string][] = [
  ['a write', root => fs.writeFileSync(`${root}/a/b/file.txt`, 'other'), 'other'],
  ['a write that leaves size and time', root => rewrite(`${root}/a/b/file.txt`, 'FIRST'), 'FIRST'],
  ['a truncation', root => fs.truncateSync(`${root}/a/b/file.txt`, 2), 'fi'],
  ['a replacement', root => replace(root, 'a/b/file.txt', 'second'), 'second'],
  ['a deletion', root => fs.rmSync(`${root}/a/b/file.txt`), '404'],
  ['a file renamed away', root => fs.renameSync(`${root}/a/b/file.txt`, `${root}/else`), '404'],
  ['a directory renamed away', root => fs.renameSync(`${root}/a/b`, `${root}/c`), '404'],
  ['a directory above renamed away', root => fs.renameSync(`${root}/a`, `${root}/c`), '404'],
  ['a directory deleted', root => fs.rmSync(`${root}/a`, { recursive: true }), '404'],
  ['a directory exchanged', exchange, 'exchanged'],
  ['another mode of a directory', root => fs.chmodSync(`${root}/a`, 0o700), 'first'],
]

function rewrite(name: string, content: string): void {
  const { atime, mtime } = fs.statSync(name)
  fs.writeFileSync(name, content)
  fs.utimesSync(name, atime, mtime)
}

function replace(root: string, name: string, content: string): void {
  fs.writeFileSync(`${root}/new`, content)
  fs.renameSync(`${root}/new`, `${root}/${name}`)
}

function exchange(root: string): void {
  fs.mkdirSync(`${root}/new/b`, { recursive: true })
  fs.writeFileSync(`${root}/new/b/file.txt`, 'exchanged')
  fs.renameSync(`${root}/a`, `${root}/old`)
  fs.renameSync(`${root}/new`, `${root}/a`)
}

for (const [what, change, expected] of CHANGES) {
  test(`${what} is seen at once`, async () => {
    await withSite({}, async ({ root, site, ask }) => {
      assert.equal(await ask('/a/b/file.txt'), 'first')
      assert.equal(await ask('/a/b/file.txt'), 'first')
      assert.equal(site.cacheStats().watched, 1)
      change(root)
      assert.equal(await ask('/a/b/file.txt'), expected)
      assert.equal(await ask('/top.txt'), 'top')
    })
  })
}

/** More than the kernel keeps for who has not read them yet; changes of the same file in a row would be one. */
function overflow(root: string): void {
  const most = Number(fs.readFileSync('/proc/sys/fs/inotify/max_queued_events', 'latin1'))
  for (let count = 0; count <= most; count++) {
    fs.chmodSync(`${root}/${count % 2 === 0 ? 'top.txt' : 'a'}`, 0o700)
  }
}

for (const [what, before] of [
  ['in the place of another directory', () => {}],
  ['there while more happened than the kernel keeps', overflow],
] as const) {
  test(`a change below a directory that was put ${what} is seen at once`, async () => {
    await withSite({}, async ({ root, site, ask }) => {
      assert.equal(await ask('/a/b/file.txt'), 'first')
      before(root)
      exchange(root)
      assert.equal(await ask('/a/b/file.txt'), 'exchanged')
      assert.equal(await ask('/a/b/file.txt'), 'exchanged')
      assert.equal(site.cacheStats().watched, 1)
      replace(root, 'a/b/file.txt', 'later')
      assert.equal(await ask('/a/b/file.txt'), 'later')
      assert.equal(site.cacheStats().directories, 3)
    })
  })
}

test('a change below a directory that was made anew while a file of the old one is open is seen at once', async () => {
  await withSite({}, async ({ root, site, ask }) => {
    const held = fileOf(await site.answer({ ...REQUEST, target: '/a/b/file.txt' }))
    fs.rmSync(`${root}/a/b`, { recursive: true })
    fs.mkdirSync(`${root}/a/b`)
    fs.writeFileSync(`${root}/a/b/file.txt`, 'anew')
    assert.equal(await ask('/a/b/file.txt'), 'anew')
    assert.equal(await ask('/a/b/file.txt'), 'anew')
    replace(root, 'a/b/file.txt', 'later')
    assert.equal(await ask('/a/b/file.txt'), 'later')
    assert.equal(site.cacheStats().directories, 3)
    held?.release()
  })
})

test('content that changed is told by its entity tag, though size and time are set back; a portable one is that of a copy', async () => {
  const tagOf = async (site: Site, target: string) => {
    await turn()
    const answer = await site.answer({ ...REQUEST, target })
    fileOf(answer)?.release()
    return answer.fields.find(([name]) => name === 'ETag')?.[1]
  }
  await withSite({}, async ({ root, site }) => {
    const before = await tagOf(site, '/top.txt')
    rewrite(`${root}/top.txt`, 'TOP')
    assert.notEqual(await tagOf(site, '/top.txt'), before)
  })
  await withSite({ etag: 'portable' }, async ({ root, site }) => {
    const before = await tagOf(site, '/top.txt')
    fs.copyFileSync(`${root}/top.txt`, `${root}/copy.txt`)
    const { atime, mtime } = fs.statSync(`${root}/top.txt`)
    for (const name of ['copy.txt', 'top.txt']) fs.utimesSync(`${root}/${name}`, atime, mtime)
    const copy = await tagOf(site, '/copy.txt')
    assert.equal(copy, await tagOf(site, '/top.txt'))
    assert.match(before ?? '', /^"3-[0-9a-f]+"$/)
  })
})

test('what stays is not looked at again', async () => {
  await withSite({}, async ({ root, site, ask }) => {
    for (let round = 0; round < 5; round++) assert.equal(await ask('/a/b/file.txt'), 'first')
    assert.ok(site.hot('/a/b/file.txt') !== undefined)
    fs.writeFileSync(`${root}/a/other`, 'x')
    await ask('/top.txt')
    assert.ok(site.hot('/a/b/file.txt') !== undefined, 'a neighbour changes nothing')
  })
})

test('a file that comes between a path and what stood for it is seen at once', async () => {
  await withSite({ index: ['index.html', 'file.txt'], cleanUrls: true }, async ({ root, ask }) => {
    fs.writeFileSync(`${root}/page.html`, 'page')
    assert.equal(await ask('/a/b/'), 'first')
    assert.equal(await ask('/page'), 'page')
    assert.equal(await ask('/page'), 'page')
    fs.writeFileSync(`${root}/a/b/index.html`, 'index')
    assert.equal(await ask('/a/b/'), 'index')
    fs.writeFileSync(`${root}/page`, 'itself')
    assert.equal(await ask('/page'), 'itself')
  })
})

for (const options of [{}, { watch: false, cacheMs: 20 }]) {
  const how = 'watch' in options ? 'after a time where nothing is watched' : 'at once'
  test(`such a file is seen also where what stood for it is asked for by name first: ${how}`, async () => {
    const index = ['index.html', 'file.txt']
    await withSite({ index, cleanUrls: true, ...options }, async ({ root, ask }) => {
      fs.writeFileSync(`${root}/page.html`, 'page')
      for (const target of ['/page', '/page.html', '/page']) assert.equal(await ask(target), 'page')
      for (const target of ['/a/b/', '/a/b/file.txt', '/a/b/']) assert.equal(await ask(target), 'first')
      fs.writeFileSync(`${root}/a/b/index.html`, 'index')
      fs.writeFileSync(`${root}/page`, 'itself')
      if ('watch' in options) await new Promise(resolve => setTimeout(resolve, 21))
      assert.equal(await ask('/a/b/file.txt'), 'first')
      assert.equal(await ask('/a/b/'), 'index')
      assert.equal(await ask('/page.html'), 'page')
      assert.equal(await ask('/page'), 'itself')
    })
  })
}

test('a coding that comes, changes or goes beside a file is seen at once', async () => {
  await withSite({}, async ({ root, site }) => {
    const coding = async () => {
      await turn()
      const answer = await site.answer({ ...REQUEST, target: '/top.txt', acceptEncoding: 'gzip' })
      return textOf(answer)
    }
    assert.equal(await coding(), 'top')
    fs.writeFileSync(`${root}/top.txt.gz`, 'coded')
    assert.equal(await coding(), 'coded')
    fs.writeFileSync(`${root}/top.txt.gz`, 'other')
    assert.equal(await coding(), 'other')
    fs.rmSync(`${root}/top.txt.gz`)
    assert.equal(await coding(), 'top')
  })
})

test('a file with another link, or behind a symbolic one, is looked at again after a time, and that is told', async () => {
  await withSite({ cacheMs: 1 }, async ({ root, site, ask }) => {
    fs.linkSync(`${root}/a/b/file.txt`, `${root}/a/linked`)
    fs.symlinkSync('a', `${root}/via`)
    for (const target of ['/a/linked', '/via/b/file.txt']) {
      assert.equal(await ask(target), 'first')
      assert.equal(site.cacheStats().watched, 0)
      assert.match(site.cacheStats().reason ?? '', /links/)
    }
    fs.writeFileSync(`${root}/a/b/file.txt`, 'other')
    await new Promise(resolve => setTimeout(resolve, 5))
    for (const target of ['/a/linked', '/via/b/file.txt']) assert.equal(await ask(target), 'other')
  })
})

test('on a file system whose changes do not all come by here files are looked at again', async () => {
  const site = new Site({ root: '/proc/sys/kernel' })
  const answer = await site.answer({ ...REQUEST, target: '/ostype' })
  fileOf(answer)?.release()
  const { watched, directories, reason } = site.cacheStats()
  assert.deepEqual({ watched, directories }, { watched: 0, directories: 0 })
  assert.match(reason ?? '', /file system of type 0x9fa0/)
  site.close()
})

test('watches of directories without a kept file are bounded, and descriptors go with the site', async () => {
  const before = fs.readdirSync('/proc/self/fd').length
  await withSite({ cacheEntries: 1 }, async ({ root, site, ask }) => {
    for (let index = 0; index < 100; index++) {
      fs.mkdirSync(`${root}/${index}`)
      fs.writeFileSync(`${root}/${index}/file`, 'x')
    }
    for (let index = 0; index < 100; index++) {
      assert.equal(await ask(`/${index}/file`), 'x')
      assert.equal(await ask(`/${index}/absent`), '404')
    }
    const { files, watched, directories } = site.cacheStats()
    // The root, that of the file, and 64 that nobody uses.
    assert.deepEqual({ files, watched, directories }, { files: 1, watched: 1, directories: 66 })
    fs.rmSync(`${root}/98`, { recursive: true })
    await turn()
    assert.equal(site.cacheStats().directories, 65)
  })
  assert.equal(fs.readdirSync('/proc/self/fd').length, before)
})

test('what is asked for where nothing is costs no watch', async () => {
  await withSite({}, async ({ site, ask }) => {
    assert.equal(await ask('/x/y/z'), '404')
    assert.equal(await ask('/x/y/z'), '404')
    assert.equal(site.cacheStats().directories, 1)
  })
})

test('what is kept in memory is bounded in bytes, and the least recently used goes first', async () => {
  await withSite({ cacheBytes: 1000 }, async ({ root, site }) => {
    for (let index = 0; index < 10; index++) fs.writeFileSync(`${root}/${index}`, 'x'.repeat(300))
    for (let index = 0; index < 10; index++) {
      const { stored, ...answer } = await site.answer({ ...REQUEST, target: `/${index}` })
      assert.ok(stored !== undefined && (await stored.file.load()))
      site.grown(stored.resource)
      fileOf(answer)?.release()
      assert.ok(site.cacheStats().bytes <= 1000)
    }
    assert.equal(site.cacheStats().files, 3)
    assert.equal(site.cacheStats().bytes, 900)
    assert.equal(site.cacheStats().evictions, 7)
  })
})

test('what had to make room is held by nothing: neither its bytes nor the targets that led to it', async () => {
  const bound = 4000
  await withSite({ cacheBytes: bound }, async ({ root, site }) => {
    const seen = new Set<Resource>()
    for (let index = 0; index < 40; index++) fs.writeFileSync(`${root}/${index}`, 'x'.repeat(300))
    for (let index = 0; index < 40; index++) {
      const { stored, ...answer } = await site.answer({ ...REQUEST, target: `/${index}` })
      fileOf(answer)?.release()
      assert.ok(stored !== undefined && (await stored.file.load()))
      site.remember(`/${index}`, stored.resource)
      site.remember(`/./${index}`, stored.resource)
      const date = new Date(0).toUTCString()
      for (const ready of [stored.ready(date), stored.head(date), stored.notModified(date)]) assert.ok(ready)
      stored.known = new KnownHead(ANSWER.WHOLE, Buffer.from(`GET /${index}`))
      site.grown(stored.resource)
      seen.add(stored.resource)
      const held = [...seen].reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
      assert.ok(held <= bound, `${held} bytes are held`)
      assert.equal(site.cacheStats().bytes, held)
      assert.equal(site.cacheStats().targets, 2 * site.cacheStats().files)
    }
    assert.ok(site.cacheStats().evictions > 30)
  })
})

test('a target is forgotten whole: as one that is not the name of its file, too', () => {
  const targets = new RememberedTargets(10)
  const index = { path: 'index.html', freshUntil: 0 } as Resource
  targets.add('/', index)
  assert.equal(targets.find('/'), undefined, 'it is to be looked at again')
  index.freshUntil = Infinity
  targets.doubtIndirect()
  assert.equal(index.freshUntil, Infinity, 'it was held all the same')
})

test('without inotify wanted, and where every look counts, nothing is watched', async () => {
  for (const options of [{ watch: false }, { cacheMs: 0 }]) {
    await withSite(options, async ({ site, ask }) => {
      assert.equal(await ask('/top.txt'), 'top')
      assert.equal(site.cacheStats().watched, 0)
      assert.equal(site.cacheStats().reason, 'not asked for')
    })
  }
})
