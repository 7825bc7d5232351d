import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const examples = fileURLToPath(new URL('../../../examples/', import.meta.url))
const LARGE = Buffer.alloc(3_000_000, 'large ')
let folder: string

before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-frameworks-'))
  fs.mkdirSync(path.join(folder, 'docs'))
  fs.writeFileSync(path.join(folder, 'small.txt'), 'small')
  fs.writeFileSync(path.join(folder, 'large.bin'), LARGE)
  fs.writeFileSync(path.join(folder, 'docs/index.html'), '<p>docs')
})

after(() => fs.rmSync(folder, { recursive: true }))

/** Starts an example, uses it, and ends it; what it says on its standard error is a failure. */
async function withExample(name: string, use: (origin: string) => Promise<void>): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, [path.join(examples, name), folder, '0'], {
    env: { ...process.env, NODE_ENV: 'test' }, // Express logs no errors then
  })
  let complaints = ''
  child.stderr?.on('data', chunk => {
    complaints += chunk
  })
  try {
    const [line] = await Promise.race([once(child.stdout as never, 'data'), once(child, 'exit')])
    const origin = /http:\/\/[\d.]+:\d+/.exec(String(line))?.[0]
    assert.ok(origin !== undefined, `${line} ${complaints}`)
    await use(origin)
    assert.equal(complaints, '')
  } finally {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
}

const EXAMPLES = [
  { name: 'express.js', hello: 'Express', mount: '/files' },
  { name: 'fastify.js', hello: 'Fastify', mount: '' },
  { name: 'hono.js', hello: 'Hono', mount: '' },
]

for (const { name, hello, mount } of EXAMPLES) {
  test(`${name} serves files, conditions and ranges beside its own routes, several at once`, async () => {
    await withExample(name, async origin => {
      const once = async () => {
        assert.deepEqual(await (await fetch(`${origin}/hello`)).json(), { hello })
        const small = await fetch(`${origin}${mount}/small.txt`)
        assert.equal(await small.text(), 'small')
        assert.equal(small.headers.get('content-type'), 'text/plain; charset=utf-8')
        assert.equal(small.headers.get('cache-control'), 'public, max-age=3600')
        const etag = small.headers.get('etag') ?? ''
        const same = await fetch(`${origin}${mount}/small.txt`, { headers: { 'If-None-Match': etag } })
        assert.equal(same.status, 304)
        const large = await fetch(`${origin}${mount}/large.bin`)
        assert.ok(Buffer.from(await large.arrayBuffer()).equals(LARGE))
        const part = await fetch(`${origin}${mount}/large.bin`, { headers: { Range: 'bytes=100000-299999' } })
        assert.equal(part.status, 206)
        assert.ok(Buffer.from(await part.arrayBuffer()).equals(LARGE.subarray(100_000, 300_000)))
        const head = await fetch(`${origin}${mount}/large.bin`, { method: 'HEAD' })
        assert.equal(head.headers.get('content-length'), String(LARGE.length))
      }
      await once()
      await Promise.all(Array.from({ length: 8 }, once))
    })
  })

  test(`${name} redirects to a directory, and leaves what is not there to the framework`, async () => {
    await withExample(name, async origin => {
      const redirect = await fetch(`${origin}${mount}/docs`, { redirect: 'manual' })
      assert.deepEqual([redirect.status, redirect.headers.get('location')], [301, `${mount}/docs/`])
      assert.equal(await (await fetch(`${origin}${mount}/docs`)).text(), '<p>docs')
      assert.equal((await fetch(`${origin}${mount}/absent`)).status, 404)
      assert.equal((await fetch(`${origin}${mount}/%ff`)).status >= 400, true)
      assert.equal((await fetch(`${origin}/hello`, { method: 'POST' })).status, 404)
    })
  })

  test(`${name} sends one file by its name, and errors with their status`, async () => {
    await withExample(name, async origin => {
      const download = await fetch(`${origin}/download/large.bin`)
      assert.match(download.headers.get('content-disposition') ?? '', /^attachment/)
      assert.ok(Buffer.from(await download.arrayBuffer()).equals(LARGE))
      assert.equal((await fetch(`${origin}/download/absent`)).status, 404)
      assert.equal((await fetch(`${origin}/download/..%2f..%2fetc%2fpasswd`)).status, 403)
      const late = await fetch(`${origin}/download/small.txt`, { headers: { Range: 'bytes=100-' } })
      assert.equal(late.status, 416)
      assert.equal(await (await fetch(`${origin}/download/small.txt`)).text(), 'small')
    })
  })
}
