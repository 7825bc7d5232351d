import assert from 'node:assert/strict'
import fs from 'node:fs'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import type { HttpError } from './http-error.js'
import { type Handler, withServer } from './node-server.test.support.js'
import { sendFile } from './send-file.js'
import { type Middleware, staticFiles } from './static-files.js'

const LARGE = Buffer.alloc(3_000_000, 'large ')
let root: string

before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-static-'))
  fs.mkdirSync(path.join(root, 'docs'))
  fs.writeFileSync(path.join(root, 'small.txt'), 'small')
  fs.writeFileSync(path.join(root, 'large.bin'), LARGE)
  fs.writeFileSync(path.join(root, 'docs', 'index.html'), '<p>docs')
})

after(() => fs.rmSync(root, { recursive: true }))

const ending =
  (middleware: Middleware): Handler =>
  (request, response) =>
    middleware(request, response, error => {
      response.statusCode = error === undefined ? 418 : ((error as HttpError).status ?? 500)
      response.end('next')
    })

test('files are sent with what describes them, small and large, and again over the same connection', async () => {
  await withServer(ending(staticFiles(root)), async origin => {
    for (let round = 0; round < 3; round++) {
      const small = await fetch(`${origin}/small.txt`)
      assert.equal(await small.text(), 'small')
      assert.equal(small.headers.get('content-type'), 'text/plain; charset=utf-8')
      const large = await fetch(`${origin}/large.bin`)
      assert.ok(Buffer.from(await large.arrayBuffer()).equals(LARGE))
    }
  })
})

test('conditions, ranges and HEAD are answered as the RFC has them', async () => {
  await withServer(ending(staticFiles(root)), async origin => {
    const head = await fetch(`${origin}/large.bin`, { method: 'HEAD' })
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, String(LARGE.length)])
    const etag = head.headers.get('etag') ?? ''
    const same = await fetch(`${origin}/large.bin`, { headers: { 'If-None-Match': etag } })
    assert.equal(same.status, 304)
    const part = await fetch(`${origin}/large.bin`, { headers: { Range: 'bytes=100000-299999' } })
    assert.equal(part.status, 206)
    assert.ok(Buffer.from(await part.arrayBuffer()).equals(LARGE.subarray(100_000, 300_000)))
    const parts = await fetch(`${origin}/large.bin`, { headers: { Range: 'bytes=0-9,1000000-1199999' } })
    const body = await parts.arrayBuffer()
    assert.equal(body.byteLength, Number(parts.headers.get('content-length')))
  })
})

test('what is not there, and other methods, are the next handler’s; or not', async () => {
  await withServer(ending(staticFiles(root)), async origin => {
    assert.equal((await fetch(`${origin}/absent`)).status, 418)
    assert.equal((await fetch(`${origin}/small.txt`, { method: 'POST' })).status, 418)
  })
  await withServer(ending(staticFiles(root, { fallthrough: false })), async origin => {
    assert.equal((await fetch(`${origin}/absent`)).status, 404)
    assert.equal((await fetch(`${origin}/small.txt`, { method: 'POST' })).status, 405)
  })
})

test('behind a mount point a directory is redirected to where it is mounted', async () => {
  const middleware = staticFiles(root)
  const mounted: Handler = (request, response) => {
    Object.assign(request, { originalUrl: request.url, url: request.url?.slice('/mount'.length) })
    ending(middleware)(request, response)
  }
  await withServer(mounted, async origin => {
    const redirect = await fetch(`${origin}/mount/docs`, { redirect: 'manual' })
    assert.deepEqual([redirect.status, redirect.headers.get('location')], [301, '/mount/docs/'])
    assert.equal(await (await fetch(`${origin}/mount/docs`)).text(), '<p>docs')
  })
})

test('headers that are set already stay', async () => {
  const middleware = staticFiles(root, { setHeaders: (response, name) => response.setHeader('X-Name', name) })
  const handler: Handler = (request, response) => {
    response.setHeader('Cache-Control', 'no-store')
    ending(middleware)(request, response)
  }
  await withServer(handler, async origin => {
    const { headers } = await fetch(`${origin}/small.txt`)
    const name = path.join(root, 'small.txt')
    assert.deepEqual([headers.get('cache-control'), headers.get('x-name')], ['no-store', name])
  })
})

test('over HTTP/2 the same is streamed', async () => {
  const middleware = staticFiles(root)
  const server = http2.createServer((request, response) =>
    middleware(request, response, () => response.end()),
  )
  server.listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  try {
    for (const [name, expected] of [
      ['small.txt', Buffer.from('small')],
      ['large.bin', LARGE],
    ] as const) {
      const stream = client.request({ ':path': `/${name}` })
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk)
      assert.ok(Buffer.concat(chunks).equals(expected), name)
    }
  } finally {
    client.close()
    server.close()
  }
})

test('sendFile answers with one file, and never leaves its root', async () => {
  const handler: Handler = (request, response) => {
    const name = new URL(request.url ?? '', 'http://x').searchParams.get('name') ?? ''
    sendFile(response, name, { root }, error => {
      if (error !== undefined) response.writeHead(error.status ?? 500).end()
    })
  }
  await withServer(handler, async origin => {
    assert.equal(await (await fetch(`${origin}/?name=small.txt`)).text(), 'small')
    assert.equal((await fetch(`${origin}/?name=../../etc/passwd`)).status, 403)
    assert.equal((await fetch(`${origin}/?name=docs/../../x`)).status, 403)
    assert.equal((await fetch(`${origin}/?name=/etc/passwd`)).status, 404)
  })
  await withServer(
    (_, response) => void sendFile(response, path.join(root, 'large.bin')),
    async origin => {
      assert.ok(Buffer.from(await (await fetch(origin)).arrayBuffer()).equals(LARGE))
    },
  )
})

test('a middleware that is closed keeps nothing open, and has no file for anybody', async () => {
  const count = () => fs.readdirSync('/proc/self/fd').length
  const before = count()
  const files = staticFiles(root)
  await withServer(ending(files), async origin => {
    assert.equal(await (await fetch(`${origin}/small.txt`)).text(), 'small')
    const open = count()
    files.close()
    files.close()
    assert.ok(count() <= open - 3, 'the root, the file, and what watches them')
    assert.equal((await fetch(`${origin}/small.txt`)).status, 500)
  })
  assert.ok(count() <= before + 2, 'but for connections of the client')
})
