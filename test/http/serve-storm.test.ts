import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import type net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { engine } from 'sluice'
import { pipePool } from 'sluice/transfer'
import {
  client,
  closed,
  exchange,
  kept,
  last,
  pause,
  serversOf,
  until,
} from '#dist/http/serve.test.support.js'
import { mounted } from '../helpers/mounts.js'
import { refusedProcess } from '../helpers/refused-process.js'

/* Many of everything at once, and what is left when it is over. */

const MAIN = fileURLToPath(import.meta.resolve('#dist/cli/main.js'))
const HTTP = import.meta.resolve('#dist/http/index.js')
const MANY = 100_000
const LARGE = 8 << 20
let base: string
let root: string

before(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-storm-'))
  root = path.join(base, 'root')
  fs.mkdirSync(root)
  fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
  fs.writeFileSync(path.join(root, 'large'), Buffer.alloc(LARGE, 'x'))
})

after(() => fs.rmSync(base, { recursive: true }))

const withServer = serversOf(() => root)

/** Descriptors of sockets, pipes and files below the root; not those of Node itself. */
function held(): string[] {
  const names: string[] = []
  for (const fd of fs.readdirSync('/proc/self/fd')) {
    try {
      const name = fs.readlinkSync(`/proc/self/fd/${fd}`)
      if (/^(?:socket|pipe):/.test(name) || name.startsWith(base)) names.push(name)
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOENT') // that of the listing itself
    }
  }
  return names.sort()
}

test('a directory of 100,000 files is served and listed, within bounded memory, also to many at once', {
  timeout: 120_000,
}, async () => {
  const many = path.join(base, 'many')
  fs.mkdirSync(many)
  execFileSync('sh', ['-c', `cd '${many}' && seq -f '%.0f.txt' 0 ${MANY - 1} | xargs touch`])
  await withServer({ root: many, listing: true, cacheEntries: 100 }, async server => {
    for (let round = 0; round < 20; round++) {
      const targets = Array.from({ length: 50 }, (_, index) => `/${(round * 50 + index) * 97}.txt`)
      const text = await exchange(server.port, targets.map(target => kept(target)).join('') + last('/absent'))
      assert.equal(text.match(/HTTP\/1\.1 200 OK/g)?.length, targets.length)
      assert.equal(text.match(/HTTP\/1\.1 404/g)?.length, 1)
    }
    const below = held().filter(name => name.startsWith(many))
    assert.ok(below.length <= 102, `${below.length} files are open`)
    const listings = await Promise.all(Array.from({ length: 4 }, () => exchange(server.port, last('/'))))
    for (const listing of listings) {
      assert.equal(listing.match(/<a href="\.\/\d+\.txt">/g)?.length, 10_000)
      assert.match(listing, /Only the first 10000 names/)
    }
    const { heapUsed, external } = process.memoryUsage()
    assert.ok(heapUsed + external < 400 << 20, `${(heapUsed + external) >> 20} MiB`)
  })
  execFileSync('rm', ['-r', many])
})

test('thousands of connections that say nothing cost little, hold up nobody, and are let go', {
  timeout: 60_000,
}, async () => {
  const most = Number(/Max open files\s+(\d+)/.exec(fs.readFileSync('/proc/self/limits', 'utf8'))?.[1])
  const count = Math.min(2000, Math.floor(most / 2) - 400)
  await withServer({ idleTimeout: 2500, headTimeout: 2500 }, async server => {
    const before = process.memoryUsage()
    const silent: net.Socket[] = []
    while (silent.length < count) {
      // No more at once than the backlog takes: what it drops believes itself to be connected.
      for (let index = 0; index < 200; index++) {
        const socket = client(server.port).resume()
        if (index % 2 === 0) socket.write('GET /a.txt HT')
        silent.push(socket)
      }
      await until(() => server.connections + server.stats.timeouts >= silent.length)
    }
    assert.match(await exchange(server.port, last('/a.txt')), /hello$/)
    const { heapUsed, external } = process.memoryUsage()
    // The client's own sockets are among it.
    const each = (heapUsed + external - before.heapUsed - before.external) / silent.length
    assert.ok(each < 64 * 1024, `${each} bytes each`)
    await Promise.all(silent.map(socket => socket.destroyed || closed(socket)))
    await until(() => server.connections === 0)
    assert.ok(server.stats.timeouts >= silent.length)
    assert.match(await exchange(server.port, last('/a.txt')), /hello$/)
  })
})

