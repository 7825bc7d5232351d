import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

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

test('a socket that was passed is served, and a killed server leaves nothing in the way of the next', {
  timeout: 60_000,
}, async () => {
  const socket = path.join(folder, 'socket')
  for (let round = 0; round < 3; round++) {
    const child = spawn(process.execPath, [MAIN, 'serve', '--path', socket, '--json', folder])
    await once(child.stdout, 'data')
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  const listener = net.createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as net.AddressInfo
  const { fd } = (listener as unknown as { _handle: { fd: number } })._handle
  // The shell's number is that of the process that it becomes.
  const script = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"'
  const args = ['-c', script, process.execPath, MAIN, 'serve', '--json', folder]
  const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit', fd] })
  listener.close()
  const [line] = await once(child.stdout as NodeJS.ReadableStream, 'data')
  assert.equal(JSON.parse(String(line)).port, port)
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/hello.txt`)).text(), 'hello')
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'exit'), [0, null])
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
