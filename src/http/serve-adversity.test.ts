import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { serve } from './serve.js'
import {
  client,
  closed,
  exchange,
  kept,
  last,
  pause,
  serversOf,
  statusOf,
  until,
} from './serve.test.support.js'

const SECRET = 'not for the public'
const LARGE = 64 << 20
const SERVE = new URL('./serve.js', import.meta.url).href
let base: string
let root: string

before(() => {
  base = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-adversity-'))
  root = path.join(base, 'root')
  fs.mkdirSync(path.join(root, 'sub'), { recursive: true })
  fs.writeFileSync(path.join(base, 'secret'), SECRET)
  fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
  fs.writeFileSync(path.join(root, 'large'), Buffer.alloc(LARGE, 'x'))
})

after(() => fs.rmSync(base, { recursive: true }))

const withServer = serversOf(() => root)

const descriptors = () => fs.readdirSync('/proc/self/fd').length

test('no spelling of a path leads out of the root', async () => {
  const up = [
    '..',
    '%2e%2e',
    '.%2e',
    '%2E.',
    '..%2f',
    '..%5c',
    '..\\',
    '%252e%252e',
    '%c0%ae%c0%ae',
    '..%00',
    '..;',
  ]
  const spellings = up.flatMap(dots => [
    `/${dots}/secret`,
    `/sub/${dots}/${dots}/secret`,
    `/sub/${dots}${dots}/secret`,
    `//${dots}/secret`,
    `/a.txt/${dots}/${dots}/secret`,
    `http://x/${dots}/secret`,
  ])
  for (const symlinks of ['beneath', 'deny', 'follow'] as const) {
    await withServer({ symlinks, dotfiles: true }, async server => {
      for (const target of spellings) {
        const response = await exchange(server.port, last(target))
        assert.ok(!response.includes(SECRET), target)
        assert.ok([400, 404].includes(statusOf(response)), `${target}: ${statusOf(response)}`)
      }
    })
  }
})

test('a symbolic link is followed as far as the policy says, and a magic one never', async t => {
  fs.symlinkSync('../secret', path.join(root, 'out'))
  fs.symlinkSync(path.join(base, 'secret'), path.join(root, 'absolute'))
  fs.symlinkSync('..', path.join(root, 'sub/parent'))
  fs.symlinkSync('a.txt', path.join(root, 'within'))
  const secret = fs.openSync(path.join(base, 'secret'), 'r')
  t.after(() => fs.closeSync(secret))
  fs.symlinkSync(`/proc/self/fd/${secret}`, path.join(root, 'magic'))
  assert.equal(fs.readFileSync(path.join(root, 'magic'), 'utf8'), SECRET)
  const expected = {
    beneath: { '/out': 404, '/absolute': 404, '/sub/parent/a.txt': 200, '/within': 200, '/magic': 404 },
    deny: { '/out': 404, '/absolute': 404, '/sub/parent/a.txt': 404, '/within': 404, '/magic': 404 },
    follow: { '/out': 200, '/absolute': 200, '/sub/parent/a.txt': 200, '/within': 200, '/magic': 404 },
  }
  for (const symlinks of ['beneath', 'deny', 'follow'] as const) {
    await withServer({ symlinks }, async server => {
      for (const [target, wanted] of Object.entries(expected[symlinks])) {
        assert.equal(statusOf(await exchange(server.port, last(target))), wanted, `${symlinks} ${target}`)
      }
    })
  }
})

test('what is no regular file is refused at once', async t => {
  execFileSync('mkfifo', [path.join(root, 'fifo')])
  const socket = net.createServer().listen(path.join(root, 'socket'))
  await once(socket, 'listening')
  t.after(() => socket.close())
  const names = ['/fifo', '/socket']
  try {
    execFileSync('mknod', [path.join(root, 'device'), 'c', '1', '5'], { stdio: 'ignore' })
    names.push('/device')
  } catch {
    t.diagnostic('no right to make a device')
  }
  await withServer({}, async server => {
    for (const name of names)
      assert.ok([403, 404].includes(statusOf(await exchange(server.port, last(name)))), name)
  })
})

test('a root that is replaced goes on being served as it was opened', async () => {
  const moved = path.join(base, 'moving')
  fs.mkdirSync(moved)
  fs.writeFileSync(path.join(moved, 'a'), 'first')
  await withServer({ root: moved, cacheMs: 0 }, async server => {
    fs.renameSync(moved, `${moved}.old`)
    fs.mkdirSync(moved)
    fs.writeFileSync(path.join(moved, 'a'), 'second')
    assert.match(await exchange(server.port, last('/a')), /first$/)
  })
  fs.rmSync(moved, { recursive: true })
  fs.renameSync(`${moved}.old`, moved)
})

