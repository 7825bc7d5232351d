import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import zlib from 'node:zlib'
import type { FileServer } from './serve.js'
import { client, kept, last, serversOf } from './serve.test.support.js'

/* Codings that lie beside a file, as a browser asks for them. */

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-sidecars-'))
after(() => fs.rmSync(root, { recursive: true }))
const put = (name: string, content: string | Buffer) => fs.writeFileSync(path.join(root, name), content)

const LARGE = 'large '.repeat(50_000)
put('app.js', 'let plain')
put('app.js.br', 'brotli')
put('app.js.gz', 'gzipped')
put('page.html', 'plain')
put('page.html.zst', 'zstandard')
put('page.html.gz', 'gzipped')
put('large.js', LARGE)
put('large.js.gz', zlib.gzipSync(LARGE, { level: 0 }))

const withServer = serversOf(() => root)

interface Reply {
  status: number
  fields: Map<string, string>
  body: Buffer
}

/** Asks over one connection, one request after another, as a browser does. */
function asker(server: FileServer): { ask: (request: string) => Promise<Reply>; end: () => void } {
  const socket = client(server.port)
  let received = Buffer.alloc(0)
  let told = () => {}
  socket.on('data', chunk => {
    received = Buffer.concat([received, chunk])
    told()
  })
  const ask = async (request: string): Promise<Reply> => {
    socket.write(request)
    for (;;) {
      const end = received.indexOf('\r\n\r\n')
      if (end >= 0) {
        const [line = '', ...lines] = received.toString('latin1', 0, end).split('\r\n')
        const fields = new Map(lines.map(field => field.toLowerCase().split(': ') as [string, string]))
        const status = Number(line.split(' ')[1])
        const bare = status === 304 || request.startsWith('HEAD')
        const length = bare ? 0 : Number(fields.get('content-length'))
        if (received.length >= end + 4 + length) {
          const body = received.subarray(end + 4, end + 4 + length)
          received = received.subarray(end + 4 + length)
          return { status, fields, body }
        }
      }
      await new Promise<void>(resolve => {
        told = resolve
      })
    }
  }
  return { ask, end: () => socket.destroy() }
}

const BROWSER = 'Accept-Encoding: gzip, deflate, br\r\n'

test('each coding goes to who likes it best, Zstandard too', async () => {
  await withServer({}, async server => {
    const { ask, end } = asker(server)
    for (let round = 0; round < 3; round++) {
      for (const [accepts, coding, body] of [
        ['zstd', 'zstd', 'zstandard'],
        ['gzip, br, zstd', 'zstd', 'zstandard'],
        ['gzip', 'gzip', 'gzipped'],
        ['br', undefined, 'plain'],
        ['zstd;q=0.1, gzip', 'gzip', 'gzipped'],
      ] as const) {
        const reply = await ask(kept('/page.html', `Accept-Encoding: ${accepts}\r\n`))
        assert.equal(String(reply.body), body, accepts)
        assert.equal(reply.fields.get('content-encoding'), coding)
        assert.equal(reply.fields.get('vary'), 'accept-encoding')
      }
      assert.equal(String((await ask(kept('/page.html'))).body), 'plain')
    }
    end()
  })
})

test('a coding that lies beside a file takes the short way, and stays apart from the file and other codings', async () => {
  await withServer({}, async server => {
    const { ask, end } = asker(server)
    const requests: [string, string, string | undefined][] = [
      [kept('/app.js', BROWSER), 'brotli', 'br'],
      [kept('/app.js', 'Accept-Encoding: gzip\r\n'), 'gzipped', 'gzip'],
      [kept('/app.js', 'Accept-Encoding: identity\r\n'), 'let plain', undefined],
      [kept('/app.js'), 'let plain', undefined],
    ]
    const round = async () => {
      for (const [request, body, coding] of requests) {
        for (let time = 0; time < 2; time++) {
          const reply = await ask(request)
          assert.deepEqual([String(reply.body), reply.fields.get('content-encoding')], [body, coding])
        }
      }
    }
    await round()
    const { lookups } = server.site
    await round()
    assert.equal(server.site.lookups, lookups, 'the site is asked no more')
    end()
  })
})