/** One client that does as it likes, and goes away as it likes. */
async function misbehave(port: number, random: () => number): Promise<void> {
  const socket = client(port)
  const ended = closed(socket)
  const requests = [
    kept('/a.txt'),
    kept('/large'),
    last('/large'),
    'HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /large HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9,1000000-2000000\r\n\r\n',
    'GET /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc',
    'GET /a.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab',
    'GET / HTTP/3.0\r\n\r\n',
    kept('/absent'),
    '\0',
  ]
  for (let index = Math.floor(random() * 4); index >= 0; index--) {
    socket.write(requests[Math.floor(random() * requests.length)] as string)
  }
  if (random() < 0.5) socket.resume()
  else await Promise.race([new Promise(resolve => socket.once('readable', resolve)), pause(50), ended])
  await Promise.race([pause(random() * 30), ended])
  const end = random()
  if (end < 0.3) socket.resetAndDestroy()
  else if (end < 0.6) socket.destroy()
  else {
    socket.resume().end()
    await Promise.race([ended, pause(200)])
    socket.destroy()
  }
  await ended
}

test('nothing is left of clients that go away in the middle of anything: no slot, no handle, no pipe, no descriptor', {
  timeout: 120_000,
}, async () => {
  let state = 20_240_301
  const random = () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  }
  await withServer({}, async server => {
    const storm = async (clients: number) => {
      await Promise.all(Array.from({ length: clients }, () => misbehave(server.port, random)))
      await until(() => server.connections === 0)
    }
    await storm(40)
    await until(() => engine().stats().handles === 1)
    const before = { engine: engine().stats(), held: held().filter(name => !name.startsWith('pipe:')) }
    for (let round = 0; round < 6; round++) await storm(60)
    // Its own listener is the one handle, and what that waits with is in flight.
    await until(() => engine().stats().handles === before.engine.handles)
    await until(() => engine().stats().inFlight <= before.engine.inFlight)
    const { waiting } = engine().stats()
    assert.equal(waiting, 0)
    const pool = pipePool().stats()
    assert.deepEqual([pool.open - pool.idle, pool.waiting], [0, 0])
    await until(() => held().filter(name => !name.startsWith('pipe:')).length <= before.held.length)
    assert.match(await exchange(server.port, last('/a.txt')), /hello$/)
  })
})

interface Command {
  child: ChildProcess
  port: number
}

