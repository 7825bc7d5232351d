import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { type FileServer, serve } from './serve.js'
import { serversOf } from './serve.test.support.js'

const LARGE = Buffer.from(Array.from({ length: 400_000 }, (_, index) => index & 255))
let root: string

before(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-server-'))
  fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
  fs.writeFileSync(path.join(root, 'large.bin'), LARGE)
})

after(() => fs.rmSync(root, { recursive: true }))

const withServer = serversOf(() => root)

/** Sends bytes, in pieces, and gives back everything that comes until the server closes. */
async function exchange(server: FileServer, request: string | Buffer, piece = Infinity): Promise<Buffer> {
  const socket = net.connect(server.port, '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  socket.on('error', () => {})
  socket.setNoDelay(true)
  const bytes = Buffer.from(request)
  for (let at = 0; at < bytes.length && !socket.destroyed; at += piece) {
    socket.write(bytes.subarray(at, Math.min(bytes.length, at + piece)))
    if (piece !== Infinity) await new Promise(resolve => setImmediate(resolve))
  }
  await new Promise(resolve => socket.once('close', resolve))
  return Buffer.concat(chunks)
}

const status = (response: Buffer) => Number(/^HTTP\/1\.1 (\d+)/.exec(response.toString('latin1'))?.[1])
const get = (target: string, more = '') => `GET ${target} HTTP/1.1\r\nHost: x\r\n${more}\r\n`
const CLOSE = 'Connection: close\r\n'

test('requests in one piece, byte by byte and pipelined are answered alike and in order', async () => {
  await withServer({}, async server => {
    const requests = get('/a.txt') + get('/large.bin') + get('/absent') + get('/a.txt', CLOSE)
    const whole = await exchange(server, requests)
    const undated = (response: Buffer) => response.toString('latin1').replace(/Date: .*\r\n/g, '')
    assert.equal(undated(await exchange(server, requests, 1)), undated(whole))
    assert.equal(undated(await exchange(server, requests, 7)), undated(whole))
    const text = whole.toString('latin1')
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), [
      'HTTP/1.1 200',
      'HTTP/1.1 200',
      'HTTP/1.1 404',
      'HTTP/1.1 200',
    ])
    assert.ok(whole.includes(LARGE))
    assert.ok(text.endsWith('hello'))
  })
})

