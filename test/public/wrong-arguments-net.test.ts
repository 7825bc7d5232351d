import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { syscall } from '#dist/kernel/index.js'
import * as net from '#dist/net/index.js'
import { type Calls, check, functionsOf, type Method, methodsOf } from '../helpers/wrong-calls.js'
import { finish } from '../helpers/wrong-values.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-wrong-'))
const ends: net.Connection[] = []
/** It has something to say to everybody, and ends. */
const server = await net.listen({ host: '127.0.0.1' }, connection => {
  ends.push(connection)
  connection.write('x'.repeat(100)).catch(() => {})
  connection.end().catch(() => {})
})
after(async () => {
  await server.close({ timeout: 0 })
  rmSync(folder, { recursive: true })
})

/** Descriptors of this process that lead to sockets, but for the peers of connections that came. */
function sockets(): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
    } catch {
      return false
    }
  }).length
}

const dial = () => net.connect({ host: '127.0.0.1', port: server.port })

/** Ends what has been accepted. */
async function endAll(): Promise<void> {
  for (const end of ends.splice(0)) await end.destroy()
}

const CONNECTION_OPTIONS = {
  receiveBound: 100,
  sendBound: 100,
  full: 'wait',
  zeroCopy: 'auto',
  idleTimeout: 1000,
  readTimeout: 1000,
  writeTimeout: 1000,
  noDelay: true,
  keepAlive: true,
  sendBufferSize: 10_000,
  receiveBufferSize: 10_000,
  maxRate: 1_000_000,
}
const LISTEN_OPTIONS = {
  ...CONNECTION_OPTIONS,
  host: '127.0.0.1',
  port: 0,
  backlog: 10,
  reusePort: false,
  ipv6Only: false,
  maxConnections: 10,
  shared: false,
  onError: () => {},
  workers: undefined,
  fd: undefined,
  mode: 0o600,
  replaceStale: false,
}
const CONNECT_OPTIONS = {
  ...CONNECTION_OPTIONS,
  host: '127.0.0.1',
  port: server.port,
  family: 0,
  localAddress: '127.0.0.1',
  localPort: 0,
  timeout: 1000,
  signal: undefined,
}
const BIND_OPTIONS = {
  host: '127.0.0.1',
  port: 0,
  fd: undefined,
  maxSize: 100,
  receiveBound: 100,
  reusePort: false,
  broadcast: false,
  ipv6Only: false,
  sendBufferSize: 10_000,
  receiveBufferSize: 10_000,
}

const CONNECTION: Calls = {
  read: [{ signal: undefined }],
  readInto: [Buffer.alloc(8), { signal: undefined }],
  write: [Buffer.alloc(8)],
  writeFixed: [new net.FixedBytes(Buffer.alloc(128))],
  writev: [[Buffer.alloc(8), 'text']],
  setNoDelay: [true],
  setKeepAlive: [1000],
  lend: ['read'],
  flush: [{ signal: undefined }],
  closeGently: [{ most: 10, timeout: 10 }],
}
const LISTENER: Calls = { close: [{ timeout: 0 }] }
const peer = { address: '127.0.0.1', port: 9 }
const DATAGRAMS: Calls = {
  receive: [1, { signal: undefined }],
  send: [Buffer.alloc(8), peer],
  sendBatch: [[{ bytes: Buffer.alloc(8), to: peer }]],
  connect: [peer],
}

async function bindWithDatagram(): Promise<net.DatagramSocket> {
  const socket = await net.bind({ host: '127.0.0.1' })
  const { port } = socket.address() as { port: number }
  await socket.send(Buffer.from('x'), { address: '127.0.0.1', port })
  return socket
}

test('listen, connect and bind answer wrong arguments with an error that has a code, and leave no socket', async () => {
  const before = sockets()
  const opened =
    (open: (...args: never[]) => Promise<AsyncDisposable>) =>
    async (...args: never[]) => {
      await (await open(...args))[Symbol.asyncDispose]()
    }
  await check([
    { name: 'listen', args: [LISTEN_OPTIONS, () => {}], call: opened(net.listen as never) },
    { name: 'connect', args: [CONNECT_OPTIONS], call: opened(net.connect) },
    { name: 'bind', args: [BIND_OPTIONS], call: opened(net.bind) },
    ...functionsOf(net, { inheritedSockets: [{}] }),
    { name: 'adopt', args: [2 ** 20, CONNECTION_OPTIONS], call: net.adopt },
    { name: 'FixedBytes', args: [Buffer.alloc(128)], call: bytes => void new net.FixedBytes(bytes) },
  ])
  await endAll()
  assert.equal(sockets(), before)
})

