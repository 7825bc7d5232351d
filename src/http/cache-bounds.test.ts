import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import type net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { RememberedTargets } from './remembered-targets.js'
import type { Resource } from './resource.js'
import { client, kept, pause, serversOf } from './serve.test.support.js'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-bounds-'))
const FILES = 80
fs.writeFileSync(path.join(root, 'a.txt'), 'hello')
for (let index = 0; index < FILES; index++) {
  const name = path.join(root, `${index}.txt`)
  for (const ending of ['', '.br', '.gz']) fs.writeFileSync(name + ending, `${index}${ending}`)
}
after(() => fs.rmSync(root, { recursive: true }))

const withServer = serversOf(() => root)
const moduleUrl = (name: string) => JSON.stringify(new URL(name, import.meta.url).href)

/** Runs a program that may have 200 descriptors. @returns what it prints, as JSON */
function limited(program: string): unknown {
  const script = 'ulimit -n 200; exec "$0" --input-type=module --eval "$1"'
  const prelude = `
    import fs from 'node:fs'
    import net from 'node:net'
    const root = ${JSON.stringify(root)}
    const ask = (socket, target) => new Promise((resolve, reject) => {
      socket.once('data', data => resolve(data.toString('latin1', 9, 12)))
      socket.once('error', reject).write('GET ' + target + ' HTTP/1.1\\r\\nHost: x\\r\\nAccept-Encoding: gzip\\r\\n\\r\\n')
    })`
  const args = ['-c', script, process.execPath, prelude + program]
  return JSON.parse(execFileSync('sh', args, { encoding: 'utf8', timeout: 30_000 }))
}

test('of files that do not all fit, one that is asked for again and again stays', async () => {
  await withServer({ cacheEntries: 10 }, async server => {
    const socket = client(server.port)
    const ask = async (name: string) => {
      socket.write(kept(`/${name}`, ''))
      await once(socket, 'data')
    }
    await ask('a.txt')
    await ask('a.txt')
    for (let index = 0; index < FILES; index++) {
      await ask(`${index}.txt`)
      await ask('a.txt')
    }
    const { evictions, files } = server.site.cacheStats()
    assert.ok(evictions > FILES / 2, `${evictions} evictions`)
    // Each was kept once, then: it has never been in others' way.
    assert.equal(evictions + files, FILES + 1)
    socket.destroy()
  })
})

test('files with codings beside them leave descriptors to connections, and make room where there is none', {
  timeout: 60_000,
}, () => {
  const found = limited(`
    import { serve } from ${moduleUrl('./serve.js')}
    const server = await serve({ root, host: '127.0.0.1', port: 0 })
    const socket = net.connect(server.port, '127.0.0.1')
    const statuses = new Set()
    for (let round = 0; round < 2; round++)
      for (let index = 0; index < ${FILES}; index++) statuses.add(await ask(socket, '/' + index + '.txt'))
    const { files, descriptors } = server.site.cacheStats()
    const others = Array.from({ length: 30 }, () => net.connect(server.port, '127.0.0.1'))
    for (const other of others) statuses.add(await ask(other, '/0.txt'))
    const held = []
    try { for (;;) held.push(fs.openSync('/dev/null')) } catch {}
    statuses.add(await ask(socket, '/a.txt'))
    console.log(JSON.stringify({ statuses: [...statuses], files, descriptors }))
    process.exit(0)`)
  assert.deepEqual(found, { statuses: ['200'], files: 33, descriptors: 99 })
})

