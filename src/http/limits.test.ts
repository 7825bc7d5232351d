import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { connect } from '../net/index.js'
import { AddressCounts, addressKey, addressMemory } from './address-counts.js'
import { serve } from './serve.js'
import { client, kept, last, pause, serversOf, until } from './serve.test.support.js'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-limits-'))
const LARGE = 32 << 20
const PACED_BYTES = 2 << 20
fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
fs.writeFileSync(path.join(root, 'large'), Buffer.alloc(LARGE, 'x'))
// Less than the kernel takes at once.
fs.writeFileSync(path.join(root, 'middling'), Buffer.alloc(1 << 20, 'x'))
fs.writeFileSync(path.join(root, 'paced'), Buffer.alloc(PACED_BYTES, 'x'))
after(() => fs.rmSync(root, { recursive: true }))

const withServer = serversOf(() => root)

test('a client that takes nothing of a response is dropped after sendTimeout', {
  timeout: 30_000,
}, async () => {
  await withServer({ sendTimeout: 300 }, async server => {
    const socket = client(server.port)
    socket.write(kept('/large'))
    await once(socket, 'readable')
    await until(() => server.stats.timeouts > 0)
    await until(() => server.connections === 0)
    socket.destroy()
  })
})

test('a client that takes less than minRate is dropped, and one that takes more is not', {
  timeout: 30_000,
}, async () => {
  await withServer({ minRate: 2 ** 30, rateWindow: 500 }, async server => {
    const slow = client(server.port)
    slow.write(kept('/large'))
    await once(slow, 'readable')
    while (server.stats.timeouts === 0) {
      slow.read(1000)
      await pause(20)
    }
    slow.destroy()
  })
  await withServer({ minRate: 1000, rateWindow: 500, sendTimeout: 20_000 }, async server => {
    const steady = client(server.port)
    steady.write(kept('/large'))
    let received = 0
    for (let round = 0; round < 80 && received < LARGE; round++) {
      received += ((await nextChunk(steady)) as Buffer).length
      await pause(20)
    }
    assert.equal(server.stats.timeouts, 0)
    assert.ok(received > 0)
    steady.destroy()
  })
})

/** A client whose kernel holds next to nothing for it: what it does not read, the server's kernel keeps. */
async function slowly(port: number, request: string, pieces: number): Promise<number> {
  const connection = await connect({ host: '127.0.0.1', port, receiveBufferSize: 4096 })
  await connection.write(request)
  let received = 0
  for (let piece = 0; ; piece++) {
    if (piece < pieces) await pause(25)
    const bytes = await connection.read()
    if (bytes === null) break
    received += bytes.length
  }
  await connection.close()
  return received
}

test('a slow client that takes what the kernel holds for it is not late, nor is one that was told to go before it has all', {
  timeout: 30_000,
}, async () => {
  const limits = { headTimeout: 300, idleTimeout: 300, sendTimeout: 700, minRate: 1000, rateWindow: 700 }
  await withServer(limits, async server => {
    const received = (name: string) => slowly(server.port, last(`/${name}`), 80)
    const [large, middling] = await Promise.all(['large', 'middling'].map(received))
    assert.ok(Number(large) > LARGE, `${large} bytes`)
    assert.ok(Number(middling) > 1 << 20, `${middling} bytes`)
    assert.equal(server.stats.timeouts, 0)
  })
})

test('a client is not late while it is the server that has nothing to send yet', {
  timeout: 30_000,
}, async () => {
  await withServer({ minRate: 1000, rateWindow: 1, sendTimeout: 1 }, async server => {
    const answer = server.site.answer.bind(server.site)
    let release: (() => void) | undefined
    const gate = new Promise<void>(resolve => {
      release = resolve
    })
    const asked = new Promise<void>(resolve => {
      server.site.answer = request => {
        if (request.target === '/large') return answer(request)
        resolve()
        return gate.then(() => answer(request))
      }
    })
    const waiting = client(server.port)
    waiting.write(kept('/a.txt'))
    await asked
    // It is judged by the same clock, and after the other one.
    const slow = client(server.port).pause()
    slow.write(kept('/large'))
    await until(() => server.stats.timeouts > 0)
    release?.()
    assert.match(String((await once(waiting, 'data'))[0]), /hello$/)
    assert.equal(server.stats.timeouts, 1)
    waiting.destroy()
    slow.destroy()
  })
})

