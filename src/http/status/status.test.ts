import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { type FileServer, serve } from '../serve.js'
import { exchange, serversOf } from '../serve.test.support.js'
import type { ServeOptions } from '../server-options.js'
import type { StatusReport } from './status-report.js'
import { StatusRoutes } from './status-routes.js'

const STATUS = '/.sluice/status'
let root: string

before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-status-'))
  fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
  fs.writeFileSync(path.join(root, 'large.bin'), Buffer.alloc(300_000, 1))
  fs.writeFileSync(path.join(root, 'taken'), 'a file')
})

after(() => fs.rmSync(root, { recursive: true }))

const servers = serversOf(
  () => root,
  () => ({ status: { path: STATUS } }),
)
const withServer = (
  options: Partial<ServeOptions>,
  use: (url: string, server: FileServer) => Promise<void>,
): Promise<void> => servers(options, server => use(`http://127.0.0.1:${server.port}`, server))

const report = async (url: string): Promise<StatusReport> =>
  (await (await fetch(`${url}${STATUS}/json`)).json()) as StatusReport

test('what was answered is counted, and how', async () => {
  await withServer({}, async url => {
    const first = await report(url)
    for (let index = 0; index < 20; index++) await (await fetch(`${url}/a.txt`)).text()
    await (await fetch(`${url}/large.bin`)).arrayBuffer()
    await (await fetch(`${url}/none`)).text()
    const second = await report(url)
    const grown = (of: (report: StatusReport) => number) => of(second) - of(first)
    assert.equal(second.format, 1)
    assert.equal(second.threads, 1)
    // The first look at the state is counted once it is answered.
    assert.equal(
      grown(({ requests }) => requests),
      23,
    )
    assert.equal(
      grown(({ latency }) => latency.count),
      23,
    )
    assert.equal(second.statuses[404], 1)
    assert.equal(second.statuses[200], 22)
    assert.ok(grown(({ bytes }) => bytes) > 300_000 + 20 * 5)
    const { memory = 0, ...moved } = second.mechanisms
    assert.equal(memory + Object.values(moved).reduce((sum, count) => sum + count, 0), second.requests)
    assert.equal(
      Object.values(moved).reduce((sum, count) => sum + count, 0),
      1,
      JSON.stringify(moved),
    )
    assert.equal(
      grown(({ cache }) => cache.misses),
      3,
      'each of the three was looked for once',
    )
    assert.ok(second.connections.open >= 1)
    assert.ok(second.connections.accepted >= second.connections.open)
    assert.ok(grown(({ ring }) => ring.completions) > 0)
    assert.ok(second.ring.capacity > 0)
    assert.ok(grown(({ process }) => process.systemCalls.value) > 0)
    assert.ok(second.latency.p50 > 0 && second.latency.p50 <= second.latency.p99)
  })
})

test('what is kept open is told: how many files, their bytes, what was compressed, and what had to go', async () => {
  await withServer({ cacheEntries: 2, compress: true, cacheMs: 60_000 }, async url => {
    fs.writeFileSync(path.join(root, 'text.txt'), 'text '.repeat(1000))
    for (const name of ['a.txt', 'large.bin', 'a.txt', 'taken', 'text.txt'])
      await (await fetch(`${url}/${name}`, { headers: { 'accept-encoding': 'gzip' } })).arrayBuffer()
    const { cache } = await report(url)
    assert.deepEqual([cache.files, cache.evictions, cache.compressed.files], [2, 2, 1])
    // That which was asked for twice is left, and its answer stands ready; the other one was compressed.
    assert.ok(cache.bytes > 'a file'.length && cache.bytes < 1000, `${cache.bytes} bytes`)
    assert.ok(cache.compressed.bytes > 0 && cache.compressed.bytes < 1000)
    assert.ok(cache.watched <= cache.files)
    const found = families(await (await fetch(`${url}${STATUS}/metrics`)).text())
    const value = (name: string) => found.get(name)?.samples.get(name)
    assert.equal(value('sluice_http_cache_files'), 2)
    assert.equal(value('sluice_http_cache_evictions_total'), 2)
    assert.equal(value('sluice_http_cache_bytes'), cache.bytes)
    assert.equal(value('sluice_http_compressed_bytes'), cache.compressed.bytes)
  })
})

