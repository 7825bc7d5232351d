import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { type FileServer, serve } from './serve.js'
import { client, closed, kept, serversOf, until } from './serve.test.support.js'

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
  const socket = client(server.port)
  const chunks: Buffer[] = []
  socket.on('data', chunk => chunks.push(chunk))
  socket.setNoDelay(true)
  const bytes = Buffer.from(request)
  for (let at = 0; at < bytes.length && !socket.destroyed; at += piece) {
    socket.write(bytes.subarray(at, Math.min(bytes.length, at + piece)))
    if (piece !== Infinity) await new Promise(resolve => setImmediate(resolve))
  }
  await closed(socket)
  return Buffer.concat(chunks)
}

const status = (response: Buffer) => Number(/^HTTP\/1\.1 (\d+)/.exec(response.toString('latin1'))?.[1])
const CLOSE = 'Connection: close\r\n'

test('requests in one piece, byte by byte and pipelined are answered alike and in order', async () => {
  await withServer({}, async server => {
    const requests = kept('/a.txt') + kept('/large.bin') + kept('/absent') + kept('/a.txt', CLOSE)
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
      const response = await exchange(server, request + kept('/a.txt'))
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
        const response = (await exchange(server, request + kept('/a.txt', CLOSE), piece)).toString()
        assert.equal(response.match(/hello/g)?.length, 2)
      }
    }
    const tooLong = `GET /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n${'x'.repeat(101)}`
    const response = (await exchange(server, tooLong + kept('/a.txt'))).toString()
    assert.equal(response.match(/HTTP\/1\.1 /g)?.length, 1)
  })
})

test('RFC 9110 10.1.1: a client that expects 100-continue is told to go on', async () => {
  await withServer({}, async server => {
    const request = 'GET /a.txt HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx'
    const response = (await exchange(server, request + kept('/a.txt', CLOSE))).toString()
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
      const twice = (await exchange(server, kept('/changing') + kept('/changing', CLOSE))).toString()
      assert.equal(twice.match(new RegExp(`\r\n\r\n${content}`, 'g'))?.length, 2)
    }
  })
})

test('the fallback is for clients that take HTML, also when it has just been given to one', async () => {
  await withServer({ fallback: 'a.txt' }, async server => {
    const html = kept('/nowhere', 'Accept: text/html\r\n')
    const text = (await exchange(server, html + html + kept('/nowhere', CLOSE))).toString('latin1')
    assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 404'])
  })
})

test('a file that is truncated in mid-response ends the connection short, never padded', async () => {
  await withServer({}, async server => {
    const name = path.join(root, 'shrinking')
    fs.writeFileSync(name, Buffer.alloc(64 << 20, 'x'))
    const socket = client(server.port)
    let received = 0
    socket.write(kept('/shrinking'))
    await new Promise(resolve => socket.once('data', resolve))
    socket.pause()
    fs.truncateSync(name, 1000)
    socket.on('data', chunk => {
      received += chunk.length
    })
    socket.resume()
    await closed(socket)
    assert.ok(received < 64 << 20)
    assert.equal(status(await exchange(server, kept('/a.txt', CLOSE))), 200)
  })
})

test('a request that does not come whole in time is answered with 408, and a client that sends none with its end', async () => {
  const accessLog = path.join(root, 'late.log')
  await withServer({ headTimeout: 300, idleTimeout: 300, bodyTimeout: 300, accessLog }, async server => {
    const late = [
      'GET / HTT',
      `${kept('/a.txt')}GET / HTT`,
      'GET /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc',
      'GET /a.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc',
    ]
    const ask = async (request: string) => (await exchange(server, request)).toString('latin1')
    const [first = '', ...others] = await Promise.all(late.map(ask))
    assert.match(
      first,
      /^HTTP\/1\.1 408 Request Timeout\r\n[\s\S]*Connection: close\r\n\r\nRequest Timeout\n$/,
    )
    assert.deepEqual(
      others.map(text => text.match(/HTTP\/1\.1 \d+/g)?.join()),
      ['HTTP/1.1 200,HTTP/1.1 408', 'HTTP/1.1 408', 'HTTP/1.1 408'],
    )
    const [silent, idle] = await Promise.all(['', kept('/a.txt')].map(ask))
    assert.deepEqual([silent, idle?.match(/HTTP\/1\.1 \d+/g)], ['', ['HTTP/1.1 200']])
    assert.equal(server.stats.timeouts, 6)
    assert.equal(server.stats.statuses.get(408), 4)
    assert.equal(server.connections, 0)
  })
  const lines = fs.readFileSync(accessLog, 'latin1')
  assert.equal(lines.match(/"GET \/a\.txt HTTP\/1\.1" 408 /g)?.length, 2)
  assert.equal(lines.match(/"- - HTTP\/1\.1" 408 /g)?.length, 2)
})

