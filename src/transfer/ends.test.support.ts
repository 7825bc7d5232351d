import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before as beforeAll, beforeEach } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { engine } from '../engine/index.js'
import { AF, F, O, SHUT, SO, SOCK, SOL, syscall } from '../kernel/index.js'
import { blocksInUse } from './blocks.js'
import { pipePool, transfer } from './index.js'
import { sendZcBlocksInUse } from './mechanisms/send-zc.js'
import { watchedSinks } from './sink-watch.js'

/** What a descriptor of a test leads to. */
export type EndKind = 'file' | 'pipe' | 'tcp' | 'unix'

export const END_KINDS: readonly EndKind[] = ['file', 'pipe', 'tcp', 'unix']

const folder = mkdtempSync(join(tmpdir(), 'sluice-transfer-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** A path in a folder of this test file's, removed when its tests are over. */
export function scratchPath(name: string): string {
  return join(folder, name)
}

let numbered = 0

/** A file with these bytes. @returns its path */
export function scratchFile(bytes: Uint8Array): string {
  const path = scratchPath(`file-${numbered++}`)
  writeFileSync(path, bytes)
  return path
}

/** Bytes that nothing else could have made. */
export function someBytes(length: number): Buffer {
  return randomBytes(length)
}

function made(result: number): number {
  assert.ok(result >= 0, `the descriptor was refused with ${result}`)
  return result
}

/** Two connected TCP sockets, by way of the loopback device. They block. */
export function tcpPair(): [number, number] {
  const listener = made(syscall('socket', AF.INET, SOCK.STREAM | SOCK.CLOEXEC, 0))
  const address = new Uint8Array(new ArrayBuffer(16))
  address.set([AF.INET, 0, 0, 0, 127, 0, 0, 1])
  const length = new Uint32Array(new ArrayBuffer(64)).fill(16, 0, 1)
  made(syscall('bind', listener, address, 16))
  made(syscall('listen', listener, 1))
  made(syscall('getsockname', listener, address, length))
  const one = made(syscall('socket', AF.INET, SOCK.STREAM | SOCK.CLOEXEC, 0))
  made(syscall('connect', one, address, 16))
  const other = made(syscall('accept4', listener, 0, 0, SOCK.CLOEXEC))
  closeSync(listener)
  return [one, other]
}

function unixPair(): [number, number] {
  const fds = new Int32Array(new ArrayBuffer(64))
  made(syscall('socketpair', AF.UNIX, SOCK.STREAM | SOCK.CLOEXEC, 0, fds))
  return [fds[0] as number, fds[1] as number]
}

/** The two ends of a pipe: where bytes come out, where they go in. They block. */
export function pipePair(): [number, number] {
  const fds = new Int32Array(new ArrayBuffer(64))
  made(syscall('pipe2', fds, O.CLOEXEC))
  return [fds[0] as number, fds[1] as number]
}

/** Closes a TCP socket so that its peer sees a reset. */
export function resetAndClose(fd: number): void {
  // A linger of 0 seconds.
  const linger = new Int32Array(new ArrayBuffer(64)).fill(1, 0, 1)
  assert.equal(syscall('setsockopt', fd, SOL.SOCKET, SO.LINGER, linger, 8), 0)
  closeSync(fd)
}

/** Two connected sockets of Node's; nobody reads from the second yet. */
export async function nodePair(): Promise<[Socket, Socket]> {
  const server = createServer({ pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const one = createConnection((server.address() as AddressInfo).port, '127.0.0.1')
  const [other] = (await accepted) as [Socket]
  server.close()
  if (one.connecting) await once(one, 'connect')
  return [one, other]
}

/** Writes all of it by way of the engine. */
export async function pump(fd: number, bytes: Uint8Array, chunk = 65536): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(chunk, bytes.length - done)
    done += (await engine().write(fd, bytes, done, length, -1)) as number
  }
}

/** Reads until so many bytes have come, or the end. */
export async function collect(fd: number, most = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = []
  let total = 0
  while (total < most) {
    const chunk = Buffer.from(new ArrayBuffer(Math.min(65536, most - total)))
    const read = (await engine().read(fd, chunk, 0, chunk.length, -1)) as number
    if (read === 0) break
    chunks.push(chunk.subarray(0, read))
    total += read
  }
  return Buffer.concat(chunks)
}

/** A source of a test: what a transfer is given, and what feeds it. */
export interface SourceEnd {
  fd: number
  /** Settles when all bytes have been handed to the source. It never rejects: who takes them may go away. */
  fed: Promise<void>
  close(): Promise<void>
}

/** A descriptor that gives these bytes, then ends. */
export function openSourceEnd(kind: EndKind, bytes: Uint8Array): SourceEnd {
  if (kind === 'file') {
    const fd = openSync(scratchFile(bytes), 'r')
    return { fd, fed: Promise.resolve(), close: async () => closeSync(fd) }
  }
  const [fd, feeder] = kind === 'pipe' ? pipePair() : kind === 'tcp' ? tcpPair() : unixPair()
  const fed = pump(feeder, bytes, 1 + Math.floor(Math.random() * 100_000))
    .catch(() => {})
    .then(() => {
      // The peer's end shows only when nobody holds the descriptor any more.
      if (kind !== 'pipe') syscall('shutdown', feeder, SHUT.WR)
      closeSync(feeder)
    })
  return {
    fd,
    fed,
    close: async () => {
      closeSync(fd)
      await fed
    },
  }
}

/** A sink of a test: what a transfer is given, and what came of it. */
export interface SinkEnd {
  fd: number
  /** Reads some of what has reached a slow one. */
  read(bytes: number): Promise<Buffer>
  /** Has a slow one be slow no more. */
  resume(): void
  /** Makes the peer go away at once; then nothing is to be finished but the descriptor. */
  reset(): void
  /** Ends the sink. @returns all that reached it, but for what was read already */
  finish(): Promise<Buffer>
}

/** A descriptor that takes bytes, and somebody who reads them. @param slow nobody reads before `resume()` or `finish()` */
export function openSinkEnd(kind: EndKind, slow = false): SinkEnd {
  if (kind === 'file') {
    const path = scratchFile(new Uint8Array(0))
    const fd = openSync(path, 'r+')
    return {
      fd,
      read: async bytes => readFileSync(path).subarray(0, bytes),
      resume: () => {},
      reset: () => assert.fail('a file has no peer'),
      finish: async () => {
        closeSync(fd)
        return readFileSync(path)
      },
    }
  }
  const [reader, fd] = kind === 'pipe' ? pipePair() : kind === 'tcp' ? tcpPair() : unixPair()
  let collected: Promise<Buffer> | undefined
  const resume = () => {
    collected ??= collect(reader)
  }
  if (!slow) resume()
  return {
    fd,
    read: bytes => collect(reader, bytes),
    resume,
    reset: () => {
      if (kind === 'tcp') resetAndClose(reader)
      else closeSync(reader)
    },
    finish: async () => {
      if (kind !== 'pipe') syscall('shutdown', fd, SHUT.WR)
      closeSync(fd)
      resume()
      const bytes = await (collected as Promise<Buffer>)
      closeSync(reader)
      return bytes
    },
  }
}

/** Whether calls on a descriptor wait. */
export function isBlocking(fd: number): boolean {
  return (syscall('fcntl', fd, F.GETFL) & O.NONBLOCK) === 0
}

/** Sets whether calls on a descriptor wait. */
export function setBlocking(fd: number, blocking: boolean): void {
  const flags = syscall('fcntl', fd, F.GETFL)
  syscall('fcntl', fd, F.SETFL, blocking ? flags & ~O.NONBLOCK : flags | O.NONBLOCK)
}

/** Descriptors that are open, once what is kept for later has been closed. */
export function openDescriptors(): number {
  pipePool().trim()
  return readdirSync('/proc/self/fd').length
}

/** What nothing may be left of when a test is over. */
function leftOvers() {
  const { open, idle, waiting } = pipePool().stats()
  const { handles, inFlight } = engine().stats()
  return {
    descriptors: openDescriptors(),
    pipes: open - idle,
    waiting,
    handles,
    inFlight,
    blocks: blocksInUse() + sendZcBlocksInUse(),
    sinks: watchedSinks(),
  }
}

/** Has everything made that is made at first use and kept. */
async function warmUp(): Promise<void> {
  for (const via of ['copy_file_range', 'splice', 'read+write'] as const) {
    const [source, sink] = [openSourceEnd('file', someBytes(100)), openSinkEnd('file')]
    await transfer(source.fd, sink.fd, { via })
    await source.close()
    await sink.finish()
  }
  await readDirectly(scratchFile(someBytes(4096)))
}

/** Past the page cache, where that can be: without a ring the kernel's AIO is set up for it. */
async function readDirectly(path: string): Promise<void> {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT)
  } catch {
    return
  }
  const sink = openSinkEnd('file')
  await transfer(fd, sink.fd, { via: 'read+write' })
  closeSync(fd)
  await sink.finish()
}

/**
 * Has every test of a file end with as many descriptors, and as few pipes of the pool, operations, memory that one of them
 * holds, blocks of memory, and sinks looked after as it began with. To be called once, at its top.
 */
export function countAfterEach(): void {
  let before: ReturnType<typeof leftOvers>
  beforeAll(warmUp)
  beforeEach(() => {
    before = leftOvers()
  })
  afterEach(async () => {
    // What is being closed takes a few turns of the event loop.
    for (let turns = 0; turns < 200 && !isDeepStrictEqual(leftOvers(), before); turns++) {
      await setTimeout(turns < 100 ? 0 : 5)
    }
    assert.deepEqual(leftOvers(), before)
  })
}
