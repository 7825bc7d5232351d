import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { fileOf } from './answer.js'
import { attachment } from './content-disposition.js'
import { Site } from './site.js'
import type { SiteOptions } from './site-options.js'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-rules-'))
fs.mkdirSync(path.join(root, 'files'))
for (const name of ['app.0a1b2c3d.js', 'page.html', 'files/report.pdf', 'files/Ärger & "mehr".pdf'])
  fs.writeFileSync(path.join(root, name), name)
after(() => fs.rmSync(root, { recursive: true }))

const REQUEST = {
  acceptEncoding: undefined,
  accept: undefined,
  range: undefined,
  ifRange: undefined,
  ifMatch: undefined,
  ifNoneMatch: undefined,
  ifModifiedSince: undefined,
  ifUnmodifiedSince: undefined,
}

/** The status and headers that a target gives, by lower-case names. */
async function ask(
  options: Partial<SiteOptions>,
  target: string,
  method = 'GET',
): Promise<Record<string, string | number>> {
  const site = new Site({ root, ...options })
  const answer = await site.answer({ ...REQUEST, method, target })
  fileOf(answer)?.release()
  site.close()
  const headers = Object.fromEntries(answer.fields.map(([name, value]) => [name.toLowerCase(), value]))
  return { status: answer.status, ...headers }
}

test('files by rule are saved under their own names, in whatever script', async () => {
  const options = { download: ['files/**'] }
  assert.equal(
    (await ask(options, '/files/report.pdf'))['content-disposition'],
    'attachment; filename="report.pdf"',
  )
  assert.equal(
    (await ask(options, `/files/${encodeURIComponent('Ärger & "mehr".pdf')}`))['content-disposition'],
    `attachment; filename="_rger & _mehr_.pdf"; filename*=UTF-8''%C3%84rger%20%26%20%22mehr%22.pdf`,
  )
  assert.equal((await ask(options, '/page.html'))['content-disposition'], undefined)
})

test('RFC 8187 3.2.1: an extended value holds only attribute characters and escapes', () => {
  assert.equal(attachment('a/b%c.txt'), `attachment; filename="b_c.txt"; filename*=UTF-8''b%25c.txt`)
  for (const name of ["it's (1)*.txt", '日本.txt', 'tab\t.txt', '😀.png', 'a"b\\c', 'new\nline']) {
    const [, extended] = attachment(name).split("filename*=UTF-8''")
    const all = attachment(name)
    assert.match(all, /^[ -~]*$/)
    if (extended === undefined) continue
    assert.match(extended, /^(?:[\w!#$&+.^`|~-]|%[0-9A-F]{2})*$/)
    assert.equal(decodeURIComponent(extended), name)
  }
})

test('names that hold a hash are kept for a year without asking, others are asked for', async () => {
  const options = { immutable: ['*.????????.js'] }
  assert.equal(
    (await ask(options, '/app.0a1b2c3d.js'))['cache-control'],
    'public, max-age=31536000, immutable',
  )
  assert.equal((await ask(options, '/page.html'))['cache-control'], 'public, max-age=0, must-revalidate')
})

test('later rules win over earlier ones, and what a header may not hold is refused', async () => {
  const headers = { '*.html': { 'Cache-Control': 'no-store' }, 'files/*': { 'X-Kind': 'file' } }
  assert.equal((await ask({ headers }, '/page.html'))['cache-control'], 'no-store')
  assert.equal((await ask({ headers }, '/files/report.pdf'))['x-kind'], 'file')
  const refused = { code: 'ERR_INVALID_ARG_VALUE' }
  await assert.rejects(ask({ headers: { '*': { 'X A': 'b' } } }, '/'), refused)
  await assert.rejects(ask({ headers: { '*': { A: 'b\r\nC: d' } } }, '/'), refused)
  await assert.rejects(ask({ cors: 'a\nb' }, '/'), refused)
})

test('every answer keeps browsers from guessing at types', async () => {
  for (const target of ['/page.html', '/absent', '/files/']) {
    assert.equal((await ask({ listing: true }, target))['x-content-type-options'], 'nosniff', target)
  }
})

test('scripts of another origin may read answers, also failures, and ask for ranges first', async () => {
  const options = { cors: 'https://example.org' }
  const name = 'access-control-allow-origin'
  for (const target of ['/page.html', '/absent', '/files', '/..']) {
    assert.equal((await ask(options, target))[name], 'https://example.org', target)
    assert.equal((await ask({}, target))[name], undefined)
  }
  assert.match(String((await ask(options, '/page.html'))['access-control-expose-headers']), /Content-Range/)
  const preflight = await ask(options, '/page.html', 'OPTIONS')
  assert.equal(preflight.status, 204)
  assert.equal(preflight[name], 'https://example.org')
  assert.equal(preflight['access-control-allow-methods'], 'GET, HEAD, OPTIONS')
  assert.match(String(preflight['access-control-allow-headers']), /Range/)
  assert.equal((await ask({}, '/page.html', 'OPTIONS'))['access-control-allow-methods'], undefined)
})