test('a Unix socket that is listened on wrongly leaves neither a socket nor its name', async () => {
  const before = sockets()
  const path = join(folder, 'socket')
  const wrong = [{ receiveBound: 0 }, { full: 'x' }, { zeroCopy: 'x' }, { idleTimeout: -1 }, { shared: 1 }]
  for (const options of wrong) {
    const given = { path, ...options } as net.ListenOptions
    await assert.rejects(
      net.listen(given, () => {}),
      { code: /^ERR_(INVALID|OUT)/ },
    )
    const inThreads = { ...given, workers: 1, module: 'file:///nowhere.mjs' } as net.WorkerListenOptions
    await assert.rejects(net.listen(inThreads), { code: /^ERR_(INVALID|OUT)/ })
  }
  assert.equal(existsSync(path), false)
  assert.equal(sockets(), before)
})

test('a descriptor that does not listen is refused, and stays with whoever brought it', async () => {
  const connection = await dial()
  const copy = syscall('dup', connection.fd)
  for (const options of [{}, { workers: 1, module: 'file:///nowhere.mjs' }]) {
    const given = { fd: copy, ...options } as net.ListenOptions
    await assert.rejects(
      net.listen(given, () => {}),
      { code: 'ERR_INVALID_ARG_VALUE' },
    )
  }
  await assert.rejects(
    net.listen({ fd: 2 ** 20 }, () => {}),
    { code: 'EBADF', syscall: 'getsockopt' },
  )
  assert.equal(syscall('close', copy), 0)
  await connection.close()
  await endAll()
})

test('what listens, connects and sends answers wrong arguments with an error that has a code', async () => {
  await check([
    ...methodsOf('Connection', dial, CONNECTION),
    ...methodsOf('Listener', () => net.listen({ host: '127.0.0.1' }, () => {}), LISTENER),
    ...methodsOf('DatagramSocket', bindWithDatagram, DATAGRAMS),
  ])
  await endAll()
})

test('functions on a connection answer wrong arguments with an error that has a code', async () => {
  const path = join(folder, 'pair')
  const fars: net.Connection[] = []
  await using pair = await net.listen({ path }, connection => void fars.push(connection))
  const near = await net.connect({ path })
  while (fars.length === 0) await new Promise(setImmediate)
  const far = fars[0] as net.Connection
  // Enough for every call that receives by default.
  const writing = far.write('x'.repeat(900_000)).catch(() => {})
  await check(
    functionsOf(net, {
      sendDescriptors: [near, Buffer.from('x'), [0]],
      receiveDescriptors: [near, { most: 1, signal: undefined }],
    }),
  )
  await near.destroy()
  await far.destroy()
  await writing
  await pair.close()
})

/** What a closed object answers, by the code that says so; undefined where it may be asked. */
async function afterClose(make: () => unknown, method: string, args: readonly unknown[]): Promise<unknown> {
  const object = (await make()) as Record<string, Method>
  await object.close?.()
  try {
    await finish(await object[method]?.(...args))
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? error
  }
}

test('whatever is asked of a closed socket is refused as closed', async () => {
  // Closing again is nothing, and what came before can still be received.
  const { closeGently, ...connection } = CONNECTION
  const { receive, ...datagrams } = DATAGRAMS
  const subjects: [string, () => unknown, Calls][] = [
    ['Connection', dial, { ...connection, end: [] }],
    ['DatagramSocket', bindWithDatagram, datagrams],
  ]
  const answers: Record<string, unknown> = {}
  for (const [name, make, calls] of subjects) {
    for (const [method, args] of Object.entries(calls)) {
      const answer = await afterClose(make, method, args)
      if (answer !== 'ERR_SLUICE_CLOSED') answers[`${name}.${method}`] = answer
    }
  }
  assert.deepEqual(answers, {})
  await endAll()
})
