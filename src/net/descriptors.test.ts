import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readSync } from 'node:fs'
import test from 'node:test'
import { type ConnectOptions, connect } from './connect.js'
import type { Connection } from './connection.js'
import { receiveDescriptors, sendDescriptors } from './descriptors.js'
import { inheritedSockets } from './inherited.js'
import { listen } from './listen.js'
import { exhaustDescriptors, pattern, readAll, settled, testOnBoth, withPair } from './net.test.support.js'
import { openListening } from './open-listening.js'
import { socketAddress } from './socket-address.js'

let names = 0

/** Two ends of a Unix socket. */
async function withUnixPair(
  work: (near: Connection, far: Connection) => Promise<void>,
  options: ConnectOptions = {},
): Promise<void> {
  const path = `\0sluice-${process.pid}-${names++}`
  let accepted: Connection | undefined
  await using _listener = await listen({ path }, connection => {
    accepted = connection
  })
  const near = await connect({ path, ...options })
  await settled(() => accepted !== undefined)
  const far = accepted as unknown as Connection
  try {
    await work(near, far)
  } finally {
    await near.destroy()
    await far.destroy()
  }
}

testOnBoth('descriptors come with their bytes, and lead to the same files', async () => {
  await withUnixPair(async (near, far) => {
    const fds = [openSync('/proc/self/comm', 'r'), openSync('/dev/zero', 'r')]
    await sendDescriptors(near, Buffer.from('two files'), fds)
    for (const fd of fds) closeSync(fd)
    const message = await receiveDescriptors(far)
    assert.ok(message !== null)
    assert.equal(Buffer.from(message.bytes).toString(), 'two files')
    assert.equal(message.descriptors.length, 2)
    assert.equal(message.truncated, false)
    const bytes = Buffer.alloc(10, 1)
    assert.equal(readSync(message.descriptors[1], bytes), 10)
    assert.deepEqual(bytes, Buffer.alloc(10))
    for (const fd of message.descriptors) closeSync(fd)
    await near.end()
    assert.equal(await receiveDescriptors(far), null)
  })
})

testOnBoth('a message longer than the buffers goes on after its descriptors', async () => {
  await withUnixPair(
    async (near, far) => {
      const sending = sendDescriptors(near, pattern(300_000), [0])
      const first = await receiveDescriptors(far, { most: 1000 })
      assert.ok(first !== null)
      closeSync(first.descriptors[0])
      const ended = sending.then(() => near.end())
      const rest = await readAll(far)
      await ended
      assert.ok(Buffer.concat([first.bytes, rest]).equals(pattern(300_000)))
    },
    { sendBufferSize: 5000 },
  )
})

testOnBoth('a wait for descriptors can be aborted, and ends with the connection', async () => {
  await withUnixPair(async near => {
    const controller = new AbortController()
    const waiting = receiveDescriptors(near, { signal: controller.signal })
    await assert.rejects(near.read(), { code: 'ERR_SLUICE_BUSY' })
    controller.abort()
    await assert.rejects(waiting, { name: 'AbortError' })
    const again = receiveDescriptors(near)
    await settled(() => false, 3)
    await Promise.all([assert.rejects(again, { code: 'ERR_SLUICE_CLOSED' }), near.destroy()])
  })
})

testOnBoth('only a Unix socket carries descriptors', async () => {
  await withPair(async near => {
    await assert.rejects(sendDescriptors(near, Buffer.from('x'), [-1]), { code: 'ERR_OUT_OF_RANGE' })
    await assert.rejects(sendDescriptors(near, Buffer.alloc(0), [0]), { code: 'ERR_INVALID_ARG_TYPE' })
    await assert.rejects(sendDescriptors(near, Buffer.from('x'), [0]), { code: 'ERR_INVALID_ARG_VALUE' })
  })
})

testOnBoth('an unknown descriptor is told of', async () => {
  await withUnixPair(async (near, far) => {
    await assert.rejects(sendDescriptors(near, Buffer.from('x'), [999_999]), {
      code: 'EBADF',
      syscall: 'sendmsg',
    })
    await near.write('still here')
    assert.equal(Buffer.from((await far.read()) ?? []).toString(), 'still here')
  })
})

test('sockets that are passed to the process are found, once', () => {
  const environment = { LISTEN_PID: `${process.pid}`, LISTEN_FDS: '2', LISTEN_FDNAMES: 'web:' }
  const [first, second] = inheritedSockets({ ...environment, LISTEN_PID: '1' })
  assert.deepEqual([first, second], [undefined, undefined])
  // Descriptors 3 and 4 are Node's own here; being closed in children is what they are already.
  assert.deepEqual(inheritedSockets(environment), [
    { fd: 3, name: 'web' },
    { fd: 4, name: 'unknown' },
  ])
  assert.deepEqual(environment, {})
  assert.deepEqual(inheritedSockets(environment), [])
})

test('a process serves on the socket that it was started with', async () => {
  const { port, fd, close } = await listeningDescriptor()
  try {
    const program = `
      process.env.LISTEN_PID = String(process.pid)
      const { inheritedSockets, listen } = await import(${JSON.stringify(new URL('./index.js', import.meta.url).href)})
      const [{ fd, name }] = inheritedSockets()
      const listener = await listen({ fd }, async connection => {
        await connection.write(name)
        setImmediate(() => listener.close())
      })`
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, LISTEN_FDS: '1', LISTEN_FDNAMES: 'socket-of-the-unit' },
      stdio: ['ignore', 'inherit', 'inherit', fd],
    })
    const connection = await connect({ host: '127.0.0.1', port })
    assert.equal((await readAll(connection)).toString(), 'socket-of-the-unit')
    await connection.close()
    const [code] = await once(child, 'exit')
    assert.equal(code, 0)
  } finally {
    close()
  }
})

/** A listening socket that is nobody's yet. */
async function listeningDescriptor(): Promise<{ port: number; fd: number; close: () => void }> {
  const fd = await openListening({ host: '127.0.0.1' })
  const address = socketAddress(fd, 'getsockname')
  assert.ok(address !== undefined && 'port' in address)
  return { port: address.port, fd, close: () => closeSync(fd) }
}

testOnBoth('descriptors that this process has no room for are lost, and it is told so', async () => {
  await withUnixPair(async (near, far) => {
    await sendDescriptors(near, Buffer.from('five'), [0, 0, 0, 0, 0])
    const giveBack = exhaustDescriptors(2)
    const message = await receiveDescriptors(far).finally(giveBack)
    assert.deepEqual([message?.truncated, message?.descriptors.length], [true, 2])
    for (const fd of message?.descriptors ?? []) closeSync(fd)
    await sendDescriptors(near, Buffer.from('one'), [0])
    const whole = await receiveDescriptors(far)
    assert.deepEqual([whole?.truncated, whole?.descriptors.length], [false, 1])
    for (const fd of whole?.descriptors ?? []) closeSync(fd)
  })
})
