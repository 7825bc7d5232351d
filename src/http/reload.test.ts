import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import https from 'node:https'
import os from 'node:os'
import path from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { makeIdentity } from './certificate.test.support.js'
import { exchange, kept, last, serversOf, until } from './serve.test.support.js'

/* What a server that is told to reload still owes to those who ask. */

const FILES = 400
const CONNECTIONS = 20
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-reload-'))
for (let file = 0; file < FILES; file++) {
  const directory = path.join(root, `d${file}`, 'e')
  fs.mkdirSync(directory, { recursive: true })
  fs.writeFileSync(path.join(directory, 'f'), 'plain')
  fs.writeFileSync(path.join(directory, 'f.gz'), 'gzipped')
}
after(() => fs.rmSync(root, { recursive: true }))

const withServer = serversOf(() => root)

for (const watch of [true, false]) {
  test(`files that are being opened while the server reloads are found, with their codings, ${watch ? 'watched' : 'or not'}`, {
    timeout: 60_000,
  }, async () => {
    await withServer({ watch }, async server => {
      const descriptors = () => fs.readdirSync('/proc/self/fd').length
      const each = FILES / CONNECTIONS
      const gzip = 'Accept-Encoding: gzip\r\n'
      const load = async (connection: number) => {
        const targets = Array.from({ length: each }, (_, at) => `/d${connection * each + at}/e/f`)
        return exchange(
          server.port,
          targets.map(target => kept(target, gzip)).join('') + last('/d0/e/f', gzip),
        )
      }
      await load(0)
      server.reload()
      await until(() => server.connections === 0)
      const before = descriptors()
      const seen = new Map<string, number>()
      let loading = true
      const reload = () => {
        if (!loading) return
        server.reload()
        setTimeout(reload, 1)
      }
      reload()
      for (let round = 0; round < 3; round++) {
        for (const text of await Promise.all(Array.from({ length: CONNECTIONS }, (_, at) => load(at)))) {
          for (const answer of text.split(/(?=HTTP\/1\.1 )/)) {
            const [, coding = 'plain'] = /Content-Encoding: (.*)\r/.exec(answer) ?? []
            const what = `${answer.slice(9, 12)} ${coding} ${answer.includes('Vary: Accept-Encoding')}`
            seen.set(what, (seen.get(what) ?? 0) + 1)
          }
        }
      }
      loading = false
      assert.deepEqual([...seen], [['200 gzip true', 3 * (FILES + CONNECTIONS)]])
      server.reload()
      await until(() => descriptors() <= before)
    })
  })
}

test('a reload that fails leaves the root as well as the certificate as they were', async t => {
  const base = path.join(root, 'releases')
  const link = path.join(base, 'current')
  for (const release of ['one', 'two']) {
    fs.mkdirSync(path.join(base, release), { recursive: true })
    fs.writeFileSync(path.join(base, release, 'a'), release)
  }
  fs.symlinkSync('one', link)
  const identity = makeIdentity(base, 'first')
  if (identity === undefined) return t.skip('there is no openssl to make a certificate with')
  const tls = { cert: fs.readFileSync(identity.cert), key: identity.key }
  const key = fs.readFileSync(identity.key)
  await withServer({ root: link, tls }, async server => {
    const ask = async () => {
      const options = { port: server.port, host: '127.0.0.1', path: '/a', rejectUnauthorized: false }
      const [response] = await once(https.get({ ...options, agent: false }), 'response')
      return String(await buffer(response))
    }
    assert.equal(await ask(), 'one')
    fs.writeFileSync(identity.key, 'none')
    fs.symlinkSync('two', `${link}.new`)
    fs.renameSync(`${link}.new`, link)
    assert.throws(() => server.reload(), { code: 'ERR_SLUICE_CERTIFICATE' })
    assert.equal(await ask(), 'one')
    fs.writeFileSync(identity.key, key)
    fs.renameSync(link, `${link}.away`)
    assert.throws(() => server.reload(), { code: 'ENOENT' })
    assert.equal(await ask(), 'one')
    fs.renameSync(`${link}.away`, link)
    server.reload()
    assert.equal(await ask(), 'two')
  })
})