test('silent clients that take up every connection have to go for others, and busy ones have not', {
  timeout: 30_000,
}, async () => {
  await withServer({ maxConnections: 8, headTimeout: 60_000 }, async server => {
    const busy = client(server.port).pause()
    busy.write(kept('/large'))
    await once(busy, 'readable')
    const silent = Array.from({ length: 7 }, () => client(server.port))
    await until(() => server.connections === 8)
    const late = client(server.port)
    late.write(kept('/a.txt'))
    assert.match(String((await once(late, 'data'))[0]), /hello$/)
    assert.equal(server.connections, 8)
    let received = 0
    busy.on('data', chunk => {
      received += chunk.length
    })
    await until(() => received > LARGE)
    for (const socket of [busy, late, ...silent]) socket.destroy()
  })
})

test('a client that sends nothing at all has as long as for a head, not as between requests', async () => {
  await withServer({ headTimeout: 300, idleTimeout: 60_000 }, async server => {
    const socket = client(server.port)
    let received = ''
    socket.on('data', text => {
      received += text
    })
    await once(socket, 'close')
    assert.equal(received, '')
    assert.equal(server.stats.timeouts, 1)
  })
})

test('no place for any connection is refused', async () => {
  await assert.rejects(serve({ root, port: 0, maxConnections: 0 }), { code: 'ERR_OUT_OF_RANGE' })
})

test('a client that sends on a body that is not wanted is not reset, so that its 413 cannot be lost', async () => {
  await withServer({ maxBody: 0 }, async server => {
    const socket = net.connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    const failures: Error[] = []
    socket.on('error', error => failures.push(error))
    let received = ''
    socket.on('data', text => {
      received += text
    })
    socket.write(kept('/a.txt', 'Content-Length: 50000\r\n'))
    await once(socket, 'end')
    for (let piece = 0; piece < 5; piece++) {
      await new Promise(resolve => socket.write('x'.repeat(10_000), resolve))
      await new Promise(resolve => setImmediate(resolve))
    }
    socket.end()
    await once(socket, 'close')
    assert.match(received, /^HTTP\/1\.1 413/)
    assert.deepEqual(failures, [])
  })
})

async function nextChunk(socket: net.Socket): Promise<unknown> {
  for (;;) {
    const chunk = socket.read()
    if (chunk !== null) return chunk
    await once(socket, 'readable')
  }
}

/**
 * Serves a file at a rate, asks for it twice over one connection, and tells by how much more had come at any time than
 * the rate gives since it was asked for. A program, so that it can run on another network too.
 */
const PACED = `
async function paced(serve, root, rate) {
  const { connect } = await import('node:net')
  const server = await serve({ root, host: '127.0.0.1', port: 0, maxRate: rate })
  const socket = connect(server.port, '127.0.0.1')
  const ahead = []
  for (let round = 0; round < 2; round++) {
    const started = performance.now()
    let most = 0
    let received = 0
    socket.write('GET /paced HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
    await new Promise(resolve => {
      const take = chunk => {
        received += chunk.length
        most = Math.max(most, received - rate * (performance.now() - started) / 1000)
        if (received > ${PACED_BYTES}) resolve(socket.off('data', take))
      }
      socket.on('data', take)
    })
    ahead.push(Math.round(most))
  }
  socket.destroy()
  await server.close({ timeout: 0 })
  return ahead
}`
const RATE = 4 << 20
/** What the kernel makes one packet of, for itself. */
const PACKET = 65_536

