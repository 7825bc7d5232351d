import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { type FileServer, type ServeOptions, serve } from 'sluice/http'
import { CONDITIONS } from './rules/conditions.js'
import { FRAMING, MESSAGES } from './rules/messages.js'
import { CONNECTIONS, EXPECTATIONS, METHODS } from './rules/methods.js'
import { NEGOTIATION } from './rules/negotiation.js'
import { RANGES } from './rules/ranges.js'
import type { Rule, SiteName } from './rules/rule.js'
import { TARGETS } from './rules/targets.js'

/*
 * What RFC 9110, 9111 and 9112 say of requests to an origin server, rule by rule. Each request comes in one piece, byte
 * by byte, and in one piece with others before it; behind it always comes another one, which is answered or not.
 */

const MODIFIED = Date.parse('2024-03-01T12:00:00Z')
const OPTIONS: Record<SiteName, Partial<ServeOptions>> = {
  plain: {},
  coded: {},
  fallback: { fallback: 'app.html' },
  rules: {
    immutable: ['a.txt'],
    headers: {
      'long.txt': { 'Cache-Control': 'max-age=60, stale-while-revalidate=600' },
      'docs/*': { 'Content-Disposition': "attachment; filename*=UTF-8''b%C3%A4.txt" },
    },
  },
}

const SENTINEL = 'GET /sentinel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
const BEFORE = 'GET /docs/b.txt HTTP/1.1\r\nHost: a\r\n\r\nHEAD /a.txt HTTP/1.1\r\nHost: a\r\n\r\n'
/** A longer request comes in pieces of more than one byte, lest it takes seconds. */
const BYTEWISE = 700

let root: string
const servers = new Map<SiteName, FileServer>()
const facts = new Map<string, string>()

before(async () => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-conformance-'))
  const files = {
    'a.txt': 'hello',
    'docs/b.txt': 'b',
    'docs/index.html': '<p>docs',
    'app.js': 'let app = 1',
    'app.js.br': 'brotli',
    'app.js.gz': 'gzipped',
    'app.html': '<p>app',
    'long.txt': '0'.repeat(1000),
    '.well-known/x': 'known',
    '.hidden': 'hidden',
    empty: '',
    blob: 'blob',
    sentinel: '<sentinel>',
  }
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(root, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, content)
    fs.utimesSync(file, MODIFIED / 1000, MODIFIED / 1000)
  }
  for (const [name, options] of Object.entries(OPTIONS)) {
    const limits = { maxBody: 1000, headTimeout: 5000, bodyTimeout: 5000, idleTimeout: 5000 }
    servers.set(name as SiteName, await serve({ root, host: '127.0.0.1', port: 0, ...limits, ...options }))
  }
  const tagOf = async (target: string, headers: Record<string, string>) => {
    const { port } = servers.get('coded') as FileServer
    return (await fetch(`http://127.0.0.1:${port}${target}`, { headers })).headers.get('etag') ?? ''
  }
  facts.set('etag', await tagOf('/a.txt', {}))
  facts.set('coded', await tagOf('/app.js', { 'Accept-Encoding': 'br' }))
  facts.set('modified', new Date(MODIFIED).toUTCString())
  facts.set('earlier', new Date(MODIFIED - 1000).toUTCString())
  facts.set('later', new Date(MODIFIED + 1000).toUTCString())
})

after(async () => {
  for (const server of servers.values()) await server.close({ timeout: 0 })
  fs.rmSync(root, { recursive: true })
})

const withFacts = (text: string) => text.replace(/\{(\w+)\}/g, (whole, name) => facts.get(name) ?? whole)

/** Sends bytes in pieces, and gives back what comes until the server closes. */
async function exchange(site: SiteName, bytes: Buffer, piece: number): Promise<string> {
  const { port } = servers.get(site) as FileServer
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
  const ended = once(socket, 'close')
  let received = ''
  socket.setEncoding('latin1').on('data', text => {
    received += text
  })
  // What comes behind the end of a refused request may be answered by a reset.
  socket.on('error', () => {})
  await Promise.race([once(socket, 'connect'), ended])
  for (let at = 0; at < bytes.length && !socket.destroyed && socket.writable; at += piece) {
    socket.write(bytes.subarray(at, at + piece))
    if (at + piece < bytes.length) await new Promise(resolve => setImmediate(resolve))
  }
  await ended
  return received
}

interface Response {
  status: number
  fields: Map<string, string>
  body: string
}

