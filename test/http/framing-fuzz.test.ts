import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { type FileServer, serve } from 'sluice/http'
import { ensureDebianPackages, findProgram } from '#scripts/setup.js'

/*
 * Smuggling needs two readers who disagree on where a request ends. So random and mutated requests, a plain one behind
 * them, go to us, to Node and to nginx: whatever we go on behind, the others must go on behind at the same place.
 *
 * Where we accept what another refuses, the frame must not depend on it:
 */
const ACCEPTED_ALL_THE_SAME: readonly { peer: string; reason: string; matches: RegExp }[] = [
  {
    peer: 'nginx|Node',
    reason:
      'a version 1.2 to 1.9: RFC 9110, 2.5 has a server read it as the highest minor version that it knows',
    matches: / HTTP\/1\.[2-9]\r\n/,
  },
  {
    peer: 'nginx|Node',
    reason:
      'a method that it does not know: RFC 9110, 9.1 has it answered; where the request ends does not depend on it',
    matches: /^(?!(?:\r\n)*(?:GET|HEAD|POST) )/,
  },
  {
    peer: 'Node',
    reason:
      'a chunk extension without a value, or with characters of text: RFC 9112, 7.1.1 allows the first, and all is skipped',
    matches: /\r\n[\da-f]+;(?!a=b\r\n)/,
  },
]

const ROUNDS = 600
const SEED = Number(process.env.SLUICE_FUZZ_SEED ?? 20_240_229)
const SENTINEL = 'GET /sentinel HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
/** After which one of ours that has not answered is taken to wait for more; whoever is compared with it gets longer. */
const WAIT_MS = 150
const PEER_WAIT_MS = 20_000

const noNginx =
  findProgram('nginx') !== undefined || (await ensureDebianPackages(['nginx-light']))
    ? false
    : 'the Debian package nginx-light is missing and cannot be installed here'

let folder: string
let ours: FileServer
let node: http.Server
let nginx: ChildProcess | undefined
const ports: Record<string, number> = {}

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-fuzz-'))
  fs.writeFileSync(path.join(folder, 'sentinel'), '<sentinel>')
  fs.writeFileSync(path.join(folder, 'a'), '<file>')
  ours = await serve({ root: folder, host: '127.0.0.1', port: 0 })
  ports.sluice = ours.port
  node = http.createServer((request, response) => {
    const body = request.url === '/sentinel' ? '<sentinel>' : '<file>'
    // Told the length, it keeps a connection of HTTP/1.0 that is to stay.
    request.resume().once('end', () => response.setHeader('Content-Length', body.length).end(body))
  })
  await once(node.listen(0, '127.0.0.1'), 'listening')
  ports.Node = (node.address() as net.AddressInfo).port
  if (noNginx === false) await startNginx()
})

after(async () => {
  nginx?.kill()
  node.closeAllConnections()
  node.close()
  await ours.close({ timeout: 0 })
  fs.rmSync(folder, { recursive: true })
})

async function startNginx(): Promise<void> {
  const probe = net.createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as net.AddressInfo
  probe.close()
  await once(probe, 'close')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    name => `${name}_temp_path ${folder}/${name};`,
  )
  const config = path.join(folder, 'nginx.conf')
  fs.writeFileSync(
    config,
    `daemon off; master_process off; pid ${folder}/pid; error_log /dev/null; events {}
http { access_log off; ${temporary.join(' ')} server { listen 127.0.0.1:${port}; root ${folder}; } }`,
  )
  nginx = spawn('nginx', ['-p', folder, '-c', config, '-e', '/dev/null'], { stdio: 'ignore' })
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = net.connect(port, '127.0.0.1')
    const connected = await new Promise(resolve => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (connected) {
      ports.nginx = port
      return
    }
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error('nginx did not begin to listen')
}

/** mulberry32: the same requests every time. */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const LENGTHS = [
  '3',
  '+3',
  '-3',
  '3 ',
  ' 3',
  '03',
  '0x3',
  '3,3',
  '3, 3',
  '3;',
  '3.0',
  '',
  '3\t',
  '\v3',
  '18446744073709551619',
]
const CODINGS = [
  'chunked',
  'Chunked',
  ' chunked',
  'chunked ',
  'xchunked',
  'gzip, chunked',
  'chunked, chunked',
  'identity',
  '\vchunked',
  '"chunked"',
  'chunked;a=b',
]
const NAMES = ['', ' ', '\t', '\0', '\r', '_', ':']
const BODIES = [
  'abc',
  '3\r\nabc\r\n0\r\n\r\n',
  '3;a=b\r\nabc\r\n0\r\nA: b\r\n\r\n',
  '03\r\nabc\r\n0\r\n\r\n',
  '0x3\r\nabc\r\n0\r\n\r\n',
  '3\nabc\n0\n\n',
  '3 \r\nabc\r\n0\r\n\r\n',
  '3\r\nabcd\r\n0\r\n\r\n',
  '3\r\nabc\r\n0\r\n',
  '3\r\nabc\r\n00\r\n\r\n',
  '-3\r\nabc\r\n0\r\n\r\n',
  '3\r\nabc\r\n0\r\n A: b\r\n\r\n',
  '',
]
const LINES = [
  'GET /a HTTP/1.1',
  'POST /a HTTP/1.1',
  'HEAD /a HTTP/1.1',
  'GET /a HTTP/1.0',
  'GET  /a HTTP/1.1',
  'GET /a  HTTP/1.1',
  'GET /a HTTP/1.2',
  'GET /a HTTP/1.10',
  'GET /a http/1.1',
  'GET /a',
  ' GET /a HTTP/1.1',
  'G\0ET /a HTTP/1.1',
  'GET /a\t HTTP/1.1',
  '\r\nGET /a HTTP/1.1',
  'GET http://x/a HTTP/1.1',
]
const ENDS = ['\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n', '\r\n ', '\r\n\t']