function assertPaced([first = Infinity, second = Infinity]: number[], segment: number): void {
  assert.ok(first <= 10 * segment + PACKET, `${first} bytes too many`)
  // The unpaced packets are those that a connection begins with.
  assert.ok(second <= 2 * PACKET, `${second} bytes too many of the second response`)
}

test('a connection is sent no more than maxRate beyond its first ten segments and a packet, and all of it', {
  timeout: 60_000,
}, async () => {
  const paced = new Function(`${PACED}; return paced`)()
  assertPaced(await paced(serve, root, RATE), 65_536)
})

test('on a network with the packets of Ethernet the same holds, with the segments of that', {
  timeout: 60_000,
}, t => {
  const program = `
    import { serve } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)}
    ${PACED}
    console.log(JSON.stringify(await paced(serve, ${JSON.stringify(root)}, ${RATE})))
    process.exit(0)`
  const script = 'ip link set lo mtu 1500 up && exec "$0" --input-type=module --eval "$1"'
  const args = ['--user', '--map-root-user', '--net', 'sh', '-c', script, process.execPath, program]
  const { status, stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8', timeout: 30_000 })
  if (status !== 0 && /unshare: |ip: |RTNETLINK/.test(stderr)) {
    return t.skip(`no network of one's own: ${stderr.trim()}`)
  }
  assert.equal(status, 0, stderr)
  assertPaced(JSON.parse(stdout), 1460)
})

test('a rate that cannot be kept is refused', async () => {
  await assert.rejects(serve({ root, path: path.join(root, 's'), maxRate: 1000 }), {
    code: 'ERR_INVALID_ARG_VALUE',
  })
  await assert.rejects(serve({ root, port: 0, maxRate: 10, minRate: 100 }), { code: 'ERR_INVALID_ARG_VALUE' })
})

test('a client that sends more ahead than maxPipelined gets so many answers, the last of them with a close', async () => {
  await withServer({ maxPipelined: 3 }, async server => {
    const ask = async (requests: string): Promise<string> => {
      const socket = client(server.port)
      let received = ''
      socket.on('data', chunk => {
        received += chunk
      })
      socket.write(requests)
      await once(socket, 'close')
      return received
    }
    const text = await ask(kept('/a.txt').repeat(5))
    assert.equal(text.match(/200 OK/g)?.length, 3)
    assert.equal(text.match(/Connection: close/g)?.length, 1)
    const polite = client(server.port)
    for (let round = 0; round < 10; round++) {
      polite.write(kept('/a.txt').repeat(3))
      let answers = ''
      while (answers.match(/hello/g)?.length !== 3) answers += (await once(polite, 'data'))[0]
    }
    polite.destroy()
  })
})

test('addresses are counted as what one customer has', () => {
  assert.equal(addressKey('192.0.2.1'), '192.0.2.1')
  assert.equal(addressKey('::ffff:192.0.2.1'), '192.0.2.1')
  assert.equal(addressKey('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::')
  assert.equal(addressKey('2001:db8:1:2::6'), '2001:db8:1:2::')
  assert.equal(addressKey('2001:db8::6'), '2001:db8:0:0::')
  assert.equal(addressKey('::1'), '0:0:0:0::')
})

test('connections of an address are counted over threads, and a thread that ended leaves none', () => {
  const memory = addressMemory(2)
  const [one, two] = [new AddressCounts(2, memory, 0), new AddressCounts(2, memory, 1)]
  assert.equal(one.enter('192.0.2.1'), '192.0.2.1')
  assert.equal(two.enter('192.0.2.1'), '192.0.2.1')
  assert.equal(one.enter('192.0.2.1'), undefined)
  assert.equal(two.enter('192.0.2.1'), undefined)
  assert.equal(one.enter('192.0.2.2'), '192.0.2.2')
  two.leave('192.0.2.1')
  assert.equal(one.enter('192.0.2.1'), '192.0.2.1')
  assert.equal(new AddressCounts(2, memory, 0).enter('192.0.2.1'), '192.0.2.1')
})