test('so do HEAD and 304, each by the validator of its coding', async () => {
  await withServer({}, async server => {
    const { ask, end } = asker(server)
    const tags = new Set<string | undefined>()
    for (const accepts of ['br', 'gzip', 'identity']) {
      const field = `Accept-Encoding: ${accepts}\r\n`
      const whole = await ask(kept('/app.js', field))
      const tag = whole.fields.get('etag')
      tags.add(tag)
      const head = kept('/app.js', field).replace('GET', 'HEAD')
      const again = kept('/app.js', `${field}If-None-Match: ${tag}\r\n`)
      for (let time = 0; time < 2; time++) {
        const { fields } = await ask(head)
        assert.equal(fields.get('content-length'), String(whole.body.length))
        const current = await ask(again)
        assert.deepEqual([current.status, current.fields.get('etag')], [304, tag])
      }
      const { lookups } = server.site
      await ask(head)
      await ask(again)
      assert.equal(server.site.lookups, lookups)
    }
    assert.equal(tags.size, 3)
    end()
  })
})

test('a large one is lent to the socket, and none outlives its replacement', async () => {
  await withServer({}, async server => {
    const { ask, end } = asker(server)
    const gzip = 'Accept-Encoding: gzip\r\n'
    for (let time = 0; time < 4; time++)
      assert.equal(String(zlib.gunzipSync((await ask(kept('/large.js', gzip))).body)), LARGE)
    put('app.js.br', 'other')
    const changed = async (expected: string) => {
      while (String((await ask(kept('/app.js', BROWSER))).body) !== expected);
    }
    await changed('other')
    fs.rmSync(path.join(root, 'app.js.br'))
    await changed('gzipped')
    put('app.js.br', 'brotli')
    await changed('brotli')
    end()
  })
})

test('where nothing is watched they are looked at as often as the file itself', async () => {
  put('looked.js', 'plain')
  await withServer({ watch: false, cacheMs: 0 }, async server => {
    const { ask, end } = asker(server)
    const text = async () => String((await ask(kept('/looked.js', BROWSER))).body)
    assert.equal(await text(), 'plain')
    put('looked.js.gz', 'gzipped')
    assert.equal(await text(), 'gzipped')
    put('looked.js.br', 'brotli')
    assert.equal(await text(), 'brotli')
    const descriptors = () => fs.readdirSync('/proc/self/fd').length
    const before = descriptors()
    const counted = server.site.cacheStats().descriptors
    for (let time = 0; time < 5; time++) assert.equal(await text(), 'brotli')
    assert.deepEqual([descriptors(), server.site.cacheStats().descriptors], [before, counted])
    put('looked.js.br', 'another one')
    assert.equal(await text(), 'another one')
    fs.rmSync(path.join(root, 'looked.js.br'))
    assert.equal(await text(), 'gzipped')
    end()
  })
})

test('codings are looked for beside files of every kind, but beside those that are codings themselves', async () => {
  for (const name of ['map.geojson', 'scene.gltf', 'a.toml', 'game.data', 'noending', 'a.tar.gz']) {
    put(name, 'plain')
    put(`${name}.gz`, 'gzipped')
  }
  await withServer({}, async server => {
    const { ask, end } = asker(server)
    for (const name of ['map.geojson', 'scene.gltf', 'a.toml', 'game.data', 'noending']) {
      const { body, fields } = await ask(kept(`/${name}`, BROWSER))
      assert.deepEqual([String(body), fields.get('content-encoding')], ['gzipped', 'gzip'], name)
    }
    assert.equal(String((await ask(kept('/a.tar.gz', BROWSER))).body), 'plain')
    assert.equal(String((await ask(last('/map.geojson.gz'))).body), 'gzipped')
    end()
  })
})
