import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from './run.js'
import type { Terminal } from './terminal.js'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
let folder: string

before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-serve-'))
  fs.writeFileSync(path.join(folder, 'hello.txt'), 'hello')
})

after(() => fs.rmSync(folder, { recursive: true }))

for (const threads of [[], ['--workers', '2']])
  test(`it serves until it is told to end, and then says what it did ${threads}`, { timeout: 30_000 }, () =>
    servesUntilTold(threads),
  )

async function servesUntilTold(flags: string[]): Promise<void> {
  const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--json', ...flags, folder])
  child.stdout.setEncoding('utf8')
  let out = ''
  child.stdout.on('data', text => {
    out += text
  })
  while (!out.includes('\n')) await once(child.stdout, 'data')
  const { port } = JSON.parse(out)
  const response = await fetch(`http://127.0.0.1:${port}/hello.txt`)
  assert.equal(await response.text(), 'hello')
  child.kill('SIGTERM')
  const [status] = await once(child, 'exit')
  assert.equal(status, 0)
  assert.equal(JSON.parse(out.trim().split('\n')[1]).requests, 1)
}

test('a folder that is not there is a failure with its name', { timeout: 30_000 }, async () => {
  const child = spawn(process.execPath, [MAIN, 'serve', path.join(folder, 'absent')])
  let err = ''
  child.stderr.on('data', text => {
    err += text
  })
  const [status] = await once(child, 'close')
  assert.equal(status, 1)
  assert.match(err, /ENOENT.*absent/)
})

test('what only the server can see is told by the flag’s name, with status 2', {
  timeout: 30_000,
}, async () => {
  const refused: [string[], RegExp][] = [
    [[path.join(folder, 'hello.txt')], /^sluice serve: --root is not a directory.*hello\.txt/],
    [['--max-rate', '10', folder], /^sluice serve: --max-rate is less than minRate, 128/],
    [['--status', 'state', folder], /^sluice serve: --status is no path such as/],
    [['--max-connections', '0', folder], /^sluice serve: --max-connections is to be a whole number from 1/],
    [['--redirects', '/a=bad', folder], /^sluice serve: --redirects\['\/a'\] is not \/path or https:/],
    [['--redirects', 'a=/b', folder], /^sluice serve: --redirects is not a path such as/],
    [['--cors', 'a\nb', folder], /^sluice serve: --cors holds control characters/],
    [['--cache-control', 'a\nb', folder], /^sluice serve: --cache-control holds control characters/],
    [['--types', 'a=b', folder], /^sluice serve: --types names no media type/],
    [['--types', 'a=b\n', folder], /^sluice serve: --types holds control characters/],
    [['--status', '/s', '--status-allow', 'x', folder], /^sluice serve: --status-allow is no address/],
    [
      ['--compress-min-bytes', '2', '--compress-max-bytes', '1', folder],
      /^sluice serve: --compress-min-bytes is more than compressMaxBytes, 1/,
    ],
    [
      ['--compress-max-bytes', '1', folder],
      /^sluice serve: --compress-max-bytes is less than compressMinByt/,
    ],
  ]
  for (const [args, message] of refused) {
    const terminal = recorder()
    assert.equal(await run(['serve', ...args], terminal), 2)
    assert.match(terminal.notes.join(''), message)
  }
})

test('what only the server can see is told by its place in the file, with status 2', {
  timeout: 30_000,
}, async () => {
  const file = path.join(folder, 'wrong.json')
  const refused: [string, RegExp][] = [
    [`{"port":0,\n "root":"${folder}/hello.txt"}`, /wrong\.json:2:2: 'root' is not a directory/],
    ['{"cors":"a\\nb"}', /wrong\.json:1:2: 'cors' holds control characters/],
    ['{"maxRate":1}', /wrong\.json:1:2: 'maxRate' is less than minRate, 128/],
    ['{"redirects":\n{"/a":"b"}}', /wrong\.json:1:2: 'redirects\['\/a'\]' is not \/path/],
    ['{"headers":{"*":{"X-A":"\\u0000"}}}', /wrong\.json:1:2: 'headers\.X-A' holds control characters/],
    ['{"headers":{"*":{"Date":"x"}}}', /wrong\.json:1:2: 'headers' is set by the server alone/],
    ['{"status":{\n"path":"x"}}', /wrong\.json:2:1: 'status\.path' is no path such as/],
  ]
  for (const [content, message] of refused) {
    fs.writeFileSync(file, content)
    const terminal = recorder()
    assert.equal(await run(['serve', '--config', file], terminal), 2, content)
    assert.match(terminal.notes.join(''), message)
  }
})

