import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { AF, IORING_OP, type IoUringOperation, SOCK, syscall } from '../kernel/index.js'
import { Ring, type SubmissionQueue } from './index.js'

/** What the ring said of an operation. */
export interface Completion {
  readonly userData: number
  readonly result: number
  readonly flags: number
}

/** Long enough for any operation here; a test fails rather than hangs. */
const LIMIT_MS = 5000

/** What an operation test works with; everything is undone afterwards. */
export class Workbench {
  readonly ring = new Ring({ entries: 32, mode: 'dedicated' })
  readonly #fds = new Set<number>()
  readonly #undo: (() => void)[] = []
  #pending: Completion[] = []

  /** Runs one operation to its completion. */
  run(prepare: (queue: SubmissionQueue) => boolean): Completion {
    const [completion] = this.runAll([prepare])
    assert.ok(completion !== undefined)
    return completion
  }

  /** Runs operations together, in one submission, and gives their completions in the order they came. */
  runAll(prepares: readonly ((queue: SubmissionQueue) => boolean)[]): Completion[] {
    this.start(...prepares)
    return this.wait(prepares.length)
  }

  /** Submits operations without waiting for them. */
  start(...prepares: readonly ((queue: SubmissionQueue) => boolean)[]): void {
    for (const prepare of prepares) assert.equal(prepare(this.ring.submissions), true, 'the queue is full')
    this.ring.submit()
  }

  /** Waits for so many completions. */
  wait(count: number): Completion[] {
    const deadline = Date.now() + LIMIT_MS
    while (true) {
      this.ring.reap((userData, result, flags) => this.#pending.push({ userData, result, flags }))
      if (this.#pending.length >= count) break
      assert.ok(Date.now() < deadline, `only ${this.#pending.length} of ${count} completions came`)
      this.ring.submit(1, LIMIT_MS)
    }
    const completions = this.#pending.slice(0, count)
    this.#pending = this.#pending.slice(count)
    return completions
  }

  /** As `run()`, for an operation that must succeed. @returns its result */
  succeed(prepare: (queue: SubmissionQueue) => boolean): number {
    const { result } = this.run(prepare)
    assert.ok(result >= 0, `the operation failed with ${result}`)
    return result
  }

  /** Closes a descriptor at the end. */
  owns(fd: number): number {
    assert.ok(fd >= 0, `no descriptor but ${fd}`)
    this.#fds.add(fd)
    return fd
  }

  /** The test has closed it itself. */
  disowns(fd: number): void {
    this.#fds.delete(fd)
  }

  /** A fresh directory that goes at the end. */
  directory(): string {
    const path = mkdtempSync(join(tmpdir(), 'sluice-operations-'))
    this.#undo.push(() => rmSync(path, { recursive: true }))
    return path
  }

  /** Two connected Unix sockets. */
  socketPair(type: number = SOCK.STREAM): [number, number] {
    const fds = new Int32Array(new ArrayBuffer(8))
    assert.equal(syscall('socketpair', AF.UNIX, type | SOCK.CLOEXEC, 0, fds), 0)
    return [this.owns(fds[0] as number), this.owns(fds[1] as number)]
  }

  /** A pipe: the reading and the writing end. */
  pipe(): [number, number] {
    const fds = new Int32Array(new ArrayBuffer(8))
    assert.equal(syscall('pipe2', fds, 0), 0)
    return [this.owns(fds[0] as number), this.owns(fds[1] as number)]
  }

  /** Ends the ring first: the kernel may still hold what the rest takes away. */
  dispose(): void {
    this.ring.close()
    for (const fd of this.#fds) closeSync(fd)
    for (const undo of this.#undo) undo()
  }
}

const offered = (() => {
  const ring = new Ring({ entries: 2 })
  const names = Object.entries(IORING_OP).filter(([, operation]) => ring.supports(operation))
  ring.close()
  return new Set(names.map(([name]) => name))
})()

/** A test of an operation, skipped aloud where the kernel lacks one that it needs. */
export function operationTest(
  name: string,
  operations: readonly IoUringOperation[],
  body: (bench: Workbench, skip: (reason: string) => void) => void | Promise<void>,
): void {
  const lacking = operations.filter(operation => !offered.has(operation))
  const skip = lacking.length > 0 && `this kernel lacks ${lacking.join(', ')}`
  test(`${operations.join(', ')}: ${name}`, { skip }, async context => {
    const bench = new Workbench()
    try {
      await body(bench, reason => context.skip(reason))
    } finally {
      bench.dispose()
    }
  })
}

/** The kernel may read and write here until the process ends: a test may leave its operations in flight, and a ring holds nothing. */
const rooms: Uint8Array[] = []

/** Zeroed bytes outside V8's heap, never collected. */
export function room(size: number): Uint8Array {
  const bytes = new Uint8Array(new ArrayBuffer(size))
  rooms.push(bytes)
  return bytes
}

/** The same, with a text in them. */
export function bytesOf(text: string): Uint8Array {
  const source = Buffer.from(text)
  const bytes = room(source.length)
  bytes.set(source)
  return bytes
}

/** The text in bytes. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}
