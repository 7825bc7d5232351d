import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import express from 'express'
import serveStatic from 'serve-static'
import { type Middleware, type StaticFilesOptions, staticFiles } from 'sluice/http'

/*
 * The same requests go to `serve-static` and to us, with the same options: status, body and the headers that users
 * rely on have to be the same. What differs on purpose is in the second table, with the reason.
 */

let root: string
const MODIFIED = new Date('2024-03-01T12:00:00Z')

before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-differential-'))
  const put = (name: string, content: string | Buffer = name) => {
    const file = path.join(root, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, content)
    fs.utimesSync(file, MODIFIED, MODIFIED)
  }
  put('index.html', '<p>home')
  put('docs/index.html', '<p>docs')
  put('docs/other.htm', '<p>other')
  put('empty/.keep')
  put('page.html', '<p>page')
  put('list.txt', '- groceries')
  put('nothing', '')
  put('no-extension')
  put('with space.txt')
  put('größe.txt')
  put('100%.txt')
  put('a+b&c.txt')
  put('script.js', 'let a')
  put('module.mjs', 'let a')
  put('data.json', '{}')
  put('image.png', 'png')
  put('drawing.svg', '<svg/>')
  put('style.css', 'a{}')
  put('font.woff2', 'font')
  put('code.wasm', 'wasm')
  put('.hidden', 'hidden')
  put('.folder/file', 'hidden')
  put('docs/.hidden', 'hidden')
  put('large.bin', Buffer.alloc(200_000, 'large '))
})

after(() => fs.rmSync(root, { recursive: true }))

interface Reply {
  status: number
  headers: http.IncomingHttpHeaders
  body: string
}

/** What an application does with what is left to it: `pass`, or the error's status and headers. */
function application(middleware: Middleware, mount: string): http.RequestListener {
  const app = express()
  app.use(mount, middleware)
  app.use((_request: never, response) => void response.writeHead(418, { 'x-next': 'pass' }).end())
  const onError = (error: Failure, _request: never, response: http.ServerResponse, _next: unknown) => {
    for (const name of response.getHeaderNames()) response.removeHeader(name)
    response.writeHead(error.status ?? 500, {
      'x-next': `${error.statusCode}`,
      ...(error.headers ?? {}),
    })
    response.end()
  }
  app.use(onError as never)
  return app
}

interface Failure extends Error {
  status?: number
  statusCode?: number
  headers?: Record<string, string>
}

interface Question {
  target: string
  method?: string
  headers?: http.OutgoingHttpHeaders
}

async function ask(port: number, { target, method = 'GET', headers = {} }: Question): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', path: target, method, headers, agent: false }
    const request = http.request(options, response => {
      let body = ''
      response.setEncoding('latin1').on('data', text => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    request.on('error', reject).end()
  })
}

/** Headers that users rely on, in a form in which both mean the same. */
function essence({ status, headers, body }: Reply, asks: Question): Record<string, unknown> {
  const found = status < 300 || status === 304
  return {
    status,
    type: found ? headers['content-type']?.replace(/;\s*charset=utf-8$/i, '') : undefined,
    text: found
      ? /^text\/|json/.test(headers['content-type'] ?? '') && headers['content-type']?.toLowerCase()
      : '',
    length: found ? headers['content-length'] : undefined,
    ranges: status < 300 ? headers['accept-ranges'] : undefined,
    range: headers['content-range'],
    cacheControl: headers['cache-control'],
    modified: headers['last-modified'],
    hasTag: headers.etag !== undefined,
    location: headers.location,
    allow: headers.allow,
    own: headers['x-own'],
    next: headers['x-next'],
    body: found && asks.method !== 'HEAD' ? body : undefined,
  }
}

async function withPeers(
  options: StaticFilesOptions,
  mount: string,
  use: (ours: number, theirs: number) => Promise<void>,
): Promise<void> {
  const servers = [staticFiles(root, options), serveStatic(root, options)].map(middleware =>
    http.createServer(application(middleware, mount)).listen(0, '127.0.0.1'),
  )
  try {
    for (const server of servers) {
      if (!server.listening) await new Promise(resolve => server.once('listening', resolve))
    }
    const [ours, theirs] = servers.map(server => (server.address() as AddressInfo).port) as [number, number]
    await use(ours, theirs)
  } finally {
    for (const server of servers) {
      server.closeAllConnections()
      server.close()
    }
  }
}

const gets = (...targets: string[]): Question[] => targets.map(target => ({ target }))
const asks = (target: string, headers: http.OutgoingHttpHeaders): Question => ({ target, headers })
const DATE = MODIFIED.toUTCString()
const EARLIER = new Date(MODIFIED.getTime() - 5000).toUTCString()
const LATER = new Date(MODIFIED.getTime() + 5000).toUTCString()

