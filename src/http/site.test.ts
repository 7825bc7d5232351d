import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import type { Answer } from './answer.js'
import { fileOf } from './answer.js'
import { keptFiles } from './kept-descriptors.js'
import { Site, type SiteRequest } from './site.js'

let root: string
const sites: Site[] = []

before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-site-'))
  const put = (name: string, text: string) => {
    fs.mkdirSync(path.dirname(path.join(root, 'www', name)), { recursive: true })
    fs.writeFileSync(path.join(root, 'www', name), text)
  }
  put('index.html', '<p>home')
  put('about.html', '<p>about')
  put('app.js', 'let a = 1')
  put('app.js.br', 'brotli')
  put('app.js.gz', 'gzip')
  put('docs/a.txt', 'a')
  put('.secret', 'no')
  put('.well-known/x', 'yes')
  fs.writeFileSync(path.join(root, 'outside'), 'secret')
  fs.symlinkSync('../outside', path.join(root, 'www/out'))
  fs.symlinkSync(path.join(root, 'outside'), path.join(root, 'www/absolute'))
  fs.symlinkSync('app.js', path.join(root, 'www/in.js'))
})

after(() => {
  for (const site of sites) site.close()
  fs.rmSync(root, { recursive: true })
})

function open(options: object = {}): Site {
  const site = new Site({ root: path.join(root, 'www'), ...options })
  sites.push(site)
  return site
}

async function ask(site: Site, target: string, fields: Partial<SiteRequest> = {}): Promise<Answer> {
  const none = {
    acceptEncoding: undefined,
    accept: undefined,
    range: undefined,
    ifRange: undefined,
    ifMatch: undefined,
    ifNoneMatch: undefined,
    ifModifiedSince: undefined,
    ifUnmodifiedSince: undefined,
  }
  const answer = await site.answer({ method: 'GET', target, ...none, ...fields })
  fileOf(answer)?.release()
  return answer
}

const field = (answer: Answer, name: string) =>
  answer.fields.find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]

test('a file is answered with what describes it', async () => {
  const answer = await ask(open(), '/docs/a.txt')
  assert.equal(answer.status, 200)
  assert.equal(field(answer, 'content-type'), 'text/plain; charset=utf-8')
  assert.equal(field(answer, 'content-length'), '1')
  assert.match(field(answer, 'etag') ?? '', /^"[0-9a-f-]+"$/)
})

test('the second request for a file opens nothing', async () => {
  const site = open()
  await ask(site, '/app.js')
  await ask(site, '/app.js')
  assert.deepEqual([site.lookups, site.hits], [2, 1])
})

test('a file that has changed is served anew once the cache looks again', async () => {
  const site = open({ cacheMs: 0 })
  const name = path.join(root, 'www', 'changing.txt')
  fs.writeFileSync(name, 'one')
  assert.equal(field(await ask(site, '/changing.txt'), 'content-length'), '3')
  fs.writeFileSync(`${name}.new`, 'three')
  fs.renameSync(`${name}.new`, name)
  assert.equal(field(await ask(site, '/changing.txt'), 'content-length'), '5')
  fs.rmSync(name)
  assert.equal((await ask(site, '/changing.txt')).status, 404)
})

test('a directory has its index, and is redirected to where relative links work', async () => {
  const site = open()
  assert.equal((await ask(site, '/')).status, 200)
  const redirect = await ask(site, '/docs?x=1')
  assert.deepEqual([redirect.status, field(redirect, 'location')], [301, '/docs/?x=1'])
  assert.equal((await ask(site, '/docs/')).status, 404)
  assert.equal((await ask(site, '/app.js/')).status, 404)
})

test('a redirect never names another host', async () => {
  assert.equal(field(await ask(open(), '//docs'), 'location'), '/docs/')
})