test('connections that use up all descriptors have files give way, and are all served', {
  timeout: 60_000,
}, async t => {
  const program = `
    import { serve } from ${moduleUrl('./serve.js')}
    const server = await serve({ root: ${JSON.stringify(root)}, host: '127.0.0.1', port: 0 })
    console.log(server.port)`
  const script = 'ulimit -n 200; exec "$0" --input-type=module --eval "$1"'
  const child = spawn('sh', ['-c', script, process.execPath, program], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.after(() => child.kill())
  const port = Number(String((await once(child.stdout, 'data'))[0]))
  const sockets = [client(port)]
  const coded = (index: number) => kept(`/${index}.txt`, 'Accept-Encoding: gzip\r\n')
  for (let index = 0; index < FILES; index++) await ask(sockets[0] as net.Socket, coded(index))
  // Nearly all that are there: 99 are files'.
  for (let index = 0; index < 150; index++) sockets.push(client(port))
  await Promise.all(sockets.map(socket => ask(socket, coded(0))))
  for (const socket of sockets) socket.destroy()
})

test('all sites of a process share what they keep open', { timeout: 60_000 }, () => {
  const found = limited(`
    import { Site } from ${moduleUrl('./site.js')}
    const sites = [1, 2, 3].map(() => new Site({ root }))
    const statuses = new Set()
    for (const site of sites)
      for (let index = 0; index < ${FILES}; index++) {
        const { status, body } = await site.answer({ method: 'GET', target: '/' + index + '.txt' })
        statuses.add(status)
        body.file.release()
      }
    const descriptors = sites.map(site => site.cacheStats().descriptors).reduce((sum, count) => sum + count)
    sites[0].close()
    console.log(JSON.stringify({ statuses: [...statuses], least: sites[1].cacheStats().files > 1, descriptors }))`)
  assert.deepEqual(found, { statuses: [200], least: true, descriptors: 99 })
})

function arrayBuffers(): number {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
  return process.memoryUsage().arrayBuffers
}

async function ask(socket: net.Socket, request: string): Promise<void> {
  socket.write(request)
  await once(socket, 'data')
}

test('a client that waits, or sends a head piece by piece, keeps no block alive that others were received into', {
  timeout: 60_000,
}, async () => {
  const CLIENTS = 400
  const block = kept('/a.txt', 'Content-Length: 65536\r\n') + 'x'.repeat(65_536)
  await withServer({}, async server => {
    const other = client(server.port)
    await ask(other, block)
    const before = arrayBuffers()
    const waiting: net.Socket[] = []
    for (let index = 0; index < CLIENTS; index++) {
      const socket = client(server.port)
      waiting.push(socket)
      const partial = index % 2 === 0 ? '' : 'GET /a.txt HTTP/1.1\r\nHost'
      await ask(socket, kept('/a.txt') + partial)
      await ask(other, block)
    }
    let grown = arrayBuffers() - before
    // The collector takes its time over memory outside its heap.
    for (let again = 0; again < 50 && grown >= CLIENTS * 8192; again++) {
      await pause(20)
      grown = arrayBuffers() - before
    }
    assert.ok(grown < CLIENTS * 8192, `${grown} bytes for ${CLIENTS} clients`)
    for (const socket of waiting) socket.end(': x\r\n\r\n')
    await Promise.all(waiting.filter((_, index) => index % 2 === 1).map(socket => once(socket, 'data')))
    for (const socket of [...waiting, other]) socket.destroy()
  })
})

test('what clients choose is remembered within bounds: neither random queries nor long targets add up', async () => {
  await withServer({}, async server => {
    const socket = client(server.port)
    await ask(socket, kept('/a.txt?first'))
    const requests = Array.from({ length: 1000 }, (_, index) => kept(`/a.txt?${index}-${Math.random()}`))
    let received = ''
    socket.on('data', text => {
      received += text
    })
    socket.write(requests.join(''))
    while ((received.match(/hello/g)?.length ?? 0) < requests.length) await once(socket, 'data')
    assert.equal(server.site.cacheStats().targets, 1)
    assert.equal(server.site.cacheStats().files, 1)
    await ask(socket, kept('/a.txt?#'))
    assert.match(received, /HTTP\/1\.1 400/)
    socket.destroy()
  })
  const targets = new RememberedTargets(32_768)
  const resource = { path: 'a', freshUntil: Infinity } as Resource
  let most = 0
  for (let index = 0; index < 40_000; index++) {
    targets.add(`/${String(index).padStart(1000, './')}`, resource)
    most = Math.max(most, targets.size)
  }
  assert.ok(most * 1000 <= 4 << 20, `${most} targets`)
  targets.add(`/${'x'.repeat(8000)}`, resource)
  targets.add('http://host/a', resource)
  assert.equal(targets.find('http://host/a'), undefined)
  assert.equal(targets.find(`/${'x'.repeat(8000)}`), undefined)
})

test('answers that stand ready are counted with what they hold, once, and long heads are not kept', async () => {
  await withServer({}, async server => {
    const socket = client(server.port)
    for (const more of ['', '', `X: ${'x'.repeat(5000)}\r\n`]) await ask(socket, kept('/a.txt', more))
    const resource = server.site.hot('/a.txt')
    assert.ok(resource !== undefined)
    const { bytes } =
      resource.identity.ready('Mon, 30 Nov 2026 00:00:00 GMT') ?? assert.fail('it stands ready')
    assert.equal(resource.plain.content?.buffer, bytes.buffer, 'the content is held once')
    assert.equal(server.site.cacheStats().bytes, bytes.length + kept('/a.txt').length)
    socket.destroy()
  })
})
