import assert from 'node:assert/strict'
import { syscall } from '../kernel/index.js'
import type { SubmissionQueue } from '../ring/index.js'
import type { Driver } from './driver.js'
import { EpollDriver } from './epoll-driver.js'
import type { DriverName } from './index.js'
import { RingDriver } from './ring-driver.js'

/** What a driver said of an operation: user data, result, flags. */
export type Said = [userData: number, result: number, flags: number]

/** Prepares an entry. */
export type Step = (queue: SubmissionQueue) => unknown

const LIMIT_MS = 10_000

/** Completions that may come in any order. */
export function byUserData(said: readonly Said[]): Said[] {
  return said.toSorted((a, b) => a[0] - b[0])
}

/** A driver alone, without an engine: for tests of what it says, and in which order. */
export class DriverBench {
  readonly driver: Driver
  readonly #said: Said[] = []
  readonly #poll = new Int32Array(new ArrayBuffer(8))

  constructor(name: DriverName, entries = 64) {
    this.driver = name === 'ring' ? new RingDriver(entries) : new EpollDriver({ entries, threads: 4 })
    this.#poll[0] = this.driver.fd
    this.#poll[1] = 1
  }

  /** Hands over entries together. */
  submit(...steps: Step[]): void {
    for (const step of steps) assert.notEqual(step(this.driver.submissions), false, 'the queue is full')
    this.driver.submit()
  }

  /** Waits for so many completions, and gives them in the order they came. */
  wait(count: number): Said[] {
    const deadline = Date.now() + LIMIT_MS
    for (;;) {
      this.driver.reap((userData, result, flags) => this.#said.push([userData, result, flags]))
      if (this.#said.length >= count) return this.#said.splice(0, count)
      assert.ok(Date.now() < deadline, `only ${JSON.stringify(this.#said)} of ${count}`)
      const timespec = new BigInt64Array([0n, 5_000_000n])
      syscall('ppoll', this.#poll, 1, timespec, 0, 0)
    }
  }

  /** Hands over entries and waits for a completion of each. */
  run(...steps: Step[]): Said[] {
    this.submit(...steps)
    return this.wait(steps.length)
  }

  /** As `run()`, ordered by user data: for what may complete in any order. */
  sorted(...steps: Step[]): Said[] {
    return byUserData(this.run(...steps))
  }
}