test('links lead as far as the policy lets them', async () => {
  const statuses = async (symlinks: string) => {
    const site = open({ symlinks })
    const targets = ['/in.js', '/out', '/absolute']
    return Promise.all(targets.map(async target => (await ask(site, target)).status))
  }
  assert.deepEqual(await statuses('beneath'), [200, 404, 404])
  assert.deepEqual(await statuses('deny'), [404, 404, 404])
  assert.deepEqual(await statuses('follow'), [200, 200, 200])
})

test('dotfiles are not there, but for .well-known', async () => {
  assert.equal((await ask(open(), '/.secret')).status, 404)
  assert.equal((await ask(open(), '/.well-known/x')).status, 200)
  assert.equal((await ask(open({ dotfiles: true }), '/.secret')).status, 200)
})

test('a coding that lies beside the file is chosen, with a validator of its own', async () => {
  const site = open()
  const plain = await ask(site, '/app.js')
  const coded = await ask(site, '/app.js', { acceptEncoding: 'gzip, br' })
  assert.equal(field(coded, 'content-encoding'), 'br')
  assert.equal(field(coded, 'content-type'), 'text/javascript; charset=utf-8')
  assert.equal(field(plain, 'vary'), 'Accept-Encoding')
  assert.notEqual(field(plain, 'etag'), field(coded, 'etag'))
})

test('conditions and ranges are evaluated against what was chosen', async () => {
  const site = open()
  const etag = field(await ask(site, '/app.js'), 'etag')
  assert.equal((await ask(site, '/app.js', { ifNoneMatch: etag })).status, 304)
  assert.equal((await ask(site, '/app.js', { ifMatch: '"x"' })).status, 412)
  const part = await ask(site, '/app.js', { range: 'bytes=1-2' })
  assert.deepEqual([part.status, field(part, 'content-range')], [206, 'bytes 1-2/9'])
  assert.equal((await ask(site, '/app.js', { range: 'bytes=90-' })).status, 416)
  assert.equal((await ask(site, '/app.js', { range: 'bytes=0-1', ifRange: '"x"' })).status, 200)
  assert.equal((await ask(site, '/app.js', { range: 'bytes=0-1', method: 'HEAD' })).status, 200)
})

test('several ranges come as parts whose lengths add up', async () => {
  const name = path.join(root, 'www', 'long.txt')
  fs.writeFileSync(name, 'x'.repeat(1000))
  const answer = await ask(open(), '/long.txt', { range: 'bytes=0-9,500-509' })
  assert.equal(answer.status, 206)
  assert.ok(answer.body.kind === 'parts')
  const heads = answer.body.parts.reduce(
    (sum, part) => sum + part.head.length + 10,
    answer.body.closing.length,
  )
  assert.equal(field(answer, 'content-length'), String(heads))
})

test('clean URLs, the fallback and the page for what is not there', async () => {
  assert.equal((await ask(open({ cleanUrls: true }), '/about')).status, 200)
  assert.equal((await ask(open(), '/about')).status, 404)
  const spa = open({ fallback: 'index.html' })
  assert.equal((await ask(spa, '/any/where', { accept: 'text/html' })).status, 200)
  assert.equal((await ask(spa, '/any/where.png', { accept: 'image/png' })).status, 404)
  const page = await ask(open({ notFound: 'about.html' }), '/gone')
  assert.deepEqual([page.status, field(page, 'content-length')], [404, '8'])
})

test('a page for what is not there is kept by no cache by the rules of its file', async () => {
  const headers = { '*.html': { Expires: 'Thu, 01 Jan 2099 00:00:00 GMT', 'X-A': '1', Vary: 'Cookie' } }
  const site = open({ notFound: 'about.html', immutable: ['*.html'], headers })
  const page = await ask(site, '/gone')
  assert.deepEqual([page.status, field(page, 'content-type')], [404, 'text/html; charset=utf-8'])
  assert.deepEqual(
    page.fields.filter(([name]) => name.toLowerCase() === 'cache-control'),
    [['Cache-Control', 'no-cache']],
  )
  for (const name of ['etag', 'last-modified', 'accept-ranges', 'expires'])
    assert.equal(field(page, name), undefined, name)
  assert.deepEqual([field(page, 'x-a'), field(page, 'vary')], ['1', 'Cookie'])
  assert.match(field(await ask(site, '/about.html'), 'cache-control') ?? '', /immutable/)
})

