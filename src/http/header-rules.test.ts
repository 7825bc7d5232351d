import assert from 'node:assert/strict'
import fs from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { fileOf } from './answer.js'
import { attachment } from './content-disposition.js'
import { exchange, last, serversOf } from './serve.test.support.js'
import { Site } from './site.js'
import type { SiteOptions } from './site-options.js'
import { staticFiles } from './static-files.js'

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
  assert.equal(Object.keys(headers).length, answer.fields.length, 'RFC 9110, 5.3: a line for each name')
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

const RULED: Record<string, string> = {
  'content-type': 'application/x-own',
  'X-Content-Type-Options': 'own',
  ETAG: '"own"',
  'Last-Modified': 'Sat, 01 Jan 2000 00:00:00 GMT',
  Vary: 'Origin',
  'Accept-Ranges': 'none',
}
const withServer = serversOf(() => root)

/** A response's fields, line by line, by lower-case names. */
function linesOf(response: string): Map<string, string[]> {
  const lines = new Map<string, string[]>()
  const [, ...fields] = response.slice(0, response.indexOf('\r\n\r\n')).split('\r\n')
  for (const line of fields) {
    const [name = '', ...value] = line.split(': ')
    lines.set(name.toLowerCase(), [...(lines.get(name.toLowerCase()) ?? []), value.join(': ')])
  }
  return lines
}

function assertRuled(response: string, names = Object.keys(RULED)): void {
  const lines = linesOf(response)
  for (const name of names)
    assert.deepEqual(lines.get(name.toLowerCase()), [RULED[name]], `${name}: ${response}`)
  for (const [name, values] of lines) assert.equal(values.length, 1, name)
}

test('a rule for a field of ours takes its place: one line goes out, the short way too, and conditions go by it', async () => {
  await withServer({ headers: { '*.html': RULED } }, async server => {
    const get = (more = '') => exchange(server.port, last('/page.html', more))
    for (let round = 0; round < 3; round++) assertRuled(await get())
    const again = 'GET /page.html HTTP/1.1\r\nHost: x\r\n\r\n'
    for (const response of (await exchange(server.port, again + again + last('/page.html'))).split(
      /(?=HTTP\/1)/,
    ))
      assertRuled(response)
    const cached = ['ETAG', 'Last-Modified', 'Vary']
    for (const condition of ['If-None-Match: "own"', `If-Modified-Since: ${RULED['Last-Modified']}`]) {
      const response = await get(`${condition}\r\n`)
      assert.match(response, /^HTTP\/1\.1 304/)
      assertRuled(response, cached)
      assert.equal(linesOf(response).get('content-type'), undefined)
    }
    assert.match(await get('If-Match: "other"\r\n'), /^HTTP\/1\.1 412/)
    fs.writeFileSync(path.join(root, 'wide.html'), 'x'.repeat(2000))
    const parts = await exchange(server.port, last('/wide.html', 'Range: bytes=0-0,1900-1900\r\n'))
    assert.match(parts, /\r\nContent-Type: application\/x-own\r\nContent-Range: bytes 0-0/)
  })
})

test('a rule for Vary is added to ours where a coding lies beside a file, and one for a coding too', async () => {
  fs.writeFileSync(path.join(root, 'coded.txt'), 'text')
  fs.writeFileSync(path.join(root, 'coded.txt.gz'), 'gz')
  const headers = { 'coded.txt': { Vary: 'Origin', 'Content-Encoding': 'own' } }
  await withServer({ headers }, async server => {
    const lines = linesOf(await exchange(server.port, last('/coded.txt', 'Accept-Encoding: gzip\r\n')))
    assert.deepEqual(lines.get('vary'), ['Accept-Encoding, Origin'])
    assert.deepEqual(lines.get('content-encoding'), ['own, gzip'])
    const plain = linesOf(await exchange(server.port, last('/coded.txt')))
    assert.deepEqual(plain.get('content-encoding'), ['own'])
  })
})

test('an entity tag by rule is another one for each coding: who resumes one is not given the middle of another', async () => {
  fs.writeFileSync(path.join(root, 'tagged.css'), 'p {}'.repeat(500))
  fs.writeFileSync(path.join(root, 'tagged.css.gz'), 'gz')
  await withServer({ compress: true, headers: { 'tagged.css': { ETag: '"v1"' } } }, async server => {
    const tagOf = async (accept: string) =>
      linesOf(await exchange(server.port, last('/tagged.css', `Accept-Encoding: ${accept}\r\n`))).get('etag')
    assert.deepEqual(await tagOf('identity'), ['"v1"'])
    assert.deepEqual(await tagOf('gzip'), ['"v1-gzip"'])
    const fields = 'Accept-Encoding: identity\r\nRange: bytes=2-\r\nIf-Range: "v1-gzip"\r\n'
    assert.match(await exchange(server.port, last('/tagged.css', fields)), /^HTTP\/1\.1 200/)
  })
})

test('the middleware goes by such a rule as well', async () => {
  using files = staticFiles(root, { headers: { '*.html': RULED } })
  const server = createServer((request, response) => files(request, response, () => response.end()))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  assertRuled(await exchange((server.address() as AddressInfo).port, last('/page.html')))
  server.close()
})

test('what frames messages is not for rules to say', async () => {
  const names = [
    'Content-Length',
    'transfer-encoding',
    'Connection',
    'Keep-Alive',
    'Upgrade',
    'Trailer',
    'Date',
  ]
  for (const name of [...names, 'Content-Range', 'TE', 'Proxy-Connection'])
    await assert.rejects(ask({ headers: { '*': { [name]: '1' } } }, '/'), {
      code: 'ERR_INVALID_ARG_VALUE',
      message: new RegExp(`${name}.*frames messages|frames messages.*${name}`),
    })
})
