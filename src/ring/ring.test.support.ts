import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { AF, errnoOf, O, SOCK, syscall } from '../kernel/index.js'
import { Ring, type RingMode, type RingOptions } from './index.js'
import type { Completion } from './operation.test.support.js'

/** Every way that completions can come. */
export const MODES: readonly RingMode[] = ['hosted', 'dedicated', 'sqpoll']

/** Long enough for anything here; a test fails rather than hangs. */
const LIMIT_MS = 10_000

/** Why no ring can be made here, or false. */
const refused = (() => {
  try {
    new Ring({ entries: 1 }).close()
    return false
  } catch (error) {
    return `io_uring is refused: ${(error as Error).message}`
  }
})()

/** What a test works with; all of it is undone afterwards, the rings first. */
export class Stage {
  readonly #context: TestContext
  readonly #rings: Ring[] = []
  readonly #undo: (() => void)[] = []
  readonly #fds = new Set<number>()

  constructor(context: TestContext) {
    this.#context = context
  }

  /** Says why the test cannot go on here. */
  skip(reason: string): void {
    this.#context.skip(reason)
  }

  /** Does something at the end, in reverse order. */
  atEnd(undo: () => void): void {
    this.#undo.push(undo)
  }

  /** A ring that is closed at the end. */
  ring(options: RingOptions = {}): Ring {
    const ring = new Ring({ entries: 8, ...options })
    this.#rings.push(ring)
    return ring
  }

  /** Closes a descriptor at the end. */
  owns(fd: number): number {
    assert.ok(fd >= 0, `no descriptor but ${fd}`)
    this.#fds.add(fd)
    return fd
  }

  /** The test closes it itself. */
  disowns(fd: number): void {
    this.#fds.delete(fd)
  }

  /** Opens a file until the end. @param flags of `O` */
  openFile(path: string, flags: number): number {
    return this.owns(openSync(path, flags))
  }

  /** A pipe: the reading and the writing end. */
  pipe(): [number, number] {
    const fds = new Int32Array(new ArrayBuffer(8))
    assert.equal(syscall('pipe2', fds, O.CLOEXEC), 0)
    return [this.owns(fds[0]), this.owns(fds[1])]
  }

  /** Two connected Unix sockets. */
  socketPair(): [number, number] {
    const fds = new Int32Array(new ArrayBuffer(8))
    assert.equal(syscall('socketpair', AF.UNIX, SOCK.STREAM | SOCK.CLOEXEC, 0, fds), 0)
    return [this.owns(fds[0]), this.owns(fds[1])]
  }

  /** A fresh directory. */
  directory(): string {
    const path = mkdtempSync(join(tmpdir(), 'sluice-ring-'))
    this.#undo.push(() => rmSync(path, { recursive: true }))
    return path
  }

  /** A file with some content. @param flags of `O`; reading by default */
  file(content: string | Uint8Array, flags: number = O.RDONLY): number {
    const path = join(this.directory(), 'file')
    writeFileSync(path, content)
    return this.openFile(path, flags)
  }

  dispose(): void {
    for (const ring of this.#rings) ring.close()
    for (const fd of this.#fds) closeSync(fd)
    for (const undo of this.#undo.reverse()) undo()
  }
}

/** A test of rings, skipped aloud where there are none. */
export function ringTest(name: string, body: (stage: Stage) => void | Promise<void>): void {
  test(name, { skip: refused, timeout: 6 * LIMIT_MS }, async context => {
    const stage = new Stage(context)
    try {
      await body(stage)
    } finally {
      stage.dispose()
    }
  })
}

/** Everything that can be reaped now. */
export function reapAll(ring: Ring): Completion[] {
  const seen: Completion[] = []
  ring.reap((userData, result, flags) => seen.push({ userData, result, flags }))
  return seen
}

/** Submits, and waits for so many completions. */
export function completions(ring: Ring, count: number): Completion[] {
  const deadline = Date.now() + LIMIT_MS
  const seen: Completion[] = []
  for (;;) {
    ring.submit(seen.length < count ? 1 : 0, 100)
    seen.push(...reapAll(ring))
    if (seen.length >= count) return seen
    assert.ok(Date.now() < deadline, `only ${seen.length} of ${count} completions came`)
  }
}

/** Submits what is prepared, and gives the one completion. */
export function completion(ring: Ring): Completion {
  const seen = completions(ring, 1)
  assert.equal(seen.length, 1)
  return seen[0] as Completion
}

/** Results by user data. */
export function byUserData(seen: readonly Completion[]): Record<number, number> {
  return Object.fromEntries(seen.map(({ userData, result }) => [userData, result]))
}

/** A negative error number: what a result is that failed so. */
export function failure(name: string): number {
  return -errnoOf(name)
}

/** Whether an action throws an error of that code; other errors pass through. */
export function fails(code: string, action: () => void): boolean {
  try {
    action()
    return false
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === code) return true
    throw error
  }
}

/** How a child process ended. */
export interface ChildEnd {
  code: number | null
  signal: NodeJS.Signals | null
  output: string
}

/**
 * Runs a module as a process of its own. It finds this folder's face, and node:fs, as `ring` and `fs`.
 *
 * @param source statements, with `await` if they like
 * @param flags of Node's
 */
export async function runModule(source: string, flags: readonly string[] = []): Promise<ChildEnd> {
  const imports = [
    `import * as ring from '${new URL('./index.js', import.meta.url).href}'`,
    `import * as kernel from '${new URL('../kernel/index.js', import.meta.url).href}'`,
    "import * as fs from 'node:fs'",
  ]
  const module = [...imports, source].join('\n')
  const child = spawn(process.execPath, [...flags, '--input-type=module', '--eval', module], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS * 3,
    killSignal: 'SIGKILL',
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', text => {
      output += text
    })
  }
  const [code, signal] = await once(child, 'close')
  return { code, signal, output }
}
