import assert from 'node:assert/strict'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { pageCache } from '../file/index.js'
import { type FileServer, serve } from './index.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-hot-'))
const LARGE = 3 * 2 ** 20
writeFileSync(join(folder, 'a'), 'aaaa')
writeFileSync(join(folder, 'b'), 'bb')
writeFileSync(join(folder, 'medium'), Buffer.alloc(65536, 'm'))
writeFileSync(join(folder, 'large'), Buffer.alloc(LARGE, 'l'))
after(() => rmSync(folder, { recursive: true }))

function get(path: string, more = ''): string {
  return `GET /${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
}

/** What a connection gives for requests that are sent piece by piece, until it has been silent for a moment. */
async function ask(server: FileServer, ...pieces: string[]): Promise<string> {
  const socket = connect(server.port, '127.0.0.1')
  const received = collect(socket)
  const closed = once(socket, 'close')
  for (const piece of pieces) {
    socket.write(piece)
    await wait(30)
  }
  socket.end()
  await closed
  return received()
}

function collect(socket: Socket): () => string {
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  return () => Buffer.concat(chunks).toString('latin1')
}

/** Statuses and bodies, as the lengths in the heads part them. */
function responses(text: string): [number, string][] {
  const found: [number, string][] = []
  let rest = text
  while (rest.length > 0) {
    const end = rest.indexOf('\r\n\r\n') + 4
    const length = Number(/Content-Length: (\d+)/.exec(rest.slice(0, end))?.[1] ?? 0)
    found.push([Number(rest.slice(9, 12)), rest.slice(end, end + length)])
    rest = rest.slice(end + length)
  }
  return found
}

test('a head that is repeated gets what it got before', async () => {
  await using server = await serve({ root: folder, host: '127.0.0.1', port: 0 })
  const text = await ask(server, get('a'), get('a'), get('a'), get('b'), get('b'), get('a'))
  const bodies = ['aaaa', 'aaaa', 'aaaa', 'bb', 'bb', 'aaaa']
  assert.deepEqual(
    responses(text),
    bodies.map(body => [200, body]),
  )
  assert.equal(server.stats.requests, bodies.length)
})

test('repeated heads that come together are answered in their order, others between them too', async () => {
  await using server = await serve({ root: folder, host: '127.0.0.1', port: 0 })
  const text = await ask(
    server,
    get('a'),
    get('a').repeat(3) + get('b') + get('nowhere') + get('a').repeat(2),
  )
  const bodies = responses(text).map(([status, body]) => (status === 200 ? body : status))
  assert.deepEqual(bodies, ['aaaa', 'aaaa', 'aaaa', 'aaaa', 'bb', 404, 'aaaa', 'aaaa'])
})

test('what follows a head that is not whole is no request, though it reads like one', async () => {
  await using server = await serve({ root: folder, host: '127.0.0.1', port: 0 })
  const text = await ask(server, get('a'), 'GET /b HTTP/1.1\r\nX: y\r\n', get('a'))
  assert.deepEqual(
    responses(text).map(([status]) => status),
    [200, 400],
  )
})

test('a body is no request, though it reads like one', async () => {
  await using server = await serve({ root: folder, host: '127.0.0.1', port: 0 })
  const body = get('a')
  const text = await ask(server, get('a'), get('b', `Content-Length: ${body.length}\r\n`), body, get('a'))
  assert.deepEqual(responses(text), [
    [200, 'aaaa'],
    [200, 'bb'],
    [200, 'aaaa'],
  ])
})

test('a head that only begins like one before is another one', async () => {
  await using server = await serve({ root: folder, host: '127.0.0.1', port: 0 })
  const text = await ask(
    server,
    get('a'),
    get('a', 'Range: bytes=0-1\r\n'),
    get('a', 'Content-Length: x\r\n'),
  )
  assert.deepEqual(
    responses(text).map(([status]) => status),
    [200, 206, 400],
  )
})

test('a file changed under a repeated head is seen once what was known of it is stale', async () => {
  await using server = await serve({ root: folder, host: '127.0.0.1', port: 0, cacheMs: 20 })
  writeFileSync(join(folder, 'changing'), 'old')
  const socket = connect(server.port, '127.0.0.1')
  const received = collect(socket)
  for (const content of ['old', 'newer']) {
    writeFileSync(join(folder, 'changing'), content)
    await wait(60)
    socket.write(get('changing'))
    await wait(60)
    socket.write(get('changing'))
    await wait(60)
  }
  socket.end()
  await once(socket, 'close')
  assert.deepEqual(
    responses(received()).map(([, body]) => body),
    ['old', 'old', 'newer', 'newer'],
  )
})

test('a file that comes in the place of what a repeated head got is seen, though that was looked at since', async () => {
  const root = mkdtempSync(join(folder, 'index-'))
  writeFileSync(join(root, 'index.html'), 'html')
  const index = ['index.htm', 'index.html']
  await using server = await serve({ root, host: '127.0.0.1', port: 0, index })
  const socket = connect(server.port, '127.0.0.1')
  const received = collect(socket)
  const send = async (target: string) => {
    socket.write(get(target))
    await wait(30)
  }
  for (let round = 0; round < 3; round++) await send('')
  writeFileSync(join(root, 'index.htm'), 'htm')
  await wait(30)
  await ask(server, get('index.html'))
  await send('')
  socket.end()
  await once(socket, 'close')
  assert.deepEqual(
    responses(received()).map(([, body]) => body),
    ['html', 'html', 'html', 'htm'],
  )
})

test('the last request that is taken is told so, also where it repeats one', async () => {
  await using server = await serve({ root: folder, host: '127.0.0.1', port: 0, maxRequests: 3 })
  const text = await ask(server, get('a'), get('a'), get('a'), get('a'))
  assert.equal(responses(text).length, 3)
  assert.equal(text.match(/Connection: close/g)?.length, 1)
  assert.match(text.slice(text.lastIndexOf('HTTP/1.1')), /Connection: close/)
})

test('files that do not fit into a socket come whole and in order, however they are asked for', async () => {
  await using server = await serve({ root: folder, host: '127.0.0.1', port: 0 })
  await ask(server, get('large'), get('medium'), get('a'))
  const text = await ask(
    server,
    get('large') + get('a') + get('medium'),
    get('large').repeat(2) + get('medium'),
  )
  assert.deepEqual(
    responses(text).map(([status, body]) => [status, body[0], body.length]),
    [
      [200, 'l', LARGE],
      [200, 'a', 4],
      [200, 'm', 65536],
      [200, 'l', LARGE],
      [200, 'l', LARGE],
      [200, 'm', 65536],
    ],
  )
})

test('closing waits for the rest of a file that goes out by the short way', async () => {
  const server = await serve({ root: folder, host: '127.0.0.1', port: 0 })
  await ask(server, get('large'))
  const socket = connect(server.port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(get('large'))
  await wait(100)
  const closed = server.close()
  const received = collect(socket)
  await once(socket, 'close')
  await closed
  assert.equal(responses(received())[0][1].length, LARGE)
})

test('a file that is first asked for by many at once, who have it already, is kept open for all', async () => {
  await using server = await serve({ root: folder, host: '127.0.0.1', port: 0 })
  for (const name of ['first', 'second', 'third']) {
    writeFileSync(join(folder, name), name)
    const modified = statSync(join(folder, name)).mtime.toUTCString()
    const sockets = Array.from({ length: 48 }, () => connect(server.port, '127.0.0.1'))
    await Promise.all(sockets.map(socket => once(socket, 'connect')))
    const texts = sockets.map(collect)
    for (const socket of sockets) socket.end(get(name, `If-Modified-Since: ${modified}\r\n`) + get(name))
    await Promise.all(sockets.map(socket => once(socket, 'close')))
    const expected = [
      [304, ''],
      [200, name],
    ]
    for (const text of texts) assert.deepEqual(responses(text()), expected)
  }
})

/** Has the page cache forget a file. */
async function forget(name: string): Promise<void> {
  const fd = openSync(join(folder, name), 'r')
  await pageCache.evict(fd, { sync: true })
  closeSync(fd)
}

test('a small file that is not in memory is read in and then sent from there, whichever way it is asked for', async () => {
  const parts = Array.from({ length: 200 }, (_, part) => Buffer.alloc(1000, `${part} `))
  writeFileSync(join(folder, 'cold'), Buffer.concat(parts))
  const whole = Buffer.concat(parts).toString('latin1')
  await using server = await serve({ root: folder, host: '127.0.0.1', port: 0 })
  const socket = connect(server.port, '127.0.0.1')
  const received = collect(socket)
  const asked = [get('cold'), get('cold'), get('cold', 'Range: bytes=1000-1999\r\n'), get('cold')]
  for (const request of asked) {
    await forget('cold')
    const before = received().length
    socket.write(request)
    while (received().length === before) await once(socket, 'data')
    await wait(20)
  }
  socket.end()
  await once(socket, 'close')
  const bodies = [whole, whole, whole.slice(1000, 2000), whole]
  assert.deepEqual(
    responses(received()).map(([, body]) => body),
    bodies,
  )
  assert.deepEqual([...server.stats.mechanisms], [['sendfile', bodies.length]])
})