function makeRequest(random: () => number): string {
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T
  const rarely = <T>(usual: T, list: readonly T[], chance = 0.15) => (random() < chance ? pick(list) : usual)
  const end = () => rarely('\r\n', ENDS, 0.1)
  const fields = ['Host: x']
  if (random() < 0.5) fields.push(`Content-Length${rarely('', NAMES)}:${rarely(' 3', LENGTHS, 0.5)}`)
  if (random() < 0.5) fields.push(`Transfer-Encoding${rarely('', NAMES)}:${rarely(' chunked', CODINGS, 0.5)}`)
  if (random() < 0.1) fields.push(pick(['Content-Length: 4', 'Transfer-Encoding: chunked', 'Host: y']))
  if (random() < 0.2)
    fields.push(pick(['X: \0', 'X: a\rb', ': a', 'X', ' folded', 'X : y', 'X:y', 'X: \x80']))
  if (random() < 0.5) fields.reverse()
  let text = rarely('GET /a HTTP/1.1', LINES, 0.3) + end()
  for (const field of fields) text += field + end()
  text += `${end()}${pick(BODIES)}`
  if (random() < 0.2) {
    const at = Math.floor(random() * text.length)
    text =
      text.slice(0, at) + pick(['\0', ' ', '\r', '\n', '\t', ':', 'A', '']) + text.slice(at + pick([0, 1]))
  }
  return text
}

/** Requests as they should be, which one change may make into something else. */
const SOUND = [
  'GET /a HTTP/1.1\r\nHost: x\r\n\r\n',
  'HEAD /a HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n',
  'GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc',
  'GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  'GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0a\r\n0123456789\r\n0\r\nA: b\r\n\r\n',
  'GET /a HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx',
]
const SCRAPS = ['\0', ' ', '\r', '\n', '\r\n', '\t', ':', 'A', '0', '1', ';', ',', '-', '\x80', '\x7f', '']

function mutate(random: () => number): string {
  const text = SOUND[Math.floor(random() * SOUND.length)] as string
  if (random() < 0.1) return text
  const at = Math.floor(random() * text.length)
  const scrap = SCRAPS[Math.floor(random() * SCRAPS.length)] as string
  return text.slice(0, at) + scrap + text.slice(at + Math.floor(random() * 2))
}

/** Where a server is behind a request: how many it has answered well, and whether the one behind is among them. */
interface Outcome {
  answered: number
  wentOn: boolean
  text: string
}

async function ask(port: number, request: string, wait: number): Promise<Outcome> {
  const socket = net.connect(port, '127.0.0.1').on('error', () => {})
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  socket.write(Buffer.from(request + SENTINEL, 'latin1'))
  // One that waits for more of a body has decided not to see the request behind it.
  const timer = setTimeout(() => socket.destroy(), wait)
  await new Promise(resolve => socket.once('close', resolve))
  clearTimeout(timer)
  const answered = text.match(/HTTP\/1\.1 (?!100)\d+ /g)?.length ?? 0
  return { answered, wentOn: text.includes('<sentinel>'), text }
}

/** A request that we go on behind, and what we answered to it. */
interface Accepted {
  request: string
  own: Outcome
}

let accepting: Promise<Accepted[]> | undefined

/** Those of the random requests that we go on behind: asked once, for whoever is compared. */
function acceptedOnes(): Promise<Accepted[]> {
  accepting ??= (async () => {
    const random = randomFrom(SEED)
    const requests = Array.from({ length: ROUNDS }, (_, round) => (round % 2 ? makeRequest : mutate)(random))
    const all = await byEights(requests, async request => ({
      request,
      own: await ask(ports.sluice as number, request, WAIT_MS),
    }))
    return all.filter(({ own }) => own.wentOn)
  })()
  return accepting
}

async function byEights<T, R>(list: readonly T[], use: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let at = 0; at < list.length; at += 8)
    results.push(...(await Promise.all(list.slice(at, at + 8).map(use))))
  return results
}

for (const peer of ['Node', 'nginx']) {
  const skip = peer === 'nginx' && noNginx
  test(`wherever we go on behind a request, ${peer} does, and at the same place`, {
    skip,
    timeout: 170_000,
  }, async t => {
    t.diagnostic(`seed ${SEED}`)
    const accepted = await acceptedOnes()
    assert.ok(accepted.length > ROUNDS / 20, `only ${accepted.length} requests were acceptable`)
    await byEights(accepted, async ({ request, own }) => {
      if (ACCEPTED_ALL_THE_SAME.some(entry => entry.peer.includes(peer) && entry.matches.test(request)))
        return
      const theirs = await ask(ports[peer] as number, request, PEER_WAIT_MS)
      const both = `${JSON.stringify(request)}\nwe:   ${JSON.stringify(own.text)}\n${peer}: ${JSON.stringify(theirs.text)}`
      assert.ok(theirs.wentOn, `${peer} does not go on behind ${both}`)
      assert.equal(own.answered, theirs.answered, both)
    })
  })
}
