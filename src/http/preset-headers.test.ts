import assert from 'node:assert/strict'
import fs from 'node:fs'
import type { OutgoingHttpHeaders } from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { withServer } from './node-server.test.support.js'
import { sendFile } from './send-file.js'
import { exchange, kept, last, statusOf } from './serve.test.support.js'
import { staticFiles } from './static-files.js'

/* What a handler has set on a response before the file: what stays, and what only we can know. */

const DIGITS = '0123456789'.repeat(100)
const GZIP = 'Accept-Encoding: gzip\r\n'
let root: string

before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-preset-'))
  fs.writeFileSync(path.join(root, 'a.js'), 'let a = 1')
  fs.writeFileSync(path.join(root, 'a.js.gz'), 'coded')
  fs.writeFileSync(path.join(root, 'digits.js'), DIGITS)
})

after(() => fs.rmSync(root, { recursive: true }))

const headOf = (text: string) => text.split('\r\n\r\n', 1)[0] ?? ''
const valuesOf = (text: string, name: string) =>
  [...headOf(text).matchAll(new RegExp(`^${name}: (.*)$`, 'gim'))].map(([, value]) => value?.trim())

/** All that comes for requests to `staticFiles()`, where headers are set before it. */
async function ask(headers: OutgoingHttpHeaders, requests: string): Promise<string> {
  using files = staticFiles(root)
  let seen = ''
  await withServer(
    (request, response) => {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value ?? '')
      files(request, response, error => response.writeHead(500).end(String(error)))
    },
    async (_, port) => {
      seen = await exchange(port, requests)
    },
  )
  return seen
}

test('what an answer varies by is added to what it varies by already', { timeout: 60_000 }, async () => {
  for (const [preset, expected] of [
    ['Origin', 'Origin, Accept-Encoding'],
    [['Origin', 'Cookie'], 'Origin, Cookie, Accept-Encoding'],
    ['Origin, accept-encoding', 'Origin, accept-encoding'],
    ['', 'Accept-Encoding'],
    ['*', '*'],
  ] as const) {
    const coded = await ask({ Vary: preset as string }, last('/a.js', GZIP))
    assert.deepEqual(valuesOf(coded, 'Content-Encoding'), ['gzip'])
    assert.deepEqual(valuesOf(coded, 'Vary'), [expected])
    const [etag] = valuesOf(coded, 'ETag')
    const same = await ask({ Vary: preset as string }, last('/a.js', `${GZIP}If-None-Match: ${etag}\r\n`))
    assert.equal(statusOf(same), 304)
    assert.deepEqual(valuesOf(same, 'Vary'), [expected])
  }
})

test('a coding of ours is told, behind one that the file has already', { timeout: 60_000 }, async () => {
  for (const [preset, expected] of [
    ['identity', 'gzip'],
    ['gzip', 'gzip'],
    ['x-own', 'x-own, gzip'],
  ] as const) {
    const coded = await ask({ 'Content-Encoding': preset }, last('/a.js', GZIP))
    assert.deepEqual(valuesOf(coded, 'Content-Encoding'), [expected])
    assert.ok(coded.endsWith('\r\n\r\ncoded'))
    const plain = await ask({ 'Content-Encoding': preset }, last('/a.js'))
    assert.deepEqual(valuesOf(plain, 'Content-Encoding'), [preset])
  }
})

test('the length and the range of a body are what is sent, whatever was set', {
  timeout: 60_000,
}, async () => {
  const preset = { 'Content-Length': '7', 'Content-Range': 'bytes 0-6/7' }
  const twice = await ask(preset, kept('/a.js') + last('/a.js'))
  assert.deepEqual(valuesOf(twice, 'Content-Length'), ['9'])
  assert.deepEqual(valuesOf(twice, 'Content-Range'), [])
  assert.equal(twice.split('HTTP/1.1 200 OK').length, 3)
  assert.equal(twice.split('let a = 1').length, 3)
  const part = await ask(preset, last('/a.js', 'Range: bytes=0-2\r\n'))
  assert.deepEqual(valuesOf(part, 'Content-Length'), ['3'])
  assert.deepEqual(valuesOf(part, 'Content-Range'), ['bytes 0-2/9'])
  assert.ok(part.endsWith('\r\n\r\nlet'))
  const chunked = await ask({ 'Transfer-Encoding': 'chunked' }, last('/a.js'))
  assert.deepEqual(valuesOf(chunked, 'Transfer-Encoding'), [])
  assert.ok(chunked.endsWith('\r\n\r\nlet a = 1'))
})

test('sendFile takes no length of its options for the body', { timeout: 60_000 }, async () => {
  await withServer(
    (_, response) => void sendFile(response, 'a.js', { root, headers: { 'Content-Length': '7' } }),
    async (_, port) => {
      const text = await exchange(port, last('/'))
      assert.deepEqual(valuesOf(text, 'Content-Length'), ['9'])
      assert.ok(text.endsWith('\r\n\r\nlet a = 1'))
    },
  )
})

test('a type that was set is that of the parts of several ranges', { timeout: 60_000 }, async () => {
  const text = await ask({ 'Content-Type': 'text/own' }, last('/digits.js', 'Range: bytes=0-3,900-903\r\n'))
  assert.equal(statusOf(text), 206)
  const [type = ''] = valuesOf(text, 'Content-Type')
  const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(type)?.[1]
  assert.ok(boundary, type)
  const body = text.slice(text.indexOf('\r\n\r\n') + 4)
  const part = (range: string, bytes: string) =>
    `\r\n--${boundary}\r\nContent-Type: text/own\r\nContent-Range: bytes ${range}/1000\r\n\r\n${bytes}`
  assert.equal(body, `${part('0-3', '0123')}${part('900-903', '0123')}\r\n--${boundary}--\r\n`)
  assert.deepEqual(valuesOf(text, 'Content-Length'), [String(body.length)])
})