test('what two readers could read differently is refused, and the connection closed', async () => {
  await withServer({}, async server => {
    const refusals: [request: string, status: number][] = [
      ['GET / HTTP/1.1\nHost: x\n\n', 400],
      ['GET / HTTP/1.1\r\nHost : x\r\n\r\n', 400],
      ['GET / HTTP/1.1\r\n\r\n', 400],
      ['GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
      ['GET /a.txt HTTP/1.1\r\nHost:\r\n\r\n', 400],
      ['GET /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 0\t\r\n\r\n', 400],
      ['GET / HTTP/2.0\r\nHost: x\r\n\r\n', 505],
      ['POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', 400],
      ['POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 501],
      [`GET /${'a'.repeat(10_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
      [`GET / HTTP/1.1\r\nHost: x\r\nA: ${'b'.repeat(20_000)}\r\n\r\n`, 431],
    ]
    for (const [request, expected] of refusals) {
      const response = await exchange(server, request + get('/a.txt'))
      assert.equal(status(response), expected, request.slice(0, 60))
      assert.ok(!response.includes('hello'), 'nothing behind a refused request is answered')
    }
  })
})

test('a body is read to its end, and the request behind it answered', async () => {
  await withServer({ maxBody: 100 }, async server => {
    const chunked =
      'GET /a.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n'
    const counted = 'GET /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc'
    for (const request of [chunked, counted]) {
      for (const piece of [1, Infinity]) {
        const response = (await exchange(server, request + get('/a.txt', CLOSE), piece)).toString()
        assert.equal(response.match(/hello/g)?.length, 2)
      }
    }
    const tooLong = `GET /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n${'x'.repeat(101)}`
    const response = (await exchange(server, tooLong + get('/a.txt'))).toString()
    assert.equal(response.match(/HTTP\/1\.1 /g)?.length, 1)
  })
})

test('RFC 9110 10.1.1: a client that expects 100-continue is told to go on', async () => {
  await withServer({}, async server => {
    const request = 'GET /a.txt HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx'
    const response = (await exchange(server, request + get('/a.txt', CLOSE))).toString()
    assert.ok(response.startsWith('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK'))
  })
})

test('HEAD has the head of GET and no body; HTTP/1.0 is closed unless it asks', async () => {
  await withServer({}, async server => {
    const head = (await exchange(server, `HEAD /a.txt HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n`)).toString()
    assert.match(head, /Content-Length: 5\r\n/)
    assert.ok(head.endsWith('\r\n\r\n'))
    assert.ok((await exchange(server, 'GET /a.txt HTTP/1.0\r\n\r\n')).toString().endsWith('hello'))
    const kept = 'GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'
    const twice = (await exchange(server, `${kept}GET /a.txt HTTP/1.0\r\n\r\n`)).toString()
    assert.match(twice, /Connection: keep-alive/)
    assert.equal(twice.match(/hello/g)?.length, 2)
  })
})

test('a response that stands ready changes with its file', async () => {
  await withServer({ cacheMs: 0 }, async server => {
    const name = path.join(root, 'changing')
    for (const content of ['one', 'three', 'seventeen']) {
      fs.writeFileSync(`${name}.new`, content)
      fs.renameSync(`${name}.new`, name)
      const twice = (await exchange(server, get('/changing') + get('/changing', CLOSE))).toString()
      assert.equal(twice.match(new RegExp(`\r\n\r\n${content}`, 'g'))?.length, 2)
    }
  })
})

test('the fallback is for clients that take HTML, also when it has just been given to one', async () => {
  await withServer({ fallback: 'a.txt' }, async server => {
    const html = get('/nowhere', 'Accept: text/html\r\n')
    const text = (await exchange(server, html + html + get('/nowhere', CLOSE))).toString('latin1')
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404'])
  })
})

test('a file that is truncated in mid-response ends the connection short, never padded', async () => {
  await withServer({}, async server => {
    const name = path.join(root, 'shrinking')
    fs.writeFileSync(name, Buffer.alloc(64 << 20, 'x'))
    const socket = net.connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    let received = 0
    socket.write(get('/shrinking'))
    await new Promise(resolve => socket.once('data', resolve))
    socket.pause()
    fs.truncateSync(name, 1000)
    socket.on('data', chunk => {
      received += chunk.length
    })
    socket.resume()
    await new Promise(resolve => socket.once('close', resolve))
    assert.ok(received < 64 << 20)
    assert.equal(status(await exchange(server, get('/a.txt', CLOSE))), 200)
  })
})

test('clients that keep the server waiting are dropped', async () => {
  await withServer({ headTimeout: 300, idleTimeout: 300, bodyTimeout: 300 }, async server => {
    const slow = [
      'GET / HTT',
      get('/a.txt'),
      'GET /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc',
    ]
    await Promise.all(slow.map(request => exchange(server, request)))
    assert.equal(server.stats.timeouts, 3)
    assert.equal(server.connections, 0)
  })
})

test('too many connections of one address are closed at once', async () => {
  await withServer({ maxConnectionsPerAddress: 2 }, async server => {
    const held = [net.connect(server.port, '127.0.0.1'), net.connect(server.port, '127.0.0.1')]
    for (const socket of held) socket.write(get('/a.txt'))
    await Promise.all(held.map(socket => new Promise(resolve => socket.once('data', resolve))))
    assert.equal((await exchange(server, get('/a.txt'))).length, 0)
    for (const socket of held) socket.on('error', () => {}).destroy()
    await Promise.all(held.map(socket => new Promise(resolve => socket.once('close', resolve))))
    while (server.connections > 0) await new Promise(resolve => setImmediate(resolve))
    assert.equal(status(await exchange(server, get('/a.txt', CLOSE))), 200)
  })
})

test('closing finishes what is under way and drops what is idle', async () => {
  const server = await serve({ root, host: '127.0.0.1', port: 0 })
  const idle = net.connect(server.port, '127.0.0.1')
  idle.write(get('/a.txt'))
  await new Promise(resolve => idle.once('data', resolve))
  const busy = net.connect(server.port, '127.0.0.1')
  const chunks: Buffer[] = []
  busy.write(get('/large.bin'))
  await new Promise<void>(resolve => {
    busy.once('data', chunk => {
      chunks.push(chunk)
      resolve()
    })
  })
  busy.on('data', chunk => chunks.push(chunk))
  const ended = Promise.all([idle, busy].map(socket => new Promise(resolve => socket.once('close', resolve))))
  await server.close()
  await ended
  assert.ok(Buffer.concat(chunks).includes(LARGE))
})

test('nothing stays open behind a closed server', async () => {
  await withServer({}, async server => void (await exchange(server, get('/a.txt', CLOSE))))
  const count = () => fs.readdirSync('/proc/self/fd').length
  const before = count()
  await withServer({}, async server => {
    const requests = Array.from({ length: 50 }, () =>
      exchange(server, get('/large.bin') + get('/a.txt', CLOSE)),
    )
    await Promise.all(requests)
  })
  assert.equal(count(), before)
})

test('requests are noted as they come, and a client cannot forge a line', async () => {
  const accessLog = path.join(root, 'access.log')
  await withServer({ accessLog }, async server => {
    await exchange(
      server,
      get('/a.txt', 'User-Agent: a" 200 \\\r\nReferer: http://r/\r\n') + get('/absent', CLOSE),
    )
  })
  const lines = fs.readFileSync(accessLog, 'latin1').trimEnd().split('\n')
  assert.equal(lines.length, 2)
  assert.match(
    lines[0],
    /^127\.0\.0\.1 - - \[.*\] "GET \/a\.txt HTTP\/1\.1" 200 \d+ "http:\/\/r\/" "a\\x22 200 \\x5c"$/,
  )
  assert.match(lines[1], /"GET \/absent HTTP\/1\.1" 404 \d+ "-" "-"$/)
})
