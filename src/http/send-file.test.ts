import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { withServer } from './node-server.test.support.js'
import { type SendFileOptions, sendFile } from './send-file.js'
import { exchange, kept, last, until } from './serve.test.support.js'
import { staticFiles } from './static-files.js'

let root: string

before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-send-'))
  fs.mkdirSync(path.join(root, 'folder'))
  fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
})

after(() => fs.rmSync(root, { recursive: true }))

const openFiles = () => fs.readdirSync('/proc/self/fd').length

test('more roots at the same time than are kept open are all served from', { timeout: 60_000 }, async () => {
  const roots = Array.from({ length: 40 }, (_, index) => {
    const folder = fs.mkdtempSync(path.join(root, 'root-'))
    fs.writeFileSync(path.join(folder, 'name'), `<${index}>`)
    return folder
  })
  const before = openFiles()
  await withServer(
    (request, response) => {
      const folder = roots[Number(request.url?.slice(1))] ?? ''
      sendFile(response, 'name', { root: folder }, error => {
        if (error !== undefined) response.writeHead(error.status ?? 500).end()
      })
    },
    async (_, port) => {
      for (let round = 0; round < 3; round++) {
        // Pipelined: all of them have begun before the first one's root has opened a file.
        const requests = roots.map((_, index) => (index === 39 ? last : kept)(`/${index}`))
        const text = await exchange(port, requests.join(''))
        assert.equal(text.split('HTTP/1.1 200 OK').length - 1, 40)
        assert.deepEqual(
          text.match(/<\d+>/g),
          roots.map((_, index) => `<${index}>`),
        )
      }
    },
  )
  // Roots beyond those that are kept are closed, by operations of the engine, which take a moment.
  await until(() => openFiles() <= before + 2 * 32 + 5)
})

/** What a call fails with, or the status that was sent. */
async function outcome(name: string, options: SendFileOptions): Promise<unknown> {
  let seen: unknown
  await withServer(
    (_, response) =>
      sendFile(response, name, { root, ...options }, error => {
        seen = error?.code ?? response.statusCode
        if (error !== undefined) response.writeHead(error.status ?? 500).end()
      }),
    async origin => void (await (await fetch(origin)).arrayBuffer()),
  )
  return seen
}

test('a slash behind a file’s name asks for a directory that is not there', { timeout: 60_000 }, async () => {
  const before = openFiles()
  assert.equal(await outcome('a.txt/', {}), 'ENOTDIR')
  assert.equal(await outcome('a.txt', {}), 200)
  assert.equal(await outcome('folder/', {}), 'EISDIR')
  assert.equal(await outcome('absent/', {}), 'ENOENT')
  assert.equal(await outcome('', {}), 'EISDIR')
  assert.ok(openFiles() <= before + 8)
})

test('options of send that are not ours are refused, not ignored', { timeout: 60_000 }, async () => {
  for (const option of ['start', 'end', 'maxage']) {
    const options = { [option]: 1 } as SendFileOptions
    assert.equal(await outcome('a.txt', options), 'ERR_INVALID_ARG_VALUE')
    assert.throws(() => staticFiles(root, options as object), { code: 'ERR_INVALID_ARG_VALUE' })
  }
})