/** Reads one response, as strictly as the RFC has it. @returns it, and what is behind it */
function take(text: string, method: string): { response: Response; rest: string } {
  const end = text.indexOf('\r\n\r\n')
  assert.ok(end >= 0, `no head in ${JSON.stringify(text)}`)
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3}) [\t\x20-\x7e]*$/.exec(statusLine)?.[1])
  assert.ok(status >= 100, statusLine)
  const fields = new Map<string, string>()
  for (const line of lines) {
    const [, name = '', value = ''] =
      /^([!#$%&'*+\-.^_`|~\w]+): ([\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)$/.exec(line) ?? []
    assert.ok(name !== '', `a field ${JSON.stringify(line)}`)
    assert.ok(!fields.has(name.toLowerCase()), `${name} comes twice`)
    fields.set(name.toLowerCase(), value)
  }
  assert.ok(!fields.has('transfer-encoding'))
  const bodyless = method === 'HEAD' || status < 200 || status === 204 || status === 304
  const length = bodyless ? 0 : Number(fields.get('content-length') ?? Number.NaN)
  assert.ok(length >= 0, 'RFC 9112 6.3: a body has its length')
  const from = end + 4
  assert.ok(text.length >= from + length, 'a body is not cut')
  return {
    response: { status, fields, body: text.slice(from, from + length) },
    rest: text.slice(from + length),
  }
}

/** What holds for every response. */
function checkResponse({ status, fields }: Response): void {
  if (status < 200) {
    assert.equal(fields.size, 0)
    return
  }
  const date = fields.get('date') ?? ''
  assert.equal(new Date(date).toUTCString(), date, 'RFC 9110 6.6.1: a response has a Date')
  if (status === 204) assert.ok(!fields.has('content-length'), 'RFC 9110 8.6: a 204 has no Content-Length')
  assert.doesNotMatch(
    fields.get('location') ?? '',
    /^[/\\]{2}/,
    'RFC 3986 4.2: no Location leads to another host',
  )
  if (status === 405) assert.ok(fields.has('allow'), 'RFC 9110 15.5.6: a 405 has Allow')
  if (status === 206) {
    const multipart = fields.get('content-type')?.startsWith('multipart/byteranges') ?? false
    assert.notEqual(
      fields.has('content-range'),
      multipart,
      'RFC 9110 15.3.7: a 206 has Content-Range, or parts',
    )
  }
}

function checkRule(rule: Rule, method: string, text: string): string {
  let rest = text
  if (rule.continued) {
    const interim = take(rest, method)
    assert.equal(interim.response.status, 100)
    checkResponse(interim.response)
    rest = interim.rest
  }
  const { response, rest: behind } = take(rest, method)
  checkResponse(response)
  assert.equal(response.status, rule.status)
  for (const [name, expected] of Object.entries(rule.fields ?? {})) {
    const value = response.fields.get(name)
    if (expected === null) assert.equal(value, undefined, name)
    else if (typeof expected === 'string') assert.equal(value, withFacts(expected), name)
    else assert.match(value ?? '', expected, name)
  }
  if (typeof rule.body === 'string') assert.equal(response.body, method === 'HEAD' ? '' : rule.body)
  else if (rule.body !== undefined) assert.match(response.body, rule.body)
  if (rule.goesOn === false)
    assert.equal(response.fields.get('connection'), 'close', 'RFC 9112 9.6: the end is told')
  return behind
}

function checkSentinel(rule: Rule, text: string): void {
  if (rule.goesOn === false) {
    assert.equal(text, '', 'nothing is answered behind it')
    return
  }
  const { response, rest } = take(text, 'GET')
  assert.deepEqual([response.status, response.body, rest], [200, '<sentinel>', ''])
}

const TABLES = [
  MESSAGES,
  FRAMING,
  TARGETS,
  CONDITIONS,
  RANGES,
  NEGOTIATION,
  METHODS,
  CONNECTIONS,
  EXPECTATIONS,
]

for (const rule of TABLES.flat()) {
  test(rule.name, async () => {
    const { site = 'plain' } = rule
    const request = withFacts(rule.request)
    const method = /^\s*(\w+)/.exec(request)?.[1] ?? ''
    const bytes = Buffer.from(request + SENTINEL, 'latin1')
    const whole = await exchange(site, bytes, bytes.length)
    checkSentinel(rule, checkRule(rule, method, whole))
    const bytewise = await exchange(site, bytes, bytes.length <= BYTEWISE ? 1 : 101)
    checkSentinel(rule, checkRule(rule, method, bytewise))
    const several = Buffer.from(BEFORE + request + SENTINEL, 'latin1')
    const first = take(await exchange(site, several, several.length), 'GET')
    assert.equal(first.response.body, 'b')
    const second = take(first.rest, 'HEAD')
    assert.equal(second.response.fields.get('content-length'), '5')
    checkSentinel(rule, checkRule(rule, method, second.rest))
  })
}

test('every rule has a name of its own, and names its section', () => {
  const names = TABLES.flat().map(rule => rule.name)
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index || !/^RFC \d{4} \d/.test(name)),
    [],
  )
})