function recorder(): Terminal & { notes: string[] } {
  const notes: string[] = []
  return {
    columns: 100,
    isTerminal: true,
    notes,
    write: () => {},
    note: text => void notes.push(text),
    paint: (_style, text) => text,
  }
}

test('who watches its end is told what it waits for', { timeout: 30_000 }, async () => {
  fs.writeFileSync(path.join(folder, 'large'), Buffer.alloc(64 << 20))
  const terminal = recorder()
  const ended = run(['serve', '--port', '0', folder], terminal)
  while (terminal.notes.length === 0) await new Promise(resolve => setImmediate(resolve))
  const port = Number(/:(\d+)\/\n$/.exec(terminal.notes[0] as string)?.[1])
  const socket = net.connect(port, '127.0.0.1')
  socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(socket, 'readable')
  process.emit('SIGTERM')
  while (terminal.notes.length === 1) await new Promise(resolve => setTimeout(resolve, 20))
  assert.match(terminal.notes[1] as string, /^1 connection to be finished; a second signal/)
  socket.resume()
  assert.equal(await ended, 0)
  assert.match(terminal.notes.at(-1) as string, /^1 request, 64\.0 MiB\n$/)
})

test('a killed server leaves nothing in the way of the next', { timeout: 60_000 }, async () => {
  const socket = path.join(folder, 'socket')
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, [MAIN, 'serve', '--path', socket, '--json', folder])
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

/** Has a server of the command, and ends it. @param use is given its address */
async function withCommand(args: string[], use: (url: string) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, [MAIN, 'serve', '--json', ...args])
  try {
    const [line] = await once(child.stdout, 'data')
    await use(`http://127.0.0.1:${JSON.parse(String(line)).port}`)
  } finally {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
}

test('flags that take a word, or false, are no names of files or folders', { timeout: 30_000 }, async () => {
  for (const name of ['index.html', 'false', '.hidden']) fs.writeFileSync(path.join(folder, name), name)
  const etagOf = async (url: string) => (await fetch(`${url}/hello.txt`)).headers.get('etag')
  let etag: string | null = null
  await withCommand(['--port', '0', folder], async url => {
    etag = await etagOf(url)
    assert.equal(await (await fetch(`${url}/`)).text(), 'index.html')
    assert.equal((await fetch(`${url}/.hidden`)).status, 404)
  })
  const flags = ['--index', 'false', '--etag', 'portable', '--dotfiles', 'deny']
  await withCommand(['--port', '0', ...flags, folder], async url => {
    assert.equal((await fetch(`${url}/`)).status, 404)
    assert.equal((await fetch(`${url}/.hidden`)).status, 403)
    const portable = await etagOf(url)
    assert.ok(portable !== null && portable !== etag, `${portable}`)
  })
  const off = ['--no-etag', '--no-index', '--no-cache-control']
  await withCommand(['--port', '0', '--dotfiles', ...off, folder], async url => {
    assert.equal(await etagOf(url), null)
    assert.equal((await fetch(`${url}/hello.txt`)).headers.get('cache-control'), null)
    assert.equal((await fetch(`${url}/`)).status, 404)
    assert.equal(await (await fetch(`${url}/.hidden`)).text(), '.hidden')
  })
})

test('the file of --config is read, and flags win over it', { timeout: 30_000 }, async () => {
  const config = path.join(folder, 'config.json')
  const headers = { '*.txt': { 'X-From': 'file' } }
  fs.writeFileSync(config, JSON.stringify({ root: folder, port: 0, headers, cacheControl: 'private' }))
  await withCommand(['--config', config, '--cache-control', 'no-store'], async url => {
    const response = await fetch(`${url}/hello.txt`)
    assert.equal(await response.text(), 'hello')
    assert.equal(response.headers.get('x-from'), 'file')
    assert.equal(response.headers.get('cache-control'), 'no-store')
  })
  fs.writeFileSync(config, '{\n  "prot": 1 }')
  const terminal = recorder()
  assert.equal(await run(['serve', '-c', config], terminal), 2)
  assert.match(terminal.notes.join(''), /config\.json:2:3: there is no option 'prot'\. Did you mean 'port'/)
})

test('a socket that was passed is served, also where an address is given', { timeout: 60_000 }, async () => {
  const socket = path.join(folder, 'unused')
  const config = path.join(folder, 'address.json')
  fs.writeFileSync(config, JSON.stringify({ path: socket }))
  for (const address of [[], ['--path', socket], ['--port', '0', '--host', '::1'], ['--config', config]]) {
    const listener = net.createServer().listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const { port } = listener.address() as net.AddressInfo
    const { fd } = (listener as unknown as { _handle: { fd: number } })._handle
    // The shell's number is that of the process that it becomes.
    const script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"'
    const args = ['-c', script, process.execPath, MAIN, 'serve', '--json', ...address, folder]
    const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit', fd] })
    listener.close()
    const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data')
    assert.equal(JSON.parse(String(line)).port, port, address.join(' '))
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/hello.txt`)).text(), 'hello')
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
    assert.ok(!fs.existsSync(socket))
  }
})

test('of several sockets that were passed none is served in silence', { timeout: 30_000 }, async () => {
  const script = 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" "$@"'
  const args = ['-c', script, process.execPath, MAIN, 'serve', '--json', folder]
  const child = spawn('sh', args, { stdio: ['ignore', 'ignore', 'pipe', 'ignore', 'ignore'] })
  let err = ''
  child.stderr?.on('data', text => {
    err += text
  })
  assert.deepEqual(await once(child, 'close'), [2, null])
  assert.match(err, /2 sockets were passed \(LISTEN_FDS\), and one is served/)
})

test('a log that is a FIFO without a reader, or with one that reads nothing, is in the way of no end', {
  timeout: 30_000,
}, async () => {
  const log = path.join(folder, 'fifo')
  execFileSync('mkfifo', [log])
  for (const read of [false, true]) {
    const reader = read ? fs.openSync(log, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK) : undefined
    const args = ['serve', '--port', '0', '--json', '--access-log', log, '--shutdown-timeout', '1000', folder]
    const child = spawn(process.execPath, [MAIN, ...args])
    const { port } = JSON.parse(String((await once(child.stdout, 'data'))[0]))
    const socket = net.connect(port, '127.0.0.1')
    // More than the pipe holds.
    const requests = 2000
    let received = 0
    socket.on('data', chunk => {
      received += chunk.toString('latin1').match(/hello/g)?.length ?? 0
    })
    for (let count = 0; count < requests; count++) socket.write('GET /hello.txt HTTP/1.1\r\nHost: x\r\n\r\n')
    while (received < requests) await once(socket, 'data')
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
    if (reader !== undefined) fs.closeSync(reader)
  }
})

test('requests are noted on standard output where - stands for the log', { timeout: 30_000 }, async () => {
  const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--json', '--access-log', '-', folder])
  let out = ''
  child.stdout.on('data', text => {
    out += text
  })
  while (!out.includes('\n')) await once(child.stdout, 'data')
  const { port } = JSON.parse(out)
  await (await fetch(`http://127.0.0.1:${port}/hello.txt`)).text()
  while (!out.includes('/hello.txt')) await once(child.stdout, 'data')
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'close'), [0, null])
  assert.match(out, /\n127\.0\.0\.1 - - \[.*\] "GET \/hello\.txt HTTP\/1\.1" 200 5 /)
})

