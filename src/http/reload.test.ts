import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
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
