import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { LapAnswer, LapRequest } from './lap-report.js'

const PROGRAM = fileURLToPath(new URL('./row-worker.js', import.meta.url))
const MAX_ERROR_LINES = 3

/**
 * A process in which rows are run, so that what they cost is nobody else's: not the lab's, and where each row has its
 * own, no other row's threads, garbage and compiled code.
 */
export class RowProcess {
  readonly #child: ChildProcess
  readonly #answers: AsyncIterator<string>
  readonly #exited: Promise<unknown>
  #errors = ''

  /** @param fd the file, which the process inherits @param window bytes of it that are used */
  constructor(fd: number, window: number) {
    const child = spawn(process.execPath, [PROGRAM, String(window)], {
      stdio: ['pipe', 'pipe', 'pipe', fd],
    })
    this.#child = child
    this.#exited = new Promise(resolve => {
      child.once('close', resolve)
      child.once('error', error => {
        this.#errors += error.message
        resolve(undefined)
      })
    })
    // A process that dies closes its end, which the answer that does not come tells already.
    ;(child.stdin as Writable).on('error', () => {})
    ;(child.stderr as Readable).setEncoding('utf8').on('data', text => {
      this.#errors = (this.#errors + text).slice(-4096)
    })
    this.#answers = createInterface({ input: child.stdout as Readable })[Symbol.asyncIterator]()
  }

  /** Whether it can be asked for laps. */
  get isAlive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid !== undefined
  }

  /** Resolves when the process can begin, or has ended; the first lap tells which. */
  async ready(): Promise<void> {
    await this.#answers.next()
  }

  /**
   * Runs one lap, after `ready()`.
   *
   * @param timeoutMs after which the process is killed
   * @param signal kills it too
   * @returns the answer; a process that dies is a failure like any other
   */
  async lap(request: LapRequest, timeoutMs: number, signal: AbortSignal): Promise<LapAnswer> {
    let late = false
    const kill = () => this.#child.kill('SIGKILL')
    const timer = setTimeout(() => {
      late = true
      kill()
    }, timeoutMs)
    signal.addEventListener('abort', kill, { once: true })
    try {
      ;(this.#child.stdin as Writable).write(`${JSON.stringify(request)}\n`)
      const { value, done } = await this.#answers.next()
      if (!done) return JSON.parse(value)
      await this.#exited
      if (late) return { failed: `it did not end within ${Math.round(timeoutMs / 1000)} s` }
      return { failed: this.#lastWords() }
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', kill)
    }
  }

  #lastWords(): string {
    const { exitCode, signalCode } = this.#child
    const how =
      signalCode === null ? `its process ended with ${exitCode}` : `its process died of ${signalCode}`
    const lines = this.#errors.split('\n').filter(line => line.trim() !== '')
    return [how, ...lines.slice(0, MAX_ERROR_LINES)].join(': ')
  }

  /** Ends the process and waits until it has. */
  async close(): Promise<void> {
    if (this.isAlive) {
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), 1000)
      ;(this.#child.stdin as Writable).end()
      await this.#exited
      clearTimeout(timer)
    }
  }
}
