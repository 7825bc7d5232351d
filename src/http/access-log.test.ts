import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { AccessLog, type AccessLogFormat, accessLine } from './access-log.js'
import { client, closed, exchange, kept, last, serversOf, until } from './serve.test.support.js'

const LARGE = 48 << 20
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-log-'))
fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
fs.writeFileSync(path.join(root, 'medium'), Buffer.alloc(100_000, 'm'))
fs.writeFileSync(path.join(root, 'large'), Buffer.alloc(LARGE, 'x'))
after(() => fs.rmSync(root, { recursive: true }))

const withServer = serversOf(() => root)
let logs = 0
const newLog = () => path.join(root, `${logs++}.log`)

interface Noted {
  target: string
  status: number
  bytes: number
}

/** What a log says of each request. */
function notedIn(file: string, format: AccessLogFormat): Noted[] {
  const lines = fs.readFileSync(file, 'latin1').trimEnd().split('\n').filter(Boolean)
  if (format === 'json') {
    return lines.map(line => JSON.parse(line)).map(({ target, status, bytes }) => ({ target, status, bytes }))
  }
  return lines.map(line => {
    const [, target = '', status, bytes] = /"\S+ (\S+) [^"]*" (\d+) (\d+)/.exec(line) ?? []
    return { target, status: Number(status), bytes: Number(bytes) }
  })
}

const bodyOf = (response: string) => response.slice(response.indexOf('\r\n\r\n') + 4)

for (const format of ['common', 'combined', 'json'] as const) {
  test(`the bytes of each body are noted, without its head: ${format}`, async () => {
    const accessLog = newLog()
    const expected: Noted[] = []
    await withServer({ accessLog, accessLogFormat: format }, async server => {
      const ask = async (target: string, bytes: number, more = '', method = 'GET') => {
        const response = await exchange(server.port, last(target, more).replace('GET', method))
        assert.equal(bodyOf(response).length, bytes, target)
        expected.push({ target, status: Number(response.slice(9, 12)), bytes })
        return response
      }
      const [, etag = ''] = /ETag: (.*)\r\n/.exec(await ask('/a.txt', 5)) ?? []
      await ask('/a.txt', 0, '', 'HEAD')
      await ask('/a.txt', 0, `If-None-Match: ${etag}\r\n`)
      await ask('/a.txt', 2, 'Range: bytes=1-2\r\n')
      await ask('/medium', 100_000)
      await ask('/large', LARGE)
      await ask('/none', 'Not Found\n'.length)
      await ask('/none', 'Not Implemented\n'.length, '', 'ODD')
      // The short way, where the connection stays; and what was no request.
      const short = [kept('/a.txt'), kept('/a.txt').replace('GET', 'HEAD'), kept('/medium'), kept('/large')]
      short.push(kept('/a.txt', `If-None-Match: ${etag}\r\n`), 'GET /a.txt HTTP/1.1\r\nHost : x\r\n\r\n')
      await exchange(server.port, short.join(''))
      for (const bytes of [5, 0, 100_000, LARGE, 0]) expected.push({ target: '', status: 200, bytes })
      expected.push({ target: '', status: 400, bytes: 'Bad Request\n'.length })
    })
    const noted = notedIn(accessLog, format)
    const figures = (all: Noted[]) => all.map(({ bytes }) => bytes)
    assert.deepEqual(figures(noted), figures(expected))
    assert.deepEqual(noted.slice(0, 8), expected.slice(0, 8))
  })
}