test('what is sent from a copy is counted in full, before it has left', async () => {
  await withServer({}, async (url, server) => {
    const response = await fetch(`${url}/none`)
    const body = await response.text()
    const { bytes } = server.stats
    assert.ok(bytes > body.length + 100 && bytes < body.length + 400, `${bytes} bytes of head and body`)
    await report(url)
    assert.ok(server.stats.bytes > bytes + 1000)
  })
})

test('the page holds all that it needs, under a policy that names it', async () => {
  await withServer({}, async url => {
    const response = await fetch(url + STATUS)
    const text = await response.text()
    assert.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
    assert.equal(response.headers.get('cache-control'), 'no-store')
    const policy = response.headers.get('content-security-policy') ?? ''
    const parts = [...text.matchAll(/<(?:style|script)[^>]*>(.+?)<\/(?:style|script)>/gs)]
    assert.equal(parts.length, 3)
    for (const [, part = ''] of parts)
      assert.ok(policy.includes(`'sha256-${createHash('sha256').update(part).digest('base64')}'`))
    assert.match(policy, /^default-src 'none';/)
    assert.doesNotMatch(text, /\b(?:src|href)="(?!#|data:)/)
    const head = await fetch(url + STATUS, { method: 'HEAD' })
    assert.equal(head.headers.get('content-length'), String(Buffer.byteLength(text)))
    assert.equal((await fetch(url + STATUS, { method: 'POST' })).status, 405)
  })
})

/** Takes an exposition apart, strictly: a family is described before its samples, and by no two. */
function families(text: string): Map<string, { type: string; samples: Map<string, number> }> {
  const found = new Map<string, { type: string; samples: Map<string, number> }>()
  let current = ''
  assert.ok(text.endsWith('\n'))
  for (const line of text.trimEnd().split('\n')) {
    const help = /^# HELP ([a-z_]+) \S.*$/.exec(line)
    const type = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line)
    const sample =
      /^([a-z_]+)(\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? (\d[\d.e+-]*)$/.exec(line)
    if (help !== null) {
      current = help[1] as string
      assert.ok(!found.has(current), current)
    } else if (type !== null) {
      assert.equal(type[1], current)
      found.set(current, { type: type[2] as string, samples: new Map() })
    } else {
      assert.ok(sample !== null, line)
      const family = found.get(current)
      assert.equal((sample[1] as string).replace(/_(bucket|sum|count)$/, ''), current.replace(/_count$/, ''))
      family?.samples.set(`${sample[1]}${sample[2] ?? ''}`, Number(sample[3]))
    }
  }
  return found
}

test('Prometheus reads it: families described once, counters called total, buckets that only grow', async () => {
  await withServer({}, async url => {
    for (let index = 0; index < 5; index++) await (await fetch(`${url}/a.txt`)).text()
    const response = await fetch(`${url}${STATUS}/metrics`)
    assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    assert.equal(response.headers.get('cache-control'), 'no-store')
    const found = families(await response.text())
    for (const [name, { type }] of found) assert.equal(type === 'counter', name.endsWith('_total'), name)
    assert.equal(
      found.get('sluice_http_requests_total')?.samples.get('sluice_http_requests_total{code="200"}'),
      5,
    )
    const { samples = new Map<string, number>() } = found.get('sluice_http_request_duration_seconds') ?? {}
    const buckets = [...samples].filter(([name]) => name.includes('_bucket'))
    const ends = buckets.map(([name]) => Number(/le="([^"]+)"/.exec(name)?.[1]?.replace('+Inf', 'Infinity')))
    assert.deepEqual(
      ends,
      ends.toSorted((a, b) => a - b),
    )
    assert.equal(ends.at(-1), Infinity)
    const counts = buckets.map(([, count]) => count)
    assert.deepEqual(
      counts,
      counts.toSorted((a, b) => a - b),
    )
    assert.equal(counts.at(-1), samples.get('sluice_http_request_duration_seconds_count'))
    assert.equal(counts.at(-1), 5)
  })
})

test('it is only there where it was asked for, and is no file', async () => {
  const server = await serve({ root, host: '127.0.0.1', port: 0 })
  try {
    assert.equal((await fetch(`http://127.0.0.1:${server.port}${STATUS}`)).status, 404)
    assert.ok(
      server.stats.latencies.every(count => count === 0),
      'nothing is timed that nobody asks for',
    )
  } finally {
    await server.close()
  }
  await withServer({}, async url => {
    for (const other of [`${STATUS}x`, `${STATUS}/other`, '/.sluice', `/x${STATUS}`])
      assert.equal((await fetch(url + other)).status, 404, other)
    for (const same of [`${STATUS}?x=1`, `${STATUS}/`, '/%2esluice/status', '//.sluice//status'])
      assert.equal((await fetch(url + same)).status, 200, same)
  })
  await withServer({ status: { path: '/taken' } }, async url => {
    assert.match(await (await fetch(`${url}/taken`)).text(), /^<!doctype html>/, 'it comes before a file')
  })
})

test('a client of another machine is refused, and told why', () => {
  const routes = new StatusRoutes(
    { path: STATUS, allow: ['10.0.0.0/8'] },
    () => assert.fail('nothing is told'),
    'server',
  )
  const path = { segments: ['.sluice', 'status', 'json'], directory: false, raw: `${STATUS}/json`, query: '' }
  const answer = routes.answer(path, { family: 'IPv4', address: '192.0.2.1', port: 1 }, '192.0.2.9')
  assert.ok(answer !== undefined && 'status' in answer)
  assert.equal(answer.status, 403)
  assert.throws(
    () => routes.answer(path, { family: 'IPv4', address: '10.0.0.1', port: 1 }, 'server'),
    /nothing is told/,
  )
})

test('no page of another site can read the state, whatever the files are for', async () => {
  await withServer({ cors: '*' }, async (url, server) => {
    for (const below of ['', '/json', '/metrics']) {
      const response = await fetch(url + STATUS + below)
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('access-control-allow-origin'), null)
      await response.arrayBuffer()
    }
    assert.equal((await fetch(`${url}/a.txt`)).headers.get('access-control-allow-origin'), '*')
    const ask = (host: string) =>
      exchange(server.port, `GET ${STATUS}/json HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    const refused = await ask('rebound.example.org')
    assert.match(refused, /^HTTP\/1\.1 403/)
    assert.doesNotMatch(refused, /Access-Control/)
    assert.match(await ask('localhost:8080'), /^HTTP\/1\.1 200/)
  })
})

test('a path that cannot be one is refused before anything is opened', async () => {
  for (const bad of ['', '/', 'status', '/a?b', '/%zz', '/..', 5]) {
    await assert.rejects(serve({ root, port: 0, status: { path: bad as string } }), {
      code: /^ERR_INVALID_ARG_(VALUE|TYPE)$/,
    })
  }
  await assert.rejects(serve({ root, port: 0, status: { path: STATUS, allow: ['x'] } }), {
    code: 'ERR_INVALID_ARG_VALUE',
  })
  await assert.rejects(serve({ root, port: 0, status: { path: STATUS, hosts: 'x' as never } }), {
    code: 'ERR_INVALID_ARG_TYPE',
  })
  for (const [host, code] of [
    ['', 'ERR_INVALID_ARG_VALUE'],
    [5 as never, 'ERR_INVALID_ARG_TYPE'],
  ] as const) {
    const wrong = serve({ root, port: 0, host, status: { path: STATUS } })
    await assert.rejects(wrong, { code, message: /options\.host\b/ })
  }
})

test('over a Unix socket everybody is of this machine', async () => {
  const socketPath = path.join(root, 'socket')
  const server = await serve({ root, path: socketPath, status: { path: STATUS } })
  try {
    const status = await new Promise(resolve => {
      http.get({ socketPath, path: `${STATUS}/json` }, response => resolve(response.resume().statusCode))
    })
    assert.equal(status, 200)
  } finally {
    await server.close({ timeout: 1000 })
  }
})
