import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import express, { type ExpressResponse } from 'express'
import { type SendFileOptions, sendFile } from 'sluice/http'

/* The same calls, to Express's `response.sendFile()` and to our `sendFile()`: what the client and the callback see. */

const MODIFIED = new Date('2024-03-01T12:00:00Z')
let base: string
let root: string

before(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-send-file-'))
  root = path.join(base, 'files')
  fs.mkdirSync(path.join(root, 'folder'), { recursive: true })
  const put = (name: string, content: string | Buffer) => {
    fs.writeFileSync(path.join(root, name), content)
    fs.utimesSync(path.join(root, name), MODIFIED, MODIFIED)
  }
  put('a.txt', 'hello')
  put('größe 100%.txt', 'hello')
  put('.hidden', 'hidden')
  put('large.bin', Buffer.alloc(40 << 20, 'x'))
  fs.writeFileSync(path.join(base, 'secret'), 'secret')
})

after(() => fs.rmSync(base, { recursive: true }))

/** One call: how the response stands before, what is asked for, with which options and by which request. */
interface Call {
  file: string
  options?: SendFileOptions
  method?: string
  headers?: http.OutgoingHttpHeaders
  prepare?: (response: ExpressResponse) => void
}

interface Seen {
  status: number
  body: string
  headers: Record<string, unknown>
  error: Record<string, unknown> | undefined
}

type Send = (response: ExpressResponse, call: Call, done: (error?: Error) => void) => void

const theirs: Send = (response, { file, options = {} }, done) => response.sendFile(file, options, done)
const ours: Send = (response, { file, options = {} }, done) => sendFile(response, file, options, done)

async function perform(send: Send, call: Call): Promise<Seen> {
  const app = express()
  let error: Failure | undefined
  app.all('/', (_request: never, response) => {
    call.prepare?.(response)
    send(response, call, failure => {
      error = failure as Failure | undefined
      // Express has set headers of the file that it then does not send.
      for (const name of response.headersSent ? [] : response.getHeaderNames()) response.removeHeader(name)
      if (failure !== undefined && !response.headersSent) response.writeHead(599).end()
    })
  })
  const server = http.createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { method = 'GET', headers = {} } = call
  const request = http.request({ port, host: '127.0.0.1', method, headers, agent: false }).end()
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  let body = ''
  response.setEncoding('latin1').on('data', text => {
    body += text
  })
  await once(response, 'end')
  server.close()
  await once(server, 'close')
  const { etag, date, connection, ...rest } = response.headers
  delete rest['x-content-type-options']
  const { status, statusCode, code, headers: own } = error ?? {}
  const told = error === undefined ? undefined : { status, statusCode, code, headers: own }
  return {
    status: response.statusCode ?? 0,
    body,
    headers: { ...rest, etag: etag !== undefined },
    error: told,
  }
}

interface Failure extends Error {
  status?: number
  statusCode?: number
  code?: string
  headers?: object
}

const below = (
  file: string,
  options: SendFileOptions = {},
  more: Partial<Call> = {},
): [string, () => Call] => [
  `${file} below a root ${JSON.stringify({ ...options, ...more })}`,
  () => ({ file, options: { root, ...options }, ...more }),
]
const absolute = (name: string, more: Partial<Call> = {}): [string, () => Call] => [
  `${name} by its absolute path ${JSON.stringify(more)}`,
  () => ({ file: path.join(root, name), ...more }),
]
const DATE = MODIFIED.toUTCString()

const CALLS: [name: string, call: () => Call][] = [
  below('a.txt'),
  below('/a.txt'),
  below('./a.txt'),
  below('größe 100%.txt'),
  absolute('a.txt'),
  absolute('größe 100%.txt'),
  below('a.txt', {}, { method: 'HEAD' }),
  below('a.txt', {}, { method: 'POST' }),
  below('a.txt', { maxAge: '1d', immutable: true }),
  below('a.txt', { cacheControl: false, lastModified: false, acceptRanges: false }),
  below('a.txt', { headers: { 'X-Own': 'yes', 'Cache-Control': 'no-store', 'Content-Type': 'text/x-own' } }),
  below('a.txt', { headers: { 'Content-Length': '3' } }),
  below('.hidden', { dotfiles: 'allow' }),
  below('a.txt', {}, { headers: { Range: 'bytes=1-2' } }),
  below('a.txt', {}, { headers: { 'If-Modified-Since': DATE } }),
  below('a.txt', {}, { headers: { 'If-None-Match': '*' } }),
  [
    'a status that is set already',
    () => ({ file: 'a.txt', options: { root }, prepare: response => void response.status(404) }),
  ],
  [
    'a status that is set already, and a condition',
    () => ({
      file: 'a.txt',
      options: { root },
      headers: { 'If-Modified-Since': DATE },
      prepare: response => void response.status(404),
    }),
  ],
  [
    'headers that are set already',
    () => ({
      file: 'a.txt',
      options: { root },
      prepare: response =>
        void response.setHeader('Content-Type', 'application/x-own').setHeader('Cache-Control', 'no-store'),
    }),
  ],
]

