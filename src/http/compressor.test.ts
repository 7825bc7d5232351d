import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, test } from 'node:test'
import zlib from 'node:zlib'
import { type Answer, fileOf } from './answer.js'
import { Compressor } from './compressor.js'
import { type FileServer, serve } from './serve.js'
import type { ServeOptions } from './server-options.js'
import { Site } from './site.js'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-compress-'))
const TEXT = 'the quick brown fox jumps over the lazy dog. '.repeat(200)
fs.writeFileSync(path.join(root, 'page.html'), TEXT)
fs.writeFileSync(path.join(root, 'small.html'), 'small')
fs.writeFileSync(path.join(root, 'image.png'), TEXT)
fs.writeFileSync(
  path.join(root, 'noise.txt'),
  Buffer.from(Array.from({ length: 5000 }, () => Math.random() * 256)),
)
fs.writeFileSync(path.join(root, 'stored.html'), TEXT)
fs.writeFileSync(path.join(root, 'stored.html.gz'), zlib.gzipSync('stored'))
after(() => fs.rmSync(root, { recursive: true }))

const DECODE = { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync } as const

interface Reply {
  status: number
  headers: http.IncomingHttpHeaders
  body: Buffer
}
type Ask = (target: string, headers?: http.OutgoingHttpHeaders, method?: string) => Promise<Reply>