const FILES = gets(
  '/list.txt',
  '/list.txt?a=b',
  '/nothing',
  '/no-extension',
  '/with%20space.txt',
  '/gr%C3%B6%C3%9Fe.txt',
  '/100%25.txt',
  '/a+b&c.txt',
  '/a%2Bb%26c.txt',
  '/script.js',
  '/module.mjs',
  '/data.json',
  '/image.png',
  '/drawing.svg',
  '/style.css',
  '/font.woff2',
  '/code.wasm',
  '/large.bin',
  '/docs/../list.txt',
  '/docs/./other.htm',
  '/%6cist.txt',
)
const DIRECTORIES = gets(
  '/',
  '/?a',
  '/docs',
  '/docs/',
  '/docs?a=b&c',
  '/empty',
  '/empty/',
  '/docs/other.htm/',
)
const ABSENT = gets(
  '/absent',
  '/absent/',
  '/list.txt/',
  '/docs/absent.txt',
  '/LIST.TXT',
  '/page',
  '/docs/index',
)
const HIDDEN = gets('/.hidden', '/.folder/file', '/.folder/', '/docs/.hidden', '/.absent')
const MALFORMED = gets('/%', '/%zz', '/%ff', '/list%00.txt')
const METHODS: Question[] = ['HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'].map(method => ({
  target: '/list.txt',
  method,
}))
const CONDITIONS = [
  asks('/list.txt', { 'If-Modified-Since': DATE }),
  asks('/list.txt', { 'If-Modified-Since': EARLIER }),
  asks('/list.txt', { 'If-Modified-Since': LATER }),
  asks('/list.txt', { 'If-Modified-Since': 'nonsense' }),
  asks('/list.txt', { 'If-Unmodified-Since': DATE }),
  asks('/list.txt', { 'If-Unmodified-Since': EARLIER }),
  asks('/list.txt', { 'If-Unmodified-Since': 'nonsense' }),
  asks('/list.txt', { 'If-None-Match': '*' }),
  asks('/list.txt', { 'If-None-Match': '"absent"' }),
  asks('/list.txt', { 'If-None-Match': '"absent"', 'If-Modified-Since': DATE }),
  asks('/list.txt', { 'If-Match': '*' }),
  asks('/list.txt', { 'If-Match': '"absent"' }),
  asks('/absent', { 'If-Match': '"absent"' }),
]
const RANGES = [
  'bytes=0-3',
  'bytes=4-',
  'bytes=-3',
  'bytes=-0',
  'bytes=0-1000',
  'bytes=100-',
  'bytes=',
  'bytes=a-b',
  'items=0-1',
  'bytes=0-0',
].map(Range => asks('/list.txt', { Range }))
const CONDITIONAL_RANGES = [
  asks('/list.txt', { Range: 'bytes=0-3', 'If-Range': DATE }),
  asks('/list.txt', { Range: 'bytes=0-3', 'If-Range': EARLIER }),
  asks('/list.txt', { Range: 'bytes=0-3', 'If-Range': '"absent"' }),
  asks('/list.txt', { Range: 'bytes=100-', 'If-Range': '"absent"' }),
  asks('/large.bin', { Range: 'bytes=1000-180000' }),
  { target: '/list.txt', method: 'HEAD', headers: { 'If-Modified-Since': DATE } },
]
const EVERYTHING = [
  ...FILES,
  ...DIRECTORIES,
  ...ABSENT,
  ...HIDDEN,
  ...MALFORMED,
  ...METHODS,
  ...CONDITIONS,
  ...RANGES,
  ...CONDITIONAL_RANGES,
]
const SOME = [
  ...FILES.slice(0, 4),
  ...DIRECTORIES,
  ...ABSENT,
  ...HIDDEN,
  ...MALFORMED,
  ...METHODS,
  ...CONDITIONS,
]