test('beside a fallback each answer for what is not there varies by Accept', async () => {
  for (const options of [{}, { notFound: 'about.html' }, { notFound: 'gone.html' }]) {
    const site = open({ fallback: 'index.html', ...options })
    for (const [accept, status] of [
      ['text/html', 200],
      ['image/png, Text/HTML ; q=0.1', 200],
      ['image/png', 404],
      ['text/html;q=0', 404],
      ['text/html; q=0.00, */*', 404],
      ['text/html-like', 404],
      [undefined, 404],
    ] as const) {
      const answer = await ask(site, '/gone', { accept })
      assert.deepEqual([answer.status, field(answer, 'vary')], [status, 'Accept'], accept)
    }
  }
})

test('a listing shows files and directories, escaped, and no dotfiles', async () => {
  fs.writeFileSync(path.join(root, 'www', 'docs', '<b>&.txt'), '')
  const site = open({ listing: true })
  const html = await ask(site, '/docs/')
  assert.ok(html.body.kind === 'bytes')
  const text = Buffer.from(html.body.bytes).toString()
  assert.ok(text.includes('&lt;b&gt;&amp;.txt') && !text.includes('<b>&'))
  const json = await ask(site, '/docs/', { accept: 'application/json' })
  assert.ok(json.body.kind === 'bytes')
  const names = JSON.parse(Buffer.from(json.body.bytes).toString()).entries.map(
    (entry: { name: string }) => entry.name,
  )
  assert.deepEqual(names.sort(), ['<b>&.txt', 'a.txt'])
})

test('a FIFO is refused and never waited for', { timeout: 5000 }, async () => {
  const fifo = path.join(root, 'www', 'fifo')
  const { spawnSync } = await import('node:child_process')
  spawnSync('mkfifo', [fifo])
  assert.equal((await ask(open(), '/fifo')).status, 403)
})

test('other methods are refused with those that are served', async () => {
  const answer = await ask(open(), '/', { method: 'POST' })
  assert.deepEqual([answer.status, field(answer, 'allow')], [405, 'GET, HEAD, OPTIONS'])
})

test('headers by rule: the last one that matches wins', async () => {
  const site = open({ immutable: ['*.js'], headers: { '**': { 'X-A': '1' }, 'docs/*': { 'x-a': '2' } } })
  assert.match(field(await ask(site, '/app.js'), 'cache-control') ?? '', /immutable/)
  assert.equal(field(await ask(site, '/app.js'), 'x-a'), '1')
  assert.equal(field(await ask(site, '/docs/a.txt'), 'x-a'), '2')
  assert.throws(() => open({ headers: { '**': { 'X-A': 'a\r\nSet-Cookie: b' } } }), {
    code: 'ERR_INVALID_ARG_VALUE',
  })
})

test('no descriptor stays open behind a closed site', async () => {
  const count = () => fs.readdirSync('/proc/self/fd').length
  await ask(open(), '/app.js')
  const before = count()
  const site = new Site({ root: path.join(root, 'www'), cacheEntries: 2 })
  for (const target of ['/', '/app.js', '/about.html', '/docs/a.txt', '/in.js', '/gone', '/fifo'])
    await ask(site, target)
  site.close()
  assert.equal(count(), before)
})

test('files that are kept open leave descriptors to connections, and share what they take among threads', () => {
  const limit = Number(/^Max open files\s+(\d+)/m.exec(fs.readFileSync('/proc/self/limits', 'latin1'))?.[1])
  const most = Math.min(16384, Math.floor((limit || Infinity) / 2))
  assert.equal(open().settings.cacheEntries, most)
  assert.equal(keptFiles(4), Math.floor(most / 4))
  assert.equal(open({ cacheEntries: 7 }).settings.cacheEntries, 7)
})
