import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import test, { type TestContext } from 'node:test'
import { type DriverName, engine } from '../engine/index.js'
import { RLIMIT, syscall } from '../kernel/index.js'
import { type ConnectOptions, connect } from './connect.js'
import type { Connection } from './connection.js'
import { type ListenOptions, listen } from './listen.js'
import type { Listener } from './listener.js'
import { Segment } from './segment.js'
import type { ConnectionHandler } from './serving-options.js'

/** Descriptors of this process, and what each leads to; but for the file of the test's reporter, which Node opens late. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap(fd => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`)
      return target.endsWith('.events') ? [] : [`${fd} ${target}`]
    } catch {
      return []
    }
  })
}

type Body = (t: TestContext, driver: DriverName) => Promise<void>

interface Options {
  timeout?: number
  skip?: string | false
}

/**
 * A test that is run on each driver, with an engine of its own. Afterwards nothing may be left: no handle, no operation,
 * no segment, no descriptor.
 */
export function testOnBoth(name: string, body: Body, options: Options = {}): void {
  testOn(['ring', 'epoll'], name, body, options)
}

/** As `testOnBoth()`, on some drivers alone. */
export function testOn(
  drivers: readonly DriverName[],
  name: string,
  body: Body,
  options: Options = {},
): void {
  for (const driver of drivers) {
    test(`${name} (${driver})`, { timeout: 60_000, ...options }, async t => {
      await engine().close()
      const own = engine({ driver })
      const before = descriptors()
      await body(t, driver)
      await settled(() => own.stats().handles === 0 && own.stats().inFlight === 0)
      const { handles, inFlight, waiting } = own.stats()
      // Each segment that waits to be sent pins its memory.
      const left = { handles, inFlight, waiting, segments: Segment.inUse }
      assert.deepEqual(left, { handles: 0, inFlight: 0, waiting: 0, segments: 0 })
      assert.deepEqual(descriptors(), before)
    })
  }
}

/** Gives what is being closed the turns that it takes; the assertion behind it says what did not come about. */
export async function settled(condition: () => boolean, turns = 2000): Promise<void> {
  for (let turn = 0; turn < turns && !condition(); turn++) {
    await new Promise(resolve => setTimeout(resolve, turn < 100 ? 0 : 5))
  }
}

/** A listener on a free port of the loopback interface. */
export function serve(handler: ConnectionHandler, options: ListenOptions = {}): Promise<Listener> {
  return listen({ host: '127.0.0.1', ...options }, handler)
}

/** A connection to a listener of `serve()`. */
export function dial(listener: { port: number }, options: ConnectOptions = {}): Promise<Connection> {
  return connect({ host: '127.0.0.1', port: listener.port, ...options })
}

/** Two ends of one connection. Both are closed when the work is through. */
export async function withPair(
  work: (near: Connection, far: Connection) => Promise<void>,
  { near: nearOptions = {}, far: farOptions = {} }: { near?: ConnectOptions; far?: ListenOptions } = {},
): Promise<void> {
  let accepted: (connection: Connection) => void = () => {}
  const accepting = new Promise<Connection>(resolve => {
    accepted = resolve
  })
  const listener = await serve(connection => accepted(connection), farOptions)
  const near = await dial(listener, nearOptions)
  const far = await accepting
  try {
    await work(near, far)
  } finally {
    await near.destroy()
    await far.destroy()
    await listener.close()
  }
}

/** Everything a connection gives until its end. */
export async function readAll(connection: Connection): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of connection) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Reads exactly so many bytes. */
export async function readExactly(connection: Connection, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at < length; ) {
    const count = await connection.readInto(bytes.subarray(at))
    assert.notEqual(count, 0, 'the stream ended early')
    at += count
  }
  return bytes
}

/** Bytes that tell where in the stream they belong. */
export function pattern(length: number, from = 0): Buffer {
  const bytes = Buffer.alloc(length)
  for (let index = 0; index < length; index++)
    bytes[index] = ((from + index) * 31 + ((from + index) >> 8)) & 0xff
  return bytes
}

/** Uses up this process's descriptors but for some. @returns gives them back */
export function exhaustDescriptors(left: number): () => void {
  const limits = new BigUint64Array(new ArrayBuffer(128))
  assert.equal(syscall('prlimit64', 0, RLIMIT.NOFILE, 0, limits), 0)
  const few = limits.slice()
  few[0] = 512n
  assert.equal(syscall('prlimit64', 0, RLIMIT.NOFILE, few, 0), 0)
  const copies: number[] = []
  for (let copy = syscall('dup', 0); copy >= 0; copy = syscall('dup', 0)) copies.push(copy)
  for (const copy of copies.splice(0, left)) syscall('close', copy)
  return () => {
    for (const copy of copies) syscall('close', copy)
    syscall('prlimit64', 0, RLIMIT.NOFILE, limits, 0)
  }
}
