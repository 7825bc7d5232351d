import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { type Identity, makeIdentity } from '#dist/http/certificate.test.support.js'

/* The command as it runs: what only a process of its own shows. */

const MAIN = fileURLToPath(import.meta.resolve('#dist/cli/main.js'))
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-command-'))
fs.writeFileSync(path.join(folder, 'hello.txt'), 'hello')
after(() => fs.rmSync(folder, { recursive: true }))
const [first, second] = ['first', 'second'].map(name => makeIdentity(folder, name)) as [Identity, Identity]
const skip = first === undefined && 'there is no openssl to make a certificate with'

interface Running {
  child: ChildProcess
  port: number
  /** What it has said on its standard error, and when it says something. */
  said: () => string
  /** @returns once it has said something that matches */
  says: (pattern: RegExp) => Promise<void>
}

async function start(...args: string[]): Promise<Running> {
  const child = spawn(process.execPath, [MAIN, 'serve', '--json', ...args, folder])
  let text = ''
  child.stderr.on('data', chunk => {
    text += chunk
  })
  const says = async (pattern: RegExp) => {
    while (!pattern.test(text)) await once(child.stderr, 'data')
  }
  const [line] = await once(child.stdout, 'data')
  return { child, port: JSON.parse(String(line)).port, said: () => text, says }
}

/** Asks over TLS. @returns whose certificate was shown, and the answer's last line */
async function ask(port: number): Promise<{ name: string; body: string | undefined }> {
  const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  let text = ''
  socket.on('data', chunk => {
    text += chunk
  })
  socket.write('GET /hello.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  await once(socket, 'secureConnect')
  const name = socket.getPeerCertificate().subject.CN as string
  await once(socket, 'close')
  return { name, body: text.split('\r\n').at(-1) }
}

test('SIGHUP has a new certificate shown, and one that is broken told and not taken', {
  skip,
  timeout: 60_000,
}, async () => {
  const files = { cert: path.join(folder, 'live.crt'), key: path.join(folder, 'live.key') }
  const put = (identity: Identity) => {
    for (const name of ['cert', 'key'] as const) fs.copyFileSync(identity[name], files[name])
  }
  put(first)
  const { child, port, says } = await start('--port', '0', '--tls-cert', files.cert, '--tls-key', files.key)
  assert.deepEqual(await ask(port), { name: 'first', body: 'hello' })
  put(second)
  child.kill('SIGHUP')
  await says(/certificate and log are opened anew/)
  assert.deepEqual(await ask(port), { name: 'second', body: 'hello' })
  fs.writeFileSync(files.cert, 'nonsense')
  child.kill('SIGHUP')
  await says(/live\.crt' holds no certificate.*what was there before stays/)
  assert.deepEqual(await ask(port), { name: 'second', body: 'hello' })
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
})

test('a certificate that cannot be used ends the command with its file’s name', {
  skip,
  timeout: 30_000,
}, async () => {
  const broken = path.join(folder, 'broken.crt')
  fs.writeFileSync(broken, 'nonsense')
  const args = ['serve', '--port', '0', '--tls-cert', broken, '--tls-key', first.key, folder]
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  let text = ''
  child.stderr.on('data', chunk => {
    text += chunk
  })
  assert.deepEqual(await once(child, 'close'), [1, null])
  assert.match(text, /broken\.crt' holds no certificate/)
})

test('a signal that is sent as soon as the address is told ends it as any other', {
  timeout: 30_000,
}, async () => {
  for (let round = 0; round < 2; round++) {
    const { child } = await start('--port', '0')
    child.kill('SIGTERM')
    assert.deepEqual(await once(child, 'exit'), [0, null])
  }
})

test('several threads that are killed leave nothing in the way of the next', {
  timeout: 60_000,
}, async () => {
  let port = 0
  for (let round = 0; round < 2; round++) {
    const running = await start('--port', String(port), '--workers', '2')
    if (port !== 0) assert.equal(running.port, port)
    port = running.port
    const response = await fetch(`http://127.0.0.1:${port}/hello.txt`, { headers: { connection: 'close' } })
    assert.equal(await response.text(), 'hello')
    running.child.kill('SIGKILL')
    await once(running.child, 'exit')
    assert.equal(running.said(), '')
  }
})