for (const [name, call] of CALLS) {
  test(`sendFile sends as Express does: ${name}`, async () => {
    const [own, other] = [await perform(ours, call()), await perform(theirs, call())]
    for (const seen of [own, other]) {
      seen.headers['content-type'] = String(seen.headers['content-type']).toLowerCase()
      if (seen.status === 304) delete seen.headers['accept-ranges']
    }
    assert.equal(own.error, undefined)
    assert.deepEqual(own, other)
  })
}

const FAILURES: [name: string, call: () => Call][] = [
  below('absent.txt'),
  below('a.txt/b'),
  below('folder'),
  below('a.txt/'),
  below('absent/'),
  below('../secret'),
  below('folder/../../secret'),
  below('.hidden'),
  below('.hidden', { dotfiles: 'deny' }),
  below('a.txt', {}, { headers: { Range: 'bytes=100-' } }),
  below('a.txt', {}, { headers: { 'If-Unmodified-Since': 'Thu, 01 Jan 1970 00:00:00 GMT' } }),
  below('a.txt', {}, { headers: { 'If-Match': '"absent"' } }),
  absolute('absent.txt'),
  absolute('folder'),
  ['a root that is not there', () => ({ file: 'a.txt', options: { root: path.join(base, 'absent') } })],
]

for (const [name, call] of FAILURES) {
  test(`sendFile fails as Express does, before anything is sent: ${name}`, async () => {
    const [own, other] = [await perform(ours, call()), await perform(theirs, call())]
    assert.equal(own.status, 599)
    assert.equal(other.status, 599)
    // To a directory Express gives no status; its caller goes on to 404.
    assert.equal(own.error?.status, other.error?.status ?? 404)
    assert.equal(own.error?.statusCode, own.error?.status)
    assert.equal(own.error?.code === 'EISDIR', other.error?.code === 'EISDIR')
    const range = (seen: Seen) =>
      (seen.error?.headers as Record<string, string> | undefined)?.['Content-Range']
    assert.equal(range(own), range(other))
  })
}

test('sendFile refuses a path that is no absolute one, and none at all', async () => {
  const server = http.createServer(async (_request, response) => {
    await assert.rejects(sendFile(response, 'a.txt'), { code: 'ERR_INVALID_ARG_VALUE' })
    await assert.rejects(sendFile(response, undefined as never), { code: 'ERR_INVALID_ARG_TYPE' })
    await assert.rejects(sendFile(response, 'a.txt', { root, maxAge: 'soon' }), {
      code: 'ERR_INVALID_ARG_VALUE',
    })
    response.end('fine')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  assert.equal(await (await fetch(`http://127.0.0.1:${port}`)).text(), 'fine')
  server.closeAllConnections()
  server.close()
})

test('a client that goes away is told of as Express tells of it', async () => {
  for (const send of [ours, theirs]) {
    const told = new Promise<Failure>(resolve => {
      const app = express()
      app.all('/', (_request: never, response) => {
        send(response, { file: 'large.bin', options: { root } }, error => resolve(error as Failure))
      })
      const server = http.createServer(app).listen(0, '127.0.0.1', () => {
        const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
        socket.on('error', () => {})
        socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
        socket.once('data', () => {
          socket.destroy()
          server.close()
        })
      })
    })
    assert.equal((await told).code, 'ECONNABORTED')
  }
})

test('a root that is put in the place of another is served within a second or so', async () => {
  const moving = path.join(base, 'moving')
  const put = (content: string) => {
    fs.mkdirSync(moving)
    fs.writeFileSync(path.join(moving, 'a'), content)
  }
  put('first')
  const server = http.createServer(
    (_request, response) => void sendFile(response, 'a', { root: moving, cacheMs: 0 }),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const read = async () => (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).text()
  assert.equal(await read(), 'first')
  fs.renameSync(moving, `${moving}.old`)
  put('second')
  while ((await read()) !== 'second') await new Promise(resolve => setTimeout(resolve, 50))
  server.closeAllConnections()
  server.close()
})
