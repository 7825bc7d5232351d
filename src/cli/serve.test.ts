import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
let folder: string

before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-serve-'))
  fs.writeFileSync(path.join(folder, 'hello.txt'), 'hello')
})

after(() => fs.rmSync(folder, { recursive: true }))

test('it serves until it is told to end, and then says what it did', { timeout: 30_000 }, async () => {
  const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--json', folder])
  child.stdout.setEncoding('utf8')
  let out = ''
  child.stdout.on('data', text => {
    out += text
  })
  while (!out.includes('\n')) await once(child.stdout, 'data')
  const { port } = JSON.parse(out)
  const response = await fetch(`http://127.0.0.1:${port}/hello.txt`)
  assert.equal(await response.text(), 'hello')
  child.kill('SIGTERM')
  const [status] = await once(child, 'exit')
  assert.equal(status, 0)
  assert.equal(JSON.parse(out.trim().split('\n')[1]).requests, 1)
})

test('a folder that is not there is a failure with its name', { timeout: 30_000 }, async () => {
  const child = spawn(process.execPath, [MAIN, 'serve', path.join(folder, 'absent')])
  let err = ''
  child.stderr.on('data', text => {
    err += text
  })
  const [status] = await once(child, 'close')
  assert.equal(status, 1)
  assert.match(err, /ENOENT.*absent/)
})