test('an empty line behind a request is no beginning of another one', { timeout: 30_000 }, async () => {
  await withServer({ headTimeout: 300, idleTimeout: 60_000 }, async server => {
    const socket = net.connect(server.port, '127.0.0.1')
    let received = ''
    socket.on('data', chunk => {
      received += chunk
    })
    socket.write(`${kept('/a.txt')}\r\n`)
    // One that has begun, and only that one, is late.
    assert.equal(status(await exchange(server, '\r\nGET')), 408)
    socket.write(`${kept('/a.txt')}\r\n`)
    await until(() => received.match(/HTTP\/1\.1 200/g)?.length === 2)
    assert.equal(server.stats.timeouts, 1)
    // Nor is it owed an answer when the server closes.
    await server.close()
    assert.equal(received.match(/HTTP\/1\.1/g)?.length, 2)
    socket.destroy()
  })
})

test('a client that goes on sending after 408, and reads nothing, is soon reset, and costs no memory', {
  timeout: 30_000,
}, async () => {
  await withServer({ headTimeout: 300, maxBody: 2 ** 30 }, async server => {
    const socket = net.connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    const gone = new Promise<NodeJS.ErrnoException>(resolve => socket.once('error', resolve))
    socket.pause().write('GET / HTTP/1.1\r\nHost: x\r\nX: ')
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    const drip = setInterval(() => {
      if (socket.writableLength === 0) socket.write('x'.repeat(server.stats.timeouts > 0 ? 65_536 : 1))
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }, 1)
    assert.match((await gone).code ?? '', /^(?:ECONNRESET|EPIPE)$/)
    clearInterval(drip)
    socket.destroy()
    assert.equal(server.stats.statuses.get(408), 1)
    assert.equal(server.stats.timeouts, 1)
    assert.ok(most < 16 << 20, `${most} bytes`)
  })
})

test('a HEAD that is refused has no body, whatever it is refused for', async () => {
  await withServer({ headTimeout: 300, bodyTimeout: 300, maxBody: 100 }, async server => {
    const begun = 'HEAD /a.txt HTTP/1.1\r\nHost: x\r\n'
    for (const [request, refusal] of [
      [`${begun}Host: x\r\n\r\n`, 400],
      [`${begun}Expect: tea\r\n\r\n`, 417],
      [`${begun}X : y\r\n\r\n`, 400],
      [`${begun}X: ${'y'.repeat(20_000)}\r\n\r\n`, 431],
      [`HEAD /${'a'.repeat(9000)} HTTP/1.1\r\n\r\n`, 414],
      [`\r\n${begun}\n\n`, 400],
      [`${begun}Content-Length: 101\r\n\r\n`, 413],
      [`${begun}Content-Length: 4\r\n\r\na`, 408],
      [begun, 408],
    ] as const) {
      const answer = await exchange(server, request)
      assert.equal(status(answer), refusal, request.slice(0, 99))
      assert.equal(answer.indexOf('\r\n\r\n'), answer.length - 4, request.slice(0, 99))
    }
    const late = await exchange(server, `${kept('/a.txt', 'Content-Length: 9\r\n')}HEAD `)
    assert.ok(late.toString('latin1').endsWith('\r\n\r\nRequest Timeout\n'))
  })
})

test('a log that cannot be is told at the start', async () => {
  const start = (accessLog: string) => serve({ root, port: 0, host: '127.0.0.1', accessLog })
  await assert.rejects(start(path.join(root, 'absent/log')), { code: 'ENOENT' })
  await assert.rejects(start(root), { code: 'EISDIR' })
})

test('what is refused before it is a request is noted and counted', async () => {
  const accessLog = path.join(root, 'refused.log')
  await withServer({ accessLog }, async server => {
    await exchange(server, `${kept('/a.txt')}GET /a.txt HTTP/1.1\nHost: x\n\n`)
    await exchange(server, 'GET /bad HTTP/1.1\r\nHost : x\r\n\r\n')
    assert.deepEqual(
      [...server.stats.statuses],
      [
        [200, 1],
        [400, 2],
      ],
    )
  })
  const lines = fs.readFileSync(accessLog, 'latin1').trimEnd().split('\n')
  assert.deepEqual(
    lines.map(line => /"([^"]*)" (\d+)/.exec(line)?.slice(1, 3)),
    [
      ['GET /a.txt HTTP/1.1', '200'],
      ['- - HTTP/1.1', '400'],
      ['GET /bad HTTP/1.1', '400'],
    ],
  )
})

test('a file that gets shorter between two ranges ends the connection short', {
  timeout: 30_000,
}, async () => {
  const name = path.join(root, 'parts')
  fs.writeFileSync(name, Buffer.alloc(64 << 20, 'p'))
  await withServer({}, async server => {
    const socket = client(server.port)
    socket.write(kept('/parts', `Range: bytes=0-${(32 << 20) - 1},${48 << 20}-${(64 << 20) - 1}\r\n`))
    await new Promise(resolve => socket.once('readable', resolve))
    fs.truncateSync(name, 40 << 20)
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk))
    await closed(socket)
    const text = Buffer.concat(chunks).toString('latin1')
    assert.match(text, /^HTTP\/1\.1 206/)
    assert.equal(text.match(/Content-Range/g)?.length, 2)
    assert.ok(text.length - text.indexOf('\r\n\r\n') < Number(/Content-Length: (\d+)/.exec(text)?.[1]))
    assert.ok(!text.endsWith('--\r\n'), 'nothing says that it was whole')
    assert.equal(status(await exchange(server, kept('/a.txt', CLOSE))), 200)
  })
})