test('a link to the root that leads somewhere else is followed when the server is told to reload', async () => {
  const link = path.join(base, 'current')
  for (const release of ['one', 'two']) {
    fs.mkdirSync(path.join(base, release))
    fs.writeFileSync(path.join(base, release, 'a'), `release ${release}`)
  }
  fs.symlinkSync('one', link)
  await withServer({ root: link, symlinks: 'deny' }, async server => {
    const socket = client(server.port)
    const ask = async () => {
      socket.write(kept('/a'))
      return String((await once(socket, 'data'))[0])
    }
    for (let round = 0; round < 3; round++) assert.match(await ask(), /release one$/)
    fs.symlinkSync('two', `${link}.new`)
    fs.renameSync(`${link}.new`, link)
    assert.match(await ask(), /release one$/)
    server.reload()
    for (let round = 0; round < 3; round++) assert.match(await ask(), /release two$/)
    fs.rmSync(link)
    assert.throws(() => server.reload(), { code: 'ENOENT' })
    assert.match(await ask(), /release two$/)
    const before = descriptors()
    fs.symlinkSync('one', link)
    for (let round = 0; round < 3; round++) server.reload()
    assert.ok(descriptors() <= before, 'what was open before is closed')
    socket.destroy()
  })
})

test('a file that is replaced or deleted in mid-response is sent to its end as it was', async () => {
  for (const change of [fs.rmSync, (name: string) => fs.renameSync(path.join(root, 'a.txt'), name)]) {
    const name = path.join(root, 'changing')
    fs.writeFileSync(name, Buffer.alloc(LARGE, 'y'))
    fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
    await withServer({}, async server => {
      const socket = client(server.port)
      socket.write(last('/changing'))
      let received = 0
      socket.on('data', chunk => {
        if (received === 0) change(name)
        received += chunk.length
        assert.equal(chunk.at(-1), 'y'.charCodeAt(0))
      })
      await closed(socket)
      assert.ok(received > LARGE)
    })
  }
  fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
})

/** Runs a program that may have 200 descriptors. @returns what it prints, as JSON */
function limited(program: string): unknown {
  const prelude = `
    import fs from 'node:fs'
    import net from 'node:net'
    import { serve } from ${JSON.stringify(SERVE)}
    const ask = (socket, target) => new Promise((resolve, reject) => {
      socket.once('data', data => resolve(Number(data.toString('latin1', 9, 12))))
      socket.once('error', reject).write('GET ' + target + ' HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n')
    })`
  const script = 'ulimit -n 200; exec "$0" --input-type=module --eval "$1"'
  return JSON.parse(
    execFileSync('sh', ['-c', script, process.execPath, prelude + program], { encoding: 'utf8' }),
  )
}

test('without a descriptor left what is kept open gives way, then requests get 503, and are served once there is one', {
  timeout: 60_000,
}, () => {
  const statuses = limited(`
    const server = await serve({ root: ${JSON.stringify(root)}, host: '127.0.0.1', port: 0, cacheMs: 0 })
    const socket = net.connect(server.port, '127.0.0.1')
    const before = await ask(socket, '/a.txt')
    const held = []
    const exhaust = () => {
      try { for (;;) held.push(fs.openSync('/dev/null')) } catch (error) { if (error.code !== 'EMFILE') throw error }
    }
    exhaust()
    const instead = await ask(socket, '/sub/absent')
    exhaust()
    const without = await ask(socket, '/sub/absent')
    for (const fd of held) fs.closeSync(fd)
    const again = await ask(socket, '/a.txt')
    const late = await ask(net.connect(server.port, '127.0.0.1'), '/a.txt')
    console.log(JSON.stringify([before, instead, without, again, late]))
    process.exit(0)`)
  assert.deepEqual(statuses, [200, 404, 503, 200, 200])
})

test('a listing that cannot be made for want of a descriptor is 503, not the end of the connection', {
  timeout: 60_000,
}, () => {
  const statuses = limited(`
    const options = { root: ${JSON.stringify(root)}, host: '127.0.0.1', port: 0, cacheMs: 0, listing: true }
    const server = await serve(options)
    const socket = net.connect(server.port, '127.0.0.1')
    const before = await ask(socket, '/sub/')
    const held = []
    try { for (;;) held.push(fs.openSync('/dev/null')) } catch (error) { if (error.code !== 'EMFILE') throw error }
    // One for the directory, none for its names.
    fs.closeSync(held.pop())
    const without = await ask(socket, '/sub/')
    for (const fd of held) fs.closeSync(fd)
    console.log(JSON.stringify([before, without, await ask(socket, '/sub/')]))
    process.exit(0)`)
  assert.deepEqual(statuses, [200, 503, 200])
})

test('what nobody has foreseen is 500, told once, and the connection goes on', async () => {
  await withServer({}, async server => {
    const answer = server.site.answer.bind(server.site)
    server.site.answer = request => {
      if (request.target === '/thrown') throw new Error('unforeseen')
      return request.target === '/failed' ? Promise.reject(new Error('unforeseen')) : answer(request)
    }
    const warned: Error[] = []
    const onWarning = (warning: Error) => warned.push(warning)
    process.on('warning', onWarning)
    const text = await exchange(server.port, kept('/failed') + kept('/thrown') + last('/a.txt'))
    assert.deepEqual(
      text.match(/HTTP\/1\.1 \d+/g)?.map(line => Number(line.slice(9))),
      [500, 500, 200],
    )
    await until(() => warned.length === 2)
    assert.ok(warned.every(({ message }) => message === 'unforeseen'))
    process.off('warning', onWarning)
  })
})