test('a response is noted once it is through, with what was sent of it where its client goes or its file gets shorter', {
  timeout: 60_000,
}, async () => {
  const accessLog = newLog()
  await withServer({ accessLog, accessLogFormat: 'json' }, async server => {
    // By the long way first, then by the short one.
    for (const round of [0, 1]) {
      const aborting = client(server.port)
      aborting.write(kept('/large'))
      await once(aborting, 'readable')
      await exchange(server.port, last(`/a.txt?${round}`))
      await until(() => notedIn(accessLog, 'json').length === 2 * round + 1)
      assert.equal(notedIn(accessLog, 'json').at(-1)?.target, `/a.txt?${round}`)
      const before = server.stats.requests
      aborting.destroy()
      await until(() => notedIn(accessLog, 'json').length === 2 * round + 2)
      const { target, status, bytes } = notedIn(accessLog, 'json').at(-1) as Noted
      assert.deepEqual({ target, status }, { target: '/large', status: 200 })
      assert.ok(bytes > 0 && bytes < LARGE, `${bytes} bytes`)
      assert.equal(server.stats.requests, before + 1)
    }
    fs.copyFileSync(path.join(root, 'large'), path.join(root, 'shrinking'))
    const socket = client(server.port)
    let received = 0
    socket.write(kept('/shrinking'))
    await once(socket, 'readable')
    fs.truncateSync(path.join(root, 'shrinking'), 1000)
    socket.on('data', chunk => {
      if (received === 0) received -= chunk.indexOf('\r\n\r\n') + 4
      received += chunk.length
    })
    await closed(socket)
    await until(() => notedIn(accessLog, 'json').length === 5)
    assert.ok(received > 0 && received < LARGE)
    assert.deepEqual(notedIn(accessLog, 'json').at(-1), {
      target: '/shrinking',
      status: 200,
      bytes: received,
    })
  })
})

function fifo(): string {
  const name = path.join(root, `${logs++}.fifo`)
  execFileSync('mkfifo', [name])
  return name
}

const RECORD = {
  address: '127.0.0.1',
  time: 0,
  method: 'GET',
  target: '/',
  version: '1.1',
  status: 200,
  bytes: 0,
  milliseconds: 0,
  referer: undefined,
  userAgent: 'x'.repeat(400),
}

test('a line has the form of its format, and nothing of a client’s can break it', () => {
  const record = {
    ...RECORD,
    time: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
    target: '/a"\n',
    bytes: 7,
    milliseconds: 1.5,
    userAgent: 'a\\\u001b',
  }
  const common = '127.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "GET /a\\x22\\x0a HTTP/1.1" 200 7'
  assert.equal(accessLine(record, 'common'), `${common}\n`)
  assert.equal(accessLine(record, 'combined'), `${common} "-" "a\\x5c\\x1b"\n`)
  const line = accessLine(record, 'json')
  assert.equal(line.split('\n').length, 2)
  const { referer: _, ...given } = record
  assert.deepEqual(JSON.parse(line), { ...given, time: '2026-01-02T03:04:05.006Z' })
})

test('an object of the log has what was asked, by whom and when, and how long it took', async () => {
  const accessLog = newLog()
  const began = Date.now()
  await withServer({ accessLog, accessLogFormat: 'json' }, async server => {
    // By the long way and by the short one.
    await exchange(server.port, last('/a.txt', 'Referer: http://b/\r\nUser-Agent: c/1\r\n'))
    await exchange(server.port, last('/a.txt').replace('HTTP/1.1', 'HTTP/1.0'))
    await exchange(server.port, kept('/a.txt', 'User-Agent: d\r\n') + last('/a.txt'))
  })
  const ended = Date.now()
  const records = fs.readFileSync(accessLog, 'latin1').trimEnd().split('\n')
  const seen = records.map(record => {
    const { time, milliseconds, ...rest } = JSON.parse(record)
    assert.equal(new Date(time).toISOString(), time)
    assert.ok(Date.parse(time) >= began && Date.parse(time) <= ended, time)
    assert.ok(milliseconds >= 0 && milliseconds <= ended - began + 1, `${milliseconds} ms`)
    return rest
  })
  const common = {
    address: '127.0.0.1',
    method: 'GET',
    target: '/a.txt',
    version: '1.1',
    status: 200,
    bytes: 5,
  }
  assert.deepEqual(seen, [
    { ...common, referer: 'http://b/', userAgent: 'c/1' },
    { ...common, version: '1.0' },
    { ...common, userAgent: 'd' },
    common,
  ])
})