test('a validator that is not sent makes no condition true, on the short way neither', async () => {
  const { mtime } = fs.statSync(path.join(root, 'a.txt'))
  let etag = ''
  await withServer({}, async server => {
    etag =
      /ETag: (.*)\r\n/.exec((await exchange(server, kept('/a.txt', CLOSE))).toString('latin1'))?.[1] ?? ''
  })
  const conditions = [`If-None-Match: ${etag}`, `If-Modified-Since: ${mtime.toUTCString()}`]
  for (const [index, options] of [{ etag: false }, { lastModified: false }].entries()) {
    await withServer(options, async server => {
      const ask = kept('/a.txt', `${conditions[index]}\r\n`)
      const text = (await exchange(server, kept('/a.txt') + ask + ask + kept('/a.txt', CLOSE))).toString(
        'latin1',
      )
      assert.deepEqual(text.match(/HTTP\/1\.1 \d+/g), Array(4).fill('HTTP/1.1 200'))
    })
  }
})

test('too many connections of one address are closed at once', async () => {
  await withServer({ maxConnectionsPerAddress: 2 }, async server => {
    const held = [net.connect(server.port, '127.0.0.1'), net.connect(server.port, '127.0.0.1')]
    for (const socket of held) socket.write(kept('/a.txt'))
    await Promise.all(held.map(socket => new Promise(resolve => socket.once('data', resolve))))
    assert.equal((await exchange(server, kept('/a.txt'))).length, 0)
    for (const socket of held) socket.on('error', () => {}).destroy()
    await Promise.all(held.map(socket => new Promise(resolve => socket.once('close', resolve))))
    await until(() => server.connections === 0)
    assert.equal(status(await exchange(server, kept('/a.txt', CLOSE))), 200)
  })
})

test('closing finishes what is under way and drops what is idle', async () => {
  const server = await serve({ root, host: '127.0.0.1', port: 0 })
  const idle = net.connect(server.port, '127.0.0.1')
  idle.write(kept('/a.txt'))
  await new Promise(resolve => idle.once('data', resolve))
  const busy = net.connect(server.port, '127.0.0.1')
  const chunks: Buffer[] = []
  busy.write(kept('/large.bin'))
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

test('closing waits for what has begun to come, and answers it as the last', {
  timeout: 30_000,
}, async () => {
  for (const [begun, rest] of [
    ['GET /a.txt HT', 'TP/1.1\r\nHost: x\r\n\r\n'],
    [kept('/a.txt', 'Content-Length: 4\r\n'), 'abcd'],
    [`${kept('/a.txt', 'Content-Length: 4\r\n')}a`, 'bcd'],
    [kept('/a.txt', 'Transfer-Encoding: chunked\r\n'), '1\r\na\r\n0\r\n\r\n'],
  ] as const) {
    const server = await serve({ root, host: '127.0.0.1', port: 0 })
    const socket = net.connect(server.port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk))
    const ended = new Promise(resolve => socket.once('close', resolve))
    // In one piece: with the answer to the first the second has come as well.
    socket.write(kept('/a.txt') + begun)
    await until(() => chunks.length > 0)
    const closing = server.close()
    socket.write(rest)
    await ended
    await closing
    const text = Buffer.concat(chunks).toString('latin1')
    assert.equal(text.match(/HTTP\/1\.1 200 OK/g)?.length, 2, begun)
    assert.deepEqual(text.match(/Connection: \w+/g), ['Connection: close'], begun)
    assert.ok(text.endsWith('hello'), begun)
  }
})

test('nothing stays open behind a closed server', async () => {
  await withServer({}, async server => void (await exchange(server, kept('/a.txt', CLOSE))))
  const count = () => fs.readdirSync('/proc/self/fd').length
  const before = count()
  await withServer({}, async server => {
    const requests = Array.from({ length: 50 }, () =>
      exchange(server, kept('/large.bin') + kept('/a.txt', CLOSE)),
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
      kept('/a.txt', 'User-Agent: a" 200 \\\r\nReferer: http://r/\r\n') + kept('/absent', CLOSE),
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

test('a Unix socket has no port that could be shared, with one thread or several', async () => {
  const options = { root, path: path.join(root, 'shared'), reusePort: true }
  const refused = { code: 'ERR_INVALID_ARG_VALUE', message: /'options\.reusePort' is for ports/ }
  await assert.rejects(serve(options), refused)
  await assert.rejects(serve({ ...options, workers: 2 }), refused)
})
