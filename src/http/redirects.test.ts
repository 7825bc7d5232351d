import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { Redirects } from './redirects.js'
import { parseTarget, type RequestPath } from './request-path.js'
import { exchange, last, serversOf } from './serve.test.support.js'

function locationOf(redirects: Redirects, target: string): string | undefined {
  const moved = redirects.find(parseTarget(target) as RequestPath)
  return moved && `${moved.status} ${moved.location}`
}

test('a path that has moved is told where to, the longest rule first', () => {
  const redirects = new Redirects({
    '/old': '/new',
    '/blog/*': '/news/*',
    '/blog/2020/*': '302 /archive',
    '/blog/2020/best': '308 https://b.example/best?x=1',
    '/shop/*': '307 https://shop.example/*',
    '/a b': '/c',
    '/part': '/whole#part',
  })
  const expected: Record<string, string | undefined> = {
    '/old': '301 /new',
    '/old/': '301 /new',
    '/%6fld?x=y': '301 /new?x=y',
    '/old/more': undefined,
    '/older': undefined,
    '/': undefined,
    '/blog': '301 /news/',
    '/blog/': '301 /news/',
    '/blog/a/b': '301 /news/a/b',
    '/blog/a/b/?q': '301 /news/a/b/?q',
    '/blog/2020/x': '302 /archive',
    '/blog/2020/best?y=2': '308 https://b.example/best?x=1',
    '/shop/%C3%A4%20%0d%0a': '307 https://shop.example/%C3%A4%20%0D%0A',
    '/a%20b': '301 /c',
    '/part': '301 /whole#part',
    '/part?x=y': '301 /whole?x=y#part',
  }
  for (const [target, location] of Object.entries(expected))
    assert.equal(locationOf(redirects, target), location, target)
})

test('what a client asks for never names the host that it is sent to', () => {
  const redirects = new Redirects({ '/*': '/*' })
  for (const target of ['//evil.example', '/%5cevil.example', '/\\evil.example', '/.//evil.example/'])
    assert.match(locationOf(redirects, target) ?? '', /^301 \/(?![/\\])/, target)
})

test('a rule that leads nowhere is refused', () => {
  for (const rules of [
    { old: '/new' },
    { '/old?x': '/new' },
    { '/%zz': '/new' },
    { '/old': 'new' },
    { '/old': '//evil.example' },
    { '/old': '/\\evil.example' },
    { '/old': '304 /new' },
    { '/old': '/new\r\nX: y' },
    { '/old': '/new/*' },
    { '/old': 'javascript:alert(1)' },
  ])
    assert.throws(() => new Redirects(rules as Record<string, string>), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => new Redirects({ '/old': 7 as unknown as string }), { code: 'ERR_INVALID_ARG_TYPE' })
})

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-redirects-'))
for (const name of ['old', 'a.data', 'a.glb', 'a.txt']) fs.writeFileSync(path.join(root, name), name)
after(() => fs.rmSync(root, { recursive: true }))
const withServer = serversOf(() => root)

test('what has moved comes before a file of that name', async () => {
  await withServer({ redirects: { '/old': '308 /new' } }, async server => {
    const answer = await exchange(server.port, last('/old?x'))
    assert.match(answer, /^HTTP\/1\.1 308 .*\r\nLocation: \/new\?x\r\n/s)
    assert.match(await exchange(server.port, last('/a.txt')), /^HTTP\/1\.1 200 /)
  })
})

test('a type that is given goes before one that is known, and a header before both', async () => {
  const types = { data: 'application/x-data', '.glb': 'model/x', txt: 'text/x-mine' }
  const headers = { 'a.glb': { 'content-type': 'model/y' } }
  await withServer({ types, headers }, async server => {
    const typeOf = async (target: string) =>
      /\r\nContent-Type: (.*)\r\n/.exec(await exchange(server.port, last(target)))?.[1]
    assert.equal(await typeOf('/a.data'), 'application/x-data')
    assert.equal(await typeOf('/a.glb'), 'model/y')
    assert.equal(await typeOf('/a.txt'), 'text/x-mine; charset=utf-8')
    assert.equal(await typeOf('/old'), 'application/octet-stream')
  })
  for (const wrong of [{ data: 'x' }, { data: 'a/b\r\nX: y' }, { 'a/b': 'a/b' }, { '*': 'a/b' }])
    await assert.rejects(
      withServer({ types: wrong as unknown as Record<string, string> }, async () => {}),
      { code: 'ERR_INVALID_ARG_VALUE' },
    )
})