test('what nobody takes from a log is bounded, what is beyond is counted, and the end does not wait for it', async () => {
  const name = fifo()
  const reader = fs.openSync(name, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  const before = process.memoryUsage().external + process.memoryUsage().heapUsed
  const log = new AccessLog(name, 'combined')
  for (let index = 0; index < 20_000; index++) log.write(RECORD)
  const grown = process.memoryUsage().external + process.memoryUsage().heapUsed - before
  assert.ok(log.dropped > 10_000 && log.dropped < 20_000, `${log.dropped} lines`)
  assert.ok(grown < 8 << 20, `${grown} bytes`)
  const bytes = Buffer.alloc(1 << 16)
  let text = ''
  const drain = () => {
    try {
      text += bytes.toString('latin1', 0, fs.readSync(reader, bytes, 0, bytes.length, null))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
  await until(() => {
    drain()
    return text.length > 1 << 20
  })
  log.write(RECORD)
  await until(() => {
    drain()
    return text.includes(`# ${log.dropped} requests were not logged\n`)
  })
  for (let index = 0; index < 20_000; index++) log.write(RECORD)
  const [warning] = await Promise.all([once(process, 'warning'), log.close()])
  assert.match(String(warning), /bytes of the access log were not taken in time/)
  fs.closeSync(reader)
})

test('a FIFO that nobody reads holds up neither the start, nor responses, nor the end', async () => {
  const accessLog = fifo()
  const warned = once(process, 'warning')
  await withServer({ accessLog }, async server => {
    for (let round = 0; round < 3; round++)
      assert.equal(bodyOf(await exchange(server.port, last('/a.txt'))), 'hello')
  })
  assert.match(String(await warned), /The access log cannot be written, and is tried again: ENXIO/)
})

test('whoever waits to read a FIFO before the server starts reads the first line', {
  timeout: 30_000,
}, async t => {
  const accessLog = fifo()
  const reader = spawn('head', ['-n', '1', accessLog], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.after(() => reader.kill())
  const ended = once(reader.stdout.setEncoding('latin1'), 'end')
  let text = ''
  reader.stdout.on('data', piece => {
    text += piece
  })
  // It sleeps where it opens what nobody writes yet.
  const stat = () => fs.readFileSync(`/proc/${reader.pid}/stat`, 'latin1')
  await until(() => stat().includes('(head) S '))
  await withServer({ accessLog }, async server => {
    assert.equal(bodyOf(await exchange(server.port, last('/a.txt'))), 'hello')
    await ended
  })
  assert.match(text, /"GET \/a\.txt HTTP\/1\.1" 200 5/)
})

test('no control character goes into a line as it is, whatever its format', () => {
  const text = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join('')
  const fixed = {
    address: '::1',
    time: 0,
    method: 'GET',
    version: '1.1',
    status: 200,
    bytes: 0,
    milliseconds: 1,
  }
  const record = { ...fixed, target: text, referer: text, userAgent: text }
  for (const format of ['common', 'combined', 'json'] as const) {
    const line = accessLine(record, format)
    const raw = [...line.slice(0, -1)].filter(character => character < ' ' || /[\x7f-\x9f]/.test(character))
    assert.deepEqual([raw, line.at(-1)], [[], '\n'], format)
  }
  const read = JSON.parse(accessLine(record, 'json'))
  assert.deepEqual([read.target, read.referer, read.userAgent], [text, text, text])
})

test('lines that are left out at the end are counted in the log, too', { timeout: 10_000 }, async () => {
  const file = newLog()
  const log = new AccessLog(file, 'common')
  const asked = { address: '-', time: 0, method: 'GET', target: '/', version: '1.1' }
  const record = {
    ...asked,
    status: 200,
    bytes: 0,
    milliseconds: 0,
    referer: undefined,
    userAgent: undefined,
  }
  const COUNT = 30_000
  for (let count = 0; count < COUNT; count++) log.write(record)
  await log.close()
  const lines = fs.readFileSync(file, 'latin1').trimEnd().split('\n')
  const left = Number(/^# (\d+) requests/.exec(lines.pop() ?? '')?.[1])
  assert.equal(lines.length + left, COUNT)
})

test('what is left out at the end, since nothing can be written, is told by a warning', {
  timeout: 10_000,
}, async () => {
  const warnings: string[] = []
  const onWarning = (warning: Error) => void warnings.push(warning.message)
  process.on('warning', onWarning)
  const log = new AccessLog('/dev/full', 'common')
  log.write(RECORD)
  await until(() => log.error !== undefined)
  for (let count = 0; count < 2; count++) log.write(RECORD)
  await log.close()
  // Here it fails only once it is being closed.
  const late = new AccessLog('/dev/full', 'common')
  late.write(RECORD)
  await late.close()
  await until(() => warnings.length >= 4)
  process.off('warning', onWarning)
  const missing = warnings.filter(warning => warning.includes('missing at the end'))
  assert.deepEqual(missing, [
    'Of the access log 3 lines are missing at the end',
    'Of the access log 1 lines are missing at the end',
  ])
})