async function withServer(
  options: Partial<ServeOptions>,
  use: (ask: Ask, server: FileServer) => Promise<void>,
): Promise<void> {
  const server = await serve({ root, host: '127.0.0.1', port: 0, compress: true, ...options })
  const agent = new http.Agent({ keepAlive: true })
  const ask: Ask = async (target, headers = {}, method = 'GET') => {
    const about = { port: server.port, host: '127.0.0.1', path: target, headers, method, agent }
    const [response] = await once(http.request(about).end(), 'response')
    return { status: response.statusCode, headers: response.headers, body: await buffer(response) }
  }
  try {
    await use(ask, server)
  } finally {
    agent.destroy()
    await server.close({ timeout: 1000 })
  }
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
const GZIP = { 'accept-encoding': 'gzip' }

test('text is compressed for who takes it, each coding with a validator of its own', async () => {
  await withServer({}, async (ask, server) => {
    const tags = new Set<string | undefined>()
    for (const coding of ['br', 'gzip'] as const) {
      for (let round = 0; round < 2; round++) {
        const { headers, body } = await ask('/page.html', { 'accept-encoding': coding })
        assert.equal(headers['content-encoding'], coding)
        assert.equal(headers.vary, 'Accept-Encoding')
        assert.equal(headers['content-length'], String(body.length))
        assert.equal(DECODE[coding](body).toString(), TEXT)
        assert.ok(body.length < TEXT.length / 10)
        assert.match(headers.etag as string, /^W\/"/)
        tags.add(headers.etag)
      }
    }
    const plain = await ask('/page.html')
    assert.equal(plain.body.toString(), TEXT)
    assert.equal(plain.headers['content-encoding'], undefined)
    assert.equal(plain.headers.vary, 'Accept-Encoding')
    tags.add(plain.headers.etag)
    assert.equal(tags.size, 3)
    assert.equal(server.site.cacheStats().compressed.files, 2)
  })
})

test('conditions, HEAD and ranges keep to the representation that they are about', async () => {
  await withServer({}, async ask => {
    const coded = await ask('/page.html', GZIP)
    const again = { ...GZIP, 'if-none-match': coded.headers.etag }
    const current = await ask('/page.html', again)
    assert.equal(current.status, 304)
    assert.equal(current.headers.etag, coded.headers.etag)
    assert.equal((await ask('/page.html', { 'if-none-match': coded.headers.etag })).status, 200)
    const head = await ask('/page.html', GZIP, 'HEAD')
    assert.equal(head.headers['content-length'], coded.headers['content-length'])
    assert.equal(head.body.length, 0)
    const part = await ask('/page.html', { ...GZIP, range: 'bytes=10-19' })
    assert.equal(part.status, 206)
    assert.equal(part.body.toString(), TEXT.slice(10, 20))
    assert.equal(part.headers['content-encoding'], undefined)
    const resumed = await ask('/page.html', { ...GZIP, range: 'bytes=10-19', 'if-range': coded.headers.etag })
    assert.equal(resumed.status, 200)
    assert.equal(resumed.body.toString(), TEXT)
    assert.equal(coded.headers['accept-ranges'], undefined)
  })
})

test('what is small, large, no text, or does not get smaller is sent as it is', async () => {
  await withServer({ compressMaxBytes: 9500 }, async ask => {
    for (const target of ['/small.html', '/image.png', '/noise.txt']) {
      const { headers } = await ask(target, GZIP)
      assert.equal(headers['content-encoding'], undefined, target)
    }
    assert.equal((await ask('/page.html', GZIP)).headers['content-encoding'], 'gzip')
  })
  await withServer({ compressMaxBytes: 8000 }, async ask => {
    assert.equal((await ask('/page.html', GZIP)).headers['content-encoding'], undefined)
  })
  await withServer({ compress: false }, async ask => {
    const { headers } = await ask('/page.html', GZIP)
    assert.equal(headers['content-encoding'], undefined)
    assert.equal(headers.vary, undefined)
  })
})

test('sizes between which there is none are refused', async () => {
  const refused = (message: RegExp) => ({ code: 'ERR_INVALID_ARG_VALUE', message })
  const bounds = { compressMinBytes: 2, compressMaxBytes: 1 }
  await assert.rejects(
    withServer(bounds, async () => {}),
    refused(/compressMinBytes' is more than .*, 1\./),
  )
  const least = withServer({ compressMaxBytes: 1 }, async () => {})
  await assert.rejects(least, refused(/compressMaxBytes' is less than compressMinBytes, 1024\./))
})

test('a coding that lies beside a file goes before one that is made', async () => {
  await withServer({}, async ask => {
    assert.equal(zlib.gunzipSync((await ask('/stored.html', GZIP)).body).toString(), 'stored')
    const { headers, body } = await ask('/stored.html', { 'accept-encoding': 'br' })
    assert.equal(headers['content-encoding'], 'br')
    assert.equal(zlib.brotliDecompressSync(body).toString(), TEXT)
  })
})

test('a file that changes is compressed anew', async () => {
  await withServer({}, async ask => {
    const name = path.join(root, 'changing.txt')
    for (const letter of ['a', 'b']) {
      fs.writeFileSync(name, letter.repeat(5000))
      const { body } = await ask('/changing.txt', GZIP)
      assert.equal(zlib.gunzipSync(body).toString(), letter.repeat(5000))
    }
  })
})

test('many who ask at once wait for one compression', async () => {
  const opened = new Site({ root, compress: true })
  const answer = await opened.answer({ ...REQUEST, target: '/page.html' })
  const file = fileOf(answer)
  assert.ok(file !== undefined)
  const compressor = new Compressor({ minBytes: 0, maxBytes: 1e6, cacheBytes: 1000 })
  const results = Array.from({ length: 20 }, () => compressor.get(file, 'gzip'))
  assert.equal(new Set(results).size, 1)
  const made = await results[0]
  assert.equal(compressor.get(file, 'gzip'), made)
  file.release()
  opened.close()
})

test('compressed files that are kept are bounded in bytes', async () => {
  await withServer({ compressCacheBytes: 1000 }, async (ask, server) => {
    for (let index = 0; index < 10; index++) {
      fs.writeFileSync(path.join(root, `${index}.txt`), String(index).repeat(3000))
      assert.equal((await ask(`/${index}.txt`, GZIP)).headers['content-encoding'], 'gzip')
      const { files, bytes } = server.site.cacheStats().compressed
      assert.ok(files > 0 && bytes <= 1000)
    }
  })
})

test('beyond two that are compressed and 64 that wait, the plain file is sent', async () => {
  const names = Array.from({ length: 70 }, (_, at) => `many-${at}.txt`)
  for (const name of names) fs.writeFileSync(path.join(root, name), TEXT)
  const site = new Site({ root, compress: true })
  const release = async (answer: Answer | Promise<Answer>) => fileOf(await answer)?.release()
  for (const name of names) await release(site.answer({ ...REQUEST, target: `/${name}` }))
  // All of them are open by now, so that each question reaches the compressor in this turn.
  const asked = names.map(name => site.answer({ ...REQUEST, target: `/${name}`, acceptEncoding: 'gzip' }))
  const codings = []
  for (const answer of asked) {
    await release(answer)
    codings.push((await answer).fields.find(([name]) => name === 'Content-Encoding')?.[1])
  }
  assert.deepEqual(codings, [...Array(66).fill('gzip'), ...Array(4).fill(undefined)])
  site.close()
})