const OPTIONS: [name: string, options: StaticFilesOptions, questions: Question[], mount?: string][] = [
  ['no options', {}, EVERYTHING],
  ['behind a mount point', {}, [...SOME, ...gets('')], '/files'],
  ['behind a mount point of two segments', {}, [...DIRECTORIES, ...gets('')], '/files/of'],
  ['fallthrough: false', { fallthrough: false }, EVERYTHING],
  ['redirect: false', { redirect: false }, [...DIRECTORIES, ...gets('')], '/files'],
  ['redirect and fallthrough: false', { redirect: false, fallthrough: false }, DIRECTORIES],
  ['index: false', { index: false }, DIRECTORIES],
  ['another index', { index: 'other.htm' }, DIRECTORIES],
  ['several indices', { index: ['absent.html', 'other.htm', 'index.html'] }, DIRECTORIES],
  [
    'an extension',
    { extensions: 'html' },
    [...ABSENT, ...FILES.slice(0, 4), ...gets('/docs', '/docs/other')],
  ],
  ['extensions', { extensions: ['htm', 'html'] }, gets('/page', '/docs/other', '/docs/index', '/page/', '/')],
  ['dotfiles: ignore', { dotfiles: 'ignore', fallthrough: false }, HIDDEN],
  ['dotfiles: deny', { dotfiles: 'deny' }, HIDDEN],
  ['dotfiles: deny, fallthrough: false', { dotfiles: 'deny', fallthrough: false }, HIDDEN],
  ['dotfiles: allow', { dotfiles: 'allow' }, HIDDEN],
  ['etag: false', { etag: false }, [...FILES.slice(0, 3), ...CONDITIONS.slice(0, 4)]],
  ['lastModified: false', { lastModified: false }, [...FILES.slice(0, 3), ...CONDITIONS.slice(0, 4)]],
  ['maxAge in milliseconds', { maxAge: 5_999 }, FILES.slice(0, 3)],
  ['maxAge in words', { maxAge: '2 days' }, FILES.slice(0, 3)],
  ['maxAge in letters', { maxAge: '1.5h' }, FILES.slice(0, 3)],
  ['maxAge of more than a year', { maxAge: '3y' }, FILES.slice(0, 3)],
  ['maxAge without end', { maxAge: Infinity }, FILES.slice(0, 3)],
  ['immutable', { maxAge: '1d', immutable: true }, [...FILES.slice(0, 3), ...CONDITIONS.slice(0, 2)]],
  ['cacheControl: false', { cacheControl: false, maxAge: '1d' }, FILES.slice(0, 3)],
  ['acceptRanges: false', { acceptRanges: false }, [...RANGES, ...FILES.slice(0, 2)]],
  [
    'setHeaders',
    {
      setHeaders: (response, name, { size, mtime }) => {
        response.setHeader('X-Own', `${path.relative(root, name)} ${size} ${mtime.toISOString()}`)
        response.setHeader('Cache-Control', 'no-store')
        if (name.endsWith('.js')) response.setHeader('Content-Type', 'text/plain')
      },
    },
    [...FILES, ...DIRECTORIES, ...ABSENT, ...CONDITIONS.slice(0, 4), ...RANGES.slice(0, 3)],
  ],
]

for (const [name, options, questions, mount = '/'] of OPTIONS) {
  test(`staticFiles answers as serve-static does: ${name}`, async () => {
    await withPeers(options, mount, async (ours, theirs) => {
      for (const question of questions) {
        const target = mount === '/' ? question.target : mount + question.target
        const asked = { ...question, target }
        const [own, other] = await Promise.all([ask(ours, asked), ask(theirs, asked)])
        const about = `${JSON.stringify(asked)}\nours: ${JSON.stringify(own.headers)}\ntheirs: ${JSON.stringify(other.headers)}`
        assert.deepEqual(essence(own, asked), essence(other, asked), about)
      }
    })
  })
}

/** Where we answer otherwise, and why. */
const DIFFERENT: [why: string, question: Question, ours: number, theirs: number][] = [
  [
    'RFC 9110 14.1.1: a range that ends before it begins is invalid',
    asks('/list.txt', { Range: 'bytes=3-1' }),
    200,
    416,
  ],
  ['ranges that nearly touch become one', asks('/list.txt', { Range: 'bytes=0-0,9-9' }), 206, 200],
  ['far ranges are sent as parts', asks('/large.bin', { Range: 'bytes=0-0,9000-9000' }), 206, 200],
  [
    'an encoded slash is no separator: two readers would see two paths',
    { target: '/docs%2Fother.htm' },
    418,
    200,
  ],
  ['.well-known is served: RFC 8615', { target: '/.well-known/x' }, 200, 418],
  ['a link that leads out of the root is not followed', { target: '/out' }, 418, 200],
]

test('where staticFiles answers otherwise than serve-static, the reason is written down', async () => {
  fs.mkdirSync(path.join(root, '.well-known'))
  fs.writeFileSync(path.join(root, '.well-known/x'), '')
  fs.writeFileSync(`${root}.outside`, 'outside')
  fs.symlinkSync(`${root}.outside`, path.join(root, 'out'))
  try {
    await withPeers({}, '/', async (ours, theirs) => {
      for (const [why, question, own, other] of DIFFERENT) {
        assert.equal((await ask(ours, question)).status, own, why)
        assert.equal((await ask(theirs, question)).status, other, why)
      }
    })
  } finally {
    fs.rmSync(`${root}.outside`)
  }
})