test('readers who take nothing cost no memory but the kernel’s', { timeout: 60_000 }, async () => {
  await withServer({}, async server => {
    const readers = Array.from({ length: 300 }, () => client(server.port).pause())
    for (const reader of readers) reader.write(kept('/large'))
    const before = process.memoryUsage()
    await until(() => !(server.stats.mechanisms.size === 0 && server.connections < readers.length))
    await pause(500)
    const { external, heapUsed } = process.memoryUsage()
    const grown = external + heapUsed - before.external - before.heapUsed
    assert.ok(grown < readers.length * 64 * 1024, `${grown} bytes for ${readers.length} readers`)
    assert.equal(statusOf(await exchange(server.port, last('/a.txt'))), 200)
    for (const reader of readers) reader.destroy()
    await until(() => server.connections === 0)
  })
})

test('a client that has ended its half still gets its answer', async () => {
  await withServer({}, async server => {
    const socket = net.connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    let received = 0
    socket.on('data', chunk => {
      received += chunk.length
    })
    socket.end(kept('/large'))
    await new Promise(resolve => socket.once('end', resolve))
    assert.ok(received > LARGE)
  })
})

test('connections beyond the limit wait, and all are served', { timeout: 60_000 }, async () => {
  await withServer({ maxConnections: 8 }, async server => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => exchange(server.port, last('/a.txt'))),
    )
    assert.ok(answers.every(answer => answer.endsWith('hello')))
  })
})

test('a full disk for the access log holds up no response', async () => {
  await withServer({ accessLog: '/dev/full' }, async server => {
    for (let count = 0; count < 20; count++) {
      assert.equal(statusOf(await exchange(server.port, last('/a.txt'))), 200)
    }
  })
})

test('closing under load loses no response that has begun', { timeout: 60_000 }, async () => {
  const server = await serve({ root, host: '127.0.0.1', port: 0 })
  const loads = Array.from({ length: 32 }, async () => {
    const socket = client(server.port)
    let [heads, whole, unread] = [0, 0, '']
    socket.on('data', chunk => {
      unread += chunk.toString('latin1')
      const answers = unread.split('HTTP/1.1 ')
      heads += answers.length - 1
      const before = whole
      whole += answers.filter(answer => answer.endsWith('hello')).length
      unread = answers.at(-1)?.endsWith('hello') ? '' : (answers.at(-1) ?? '')
      for (let at = before; at < whole; at++) socket.write(kept('/a.txt'))
    })
    socket.write(kept('/a.txt'))
    await closed(socket)
    return { heads, whole, unread }
  })
  await pause(200)
  await server.close()
  const { requests } = server.stats
  const all = await Promise.all(loads)
  for (const { heads, whole, unread } of all) assert.deepEqual([heads, unread], [whole, ''])
  assert.equal(
    all.reduce((sum, { whole }) => sum + whole, 0),
    requests,
    'what was counted as answered has come',
  )
})

test('closing answers a request of which a part came behind one whose file is still being sent', {
  timeout: 60_000,
}, async () => {
  const server = await serve({ root, host: '127.0.0.1', port: 0 })
  await exchange(server.port, kept('/large') + last('/large'))
  const socket = client(server.port)
  socket.write(`${kept('/large')}GET /a.txt HT`)
  await once(socket, 'readable')
  const closing = server.close()
  socket.write('TP/1.1\r\nHost: x\r\n\r\n')
  let received = 0
  let end = ''
  socket.on('data', chunk => {
    received += chunk.length
    end = (end + chunk.toString('latin1')).slice(-500)
  })
  await closed(socket)
  await closing
  assert.ok(received > LARGE)
  assert.match(end, /HTTP\/1\.1 200 OK[\s\S]*Connection: close[\s\S]*hello$/)
})

test('a server that is killed and started again binds every time', { timeout: 120_000 }, async () => {
  const main = fileURLToPath(new URL('../cli/main.js', import.meta.url))
  let port = 0
  for (let round = 0; round < 5; round++) {
    const child = spawn(process.execPath, [main, 'serve', '--json', '--port', `${port}`, root])
    const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')])
    port = JSON.parse(String(line)).port
    const held = client(port)
    held.write(kept('/large'))
    await once(held, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

test('no descriptor is left behind by clients that go away in mid-response', {
  timeout: 60_000,
}, async () => {
  await withServer({}, async server => {
    await exchange(server.port, last('/large'))
    const before = descriptors()
    for (let round = 0; round < 5; round++) {
      const sockets = Array.from({ length: 20 }, () => client(server.port))
      for (const socket of sockets) socket.write(kept('/large') + kept('/a.txt'))
      await Promise.all(sockets.map(socket => once(socket, 'data')))
      for (const socket of sockets) socket.resetAndDestroy()
      await until(() => server.connections === 0)
    }
    // The client's own end of the first exchange may have been among them.
    await until(() => descriptors() <= before)
  })
})
