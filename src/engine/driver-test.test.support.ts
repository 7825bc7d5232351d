import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { AF, SOCK, syscall } from '../kernel/index.js'
import { type DriverName, Engine } from './index.js'
import type { EngineOptions } from './select-driver.js'

/** What a test of the engine works with; everything is undone afterwards. */
export class Kit {
  readonly driver: DriverName
  readonly #engines: Engine[] = []
  readonly #fds = new Set<number>()
  readonly #folders: string[] = []

  constructor(driver: DriverName) {
    this.driver = driver
  }

  /** An engine on the driver under test. */
  engine(options: EngineOptions = {}): Engine {
    const engine = new Engine({ ...options, driver: this.driver })
    this.#engines.push(engine)
    return engine
  }

  /** Closes a descriptor at the end. */
  owns(fd: number): number {
    assert.ok(fd >= 0, `no descriptor but ${fd}`)
    this.#fds.add(fd)
    return fd
  }

  /** Closes one now. */
  closes(fd: number): void {
    this.#fds.delete(fd)
    closeSync(fd)
  }

  /** The test has seen to it that it is closed. */
  disowns(fd: number): void {
    this.#fds.delete(fd)
  }

  /** A pipe: the reading and the writing end, blocking. */
  pipe(): [number, number] {
    const fds = new Int32Array(new ArrayBuffer(8))
    assert.equal(syscall('pipe2', fds, 0o2000000), 0)
    return [this.owns(fds[0]), this.owns(fds[1])]
  }

  /** Two connected Unix sockets, blocking. */
  socketPair(type: number = SOCK.STREAM): [number, number] {
    const fds = new Int32Array(new ArrayBuffer(8))
    assert.equal(syscall('socketpair', AF.UNIX, type | SOCK.CLOEXEC, 0, fds), 0)
    return [this.owns(fds[0]), this.owns(fds[1])]
  }

  /** A fresh folder. */
  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-engine-'))
    this.#folders.push(folder)
    return folder
  }

  /** A file with that in it, open for reading and writing. */
  file(content: string | Uint8Array = ''): number {
    const path = join(this.folder(), 'file')
    writeFileSync(path, content)
    return this.owns(openSync(path, 'r+'))
  }

  /** Closes the engines first: the kernel may still hold what the rest takes away. */
  async dispose(): Promise<void> {
    for (const engine of this.#engines) await engine.close()
    for (const fd of this.#fds) closeSync(fd)
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true })
  }
}

function refusal(): string | undefined {
  try {
    void new Engine({ driver: 'ring' }).close()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** The drivers that this run is about: both, or the one that `SLUICE_DRIVER` names. */
export const DRIVERS: readonly DriverName[] =
  process.env.SLUICE_DRIVER === 'ring' || process.env.SLUICE_DRIVER === 'epoll'
    ? [process.env.SLUICE_DRIVER]
    : ['ring', 'epoll']

const refused = DRIVERS.includes('ring') ? refusal() : undefined

/** A property that every driver has, or those named. One that cannot be had, or is not asked for, is skipped aloud. */
export function driverTest(
  name: string,
  body: (kit: Kit, skip: (reason: string) => void) => void | Promise<void>,
  drivers: readonly DriverName[] = DRIVERS,
): void {
  for (const driver of drivers) {
    const isAsked = DRIVERS.includes(driver)
    const skip = isAsked
      ? driver === 'ring' && refused !== undefined && refused
      : `this run is about ${DRIVERS.join(' and ')}`
    test(`${driver}: ${name}`, { skip }, async context => {
      const kit = new Kit(driver)
      try {
        await body(kit, reason => context.skip(reason))
      } finally {
        await kit.dispose()
      }
    })
  }
}

/** Bytes outside V8's heap. */
export function room(size: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(size))
}

/** A text as bytes outside V8's heap. */
export function bytesOf(text: string): Uint8Array {
  const bytes = room(Buffer.byteLength(text))
  bytes.set(Buffer.from(text))
  return bytes
}

/** The text in bytes. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}

/** Descriptors that this process has open. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

/** Turns of the event loop, until something is so; fails after many. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!condition()) {
    assert.ok(Date.now() < deadline, `in vain: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
}

/** Whether anything is mapped at an address. The kernel shows neighbours of a kind as one. */
export function isMapped(address: number): boolean {
  return readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .map(line => line.split(/[- ]/, 2).map(bound => Number.parseInt(bound, 16)))
    .some(([from, to]) => from <= address && address < to)
}

/** Makes a FIFO. */
export function makeFifo(path: string): void {
  execFileSync('mkfifo', [path])
}

/** How a program ended. */
export interface Ending {
  status: number | null
  signal: string | null
  stdout: string
  stderr: string
}

const MODULE = new URL('./index.js', import.meta.url).href
const KERNEL = new URL('../kernel/index.js', import.meta.url).href
const RING = new URL('../ring/index.js', import.meta.url).href

/** What every child program starts with: an engine's makings, a pipe, a buffer. */
const PRELUDE = `
  import { Engine } from ${JSON.stringify(MODULE)}
  import * as kernel from ${JSON.stringify(KERNEL)}
  import * as ring from ${JSON.stringify(RING)}
  import * as fs from 'node:fs'
  const driver = process.env.TEST_DRIVER
  const makePipe = () => {
    const fds = new Int32Array(new ArrayBuffer(8))
    kernel.syscall('pipe2', fds, 0)
    return [fds[0], fds[1]]
  }
  const room = size => new Uint8Array(new ArrayBuffer(size))
`

/** Runs a program in a Node of its own, on a driver. One that hangs is ended after a minute, by SIGKILL. */
export function runChild(driver: DriverName, program: string, flags: readonly string[] = []): Ending {
  const args = [...flags, '--input-type=module', '--eval', PRELUDE + program]
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { ...process.env, TEST_DRIVER: driver },
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  return { status, signal, stdout, stderr }
}

/** As `runChild()`, for one that must end well. @returns what it printed */
export function succeedChild(driver: DriverName, program: string, flags: readonly string[] = []): string {
  const { status, signal, stdout, stderr } = runChild(driver, program, flags)
  assert.deepEqual({ status, signal }, { status: 0, signal: null }, stderr)
  return stdout
}