async function startCommand(args: string[] = [], node: string[] = [], env = process.env): Promise<Command> {
  const child = spawn(process.execPath, [...node, MAIN, 'serve', '--json', '--port', '0', ...args, root], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await Promise.race([once(child.stdout as never, 'data'), once(child, 'exit')])
  return { child, port: JSON.parse(String(line)).port }
}

test('SIGTERM under load: whoever has begun to get an answer gets all of it, and the command ends well', {
  timeout: 60_000,
}, async () => {
  await Promise.all(Array.from({ length: 3 }, () => endsUnderLoad()))
})

async function endsUnderLoad(): Promise<void> {
  const { child, port } = await startCommand()
  const ended = once(child, 'exit')
  const bytes = await Promise.all(
    Array.from({ length: 24 }, async (_, index) => {
      const socket = client(port)
      let received = 0
      socket.on('data', chunk => {
        if (received === 0 && index === 0) child.kill('SIGTERM')
        received += chunk.length
      })
      socket.write(kept('/large'))
      await closed(socket)
      return received
    }),
  )
  assert.deepEqual(await ended, [0, null])
  for (const received of bytes) assert.ok(received === 0 || received > LARGE, `${received} bytes`)
  assert.ok(bytes.some(received => received > LARGE))
}

test('where io_uring is refused the same is served', { timeout: 60_000 }, async () => {
  await Promise.all(['EPERM', 'ENOSYS'].map(servesRefused))
})

async function servesRefused(code: string): Promise<void> {
  const { args, env } = refusedProcess({ code })
  const { child, port } = await startCommand([], args, env)
  try {
    assert.match(await exchange(port, kept('/a.txt') + last('/a.txt')), /hello[\s\S]*hello$/)
    const large = await exchange(port, kept('/large') + last('/large'))
    assert.ok(large.length > 2 * LARGE)
    const aborted = client(port)
    aborted.write(kept('/large'))
    await once(aborted, 'readable')
    aborted.resetAndDestroy()
    assert.match(await exchange(port, last('/absent')), /^HTTP\/1\.1 404/)
    assert.match(await exchange(port, 'GET / HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400/)
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

test('connections that come while no descriptor is left are served once there is one', {
  timeout: 60_000,
}, async () => {
  const program = `
    import fs from 'node:fs'
    import net from 'node:net'
    import { serve } from ${JSON.stringify(HTTP)}
    const server = await serve({ root: ${JSON.stringify(root)}, host: '127.0.0.1', port: 0 })
    // Descriptors of the clients are taken before there are none.
    const ask = socket => new Promise(resolve => {
      let text = ''
      socket.on('data', data => { text += data.toString('latin1') })
      socket.on('error', error => resolve(error.code))
      socket.on('close', () => resolve(text.slice(9, 12)))
      socket.write(${JSON.stringify(last('/a.txt'))})
    })
    const first = await ask(net.connect(server.port, '127.0.0.1'))
    const sockets = Array.from({ length: 20 }, () => net.connect(server.port, '127.0.0.1'))
    await new Promise(resolve => sockets[19].once('connect', resolve))
    const hold = []
    try { for (;;) hold.push(fs.openSync('/dev/null')) } catch (error) { if (error.code !== 'EMFILE') throw error }
    const answers = Promise.all(sockets.map(ask))
    await new Promise(resolve => setTimeout(resolve, 300))
    for (const fd of hold) fs.closeSync(fd)
    const statuses = await answers
    const late = await ask(net.connect(server.port, '127.0.0.1'))
    console.log(JSON.stringify([first, ...new Set(statuses), late]))
    process.exit(0)`
  const limited = 'ulimit -n 200; exec "$0" --input-type=module --eval "$1"'
  const output = execFileSync('sh', ['-c', limited, process.execPath, program], { encoding: 'utf8' })
  const [first, ...others] = JSON.parse(output) as string[]
  assert.equal(first, '200')
  // Those that were accepted while there was none may have been told so.
  assert.ok(
    others.every(status => status === '200' || status === '503'),
    others.join(),
  )
  assert.equal(others.at(-1), '200')
})

test('a disk that is full holds up no response; once it is not, the log goes on and says what is missing', {
  timeout: 60_000,
}, async t => {
  const disk = await mounted(t, 'tmpfs', 256 * 1024)
  if (disk === undefined) return
  const ballast = path.join(disk, 'ballast')
  fs.writeFileSync(ballast, Buffer.alloc(240 * 1024))
  let full = 0
  await Promise.all(
    (['combined', 'json'] as const).map(format =>
      logsAroundGap(path.join(disk, format), format, () => {
        if (++full === 2) fs.rmSync(ballast)
      }),
    ),
  )
})

/** Asks for more than the disk has room for in the log, has room made, and asks until the log goes on. */
async function logsAroundGap(
  accessLog: string,
  format: 'combined' | 'json',
  makeRoom: () => void,
): Promise<void> {
  let asked = 0
  await withServer({ accessLog, accessLogFormat: format }, async server => {
    const ask = async () => {
      const text = await exchange(server.port, kept('/a.txt').repeat(100) + last('/a.txt'))
      assert.equal(text.match(/HTTP\/1\.1 200 OK/g)?.length, 101)
      asked += 101
    }
    for (let round = 0; round < 10; round++) await ask()
    makeRoom()
    const gap = format === 'json' ? '"notLogged":' : ' were not logged'
    await until(async () => {
      await ask()
      return fs.readFileSync(accessLog, 'latin1').includes(gap)
    })
  })
  const lines = fs.readFileSync(accessLog, 'latin1').trimEnd().split('\n')
  const shape = format === 'json' ? /^\{"ad.*\}$/ : /^127.* "-" "-"$/
  const whole = lines.filter(line => shape.test(line)).length
  const gaps = lines.map(line => Number(/^(?:# |\{"notLogged":)(\d+)/.exec(line)?.[1] ?? 0))
  const missing = gaps.reduce((sum, count) => sum + count, 0)
  assert.ok(whole < asked && whole + missing >= asked, `${whole} + ${missing} of ${asked}`)
  // At most one line for each time that the disk was found full is torn.
  const breaks = gaps.filter(count => count > 0).length
  assert.ok(
    lines.length - whole - breaks <= breaks,
    `${lines.length} lines, ${whole} whole, ${breaks} breaks`,
  )
}