test('SIGHUP has the log opened anew', { timeout: 30_000 }, async () => {
  const log = path.join(folder, 'access.log')
  const child = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--json', '--access-log', log, folder])
  const [line] = await once(child.stdout, 'data')
  const { port } = JSON.parse(String(line))
  const ask = async () => (await fetch(`http://127.0.0.1:${port}/hello.txt`)).text()
  await ask()
  while (fs.readFileSync(log, 'utf8') === '') await new Promise(resolve => setTimeout(resolve, 10))
  fs.renameSync(log, `${log}.old`)
  child.kill('SIGHUP')
  await once(child.stderr, 'data')
  await ask()
  child.kill('SIGTERM')
  await once(child, 'exit')
  assert.match(fs.readFileSync(log, 'utf8'), /^[^\n]*hello\.txt[^\n]*\n$/)
})

test('a server outlives whoever reads its standard error, and a full disk beneath that', {
  timeout: 30_000,
}, async () => {
  const full = fs.openSync('/dev/full', 'w')
  for (const err of ['pipe', full] as const) {
    const log = path.join(folder, `outlived-${err}.log`)
    const args = [MAIN, 'serve', '--port', '0', '--json', '--access-log', log, folder]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', err] })
    child.stderr?.destroy()
    const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data')
    for (let turn = 0; turn < 2; turn++) {
      fs.rmSync(log)
      child.kill('SIGHUP')
      while (child.exitCode === null && !fs.existsSync(log))
        await new Promise(resolve => setTimeout(resolve, 10))
    }
    assert.equal(
      await (await fetch(`http://127.0.0.1:${JSON.parse(String(line)).port}/hello.txt`)).text(),
      'hello',
    )
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
  }
  fs.closeSync(full)
})
