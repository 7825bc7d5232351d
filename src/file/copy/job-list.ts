import { offloadJobs } from '../../engine/index.js'
import { JOB_WORDS, jobResult, SYSCALL, type SyscallName, systemError, writeJob } from '../../kernel/index.js'

/** Each half of the number of no system call, which fails with ENOSYS. */
const NOTHING = -2

/**
 * System calls that another thread carries out one after the other, in one crossing. Its memory is used over and over.
 *
 * A descriptor that one opens is an argument of the next as `resultOf(index)`.
 */
export class JobList {
  #words = new Int32Array(new ArrayBuffer(64 * JOB_WORDS * 4))
  #count = 0
  #held: unknown[] = []

  /** Calls added since `clear()`. */
  get count(): number {
    return this.#count
  }

  /** Begins anew. */
  clear(): void {
    this.#count = 0
    this.#held.length = 0
  }

  /** Keeps memory alive that a call points to. */
  hold(memory: unknown): void {
    this.#held.push(memory)
  }

  /** Adds a call. @returns its index, for `result()` and `resultOf()` */
  add(name: SyscallName, a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0): number {
    const index = this.#count++
    const at = index * JOB_WORDS
    if (at === this.#words.length) {
      const words = new Int32Array(new ArrayBuffer(this.#words.byteLength * 2))
      words.set(this.#words)
      this.#words = words
    }
    writeJob(this.#words, at, SYSCALL[name], 0, a0, a1, a2, a3, a4, a5)
    return index
  }

  /** Carries them out. */
  async run(): Promise<void> {
    if (this.#count === 0) return
    const held = this.#held
    await offloadJobs(this.#words, this.#count)
    if (held !== this.#held) throw new Error('A list of jobs was changed while it ran')
  }

  /** Leaves out what has not begun. What came of the rest is lost. */
  abandon(): void {
    for (let index = 0; index < this.#count; index++)
      this.#words.fill(NOTHING, index * JOB_WORDS, index * JOB_WORDS + 2)
  }

  /** What came of a call: what the kernel returned, or -errno. */
  result(index: number): number {
    return jobResult(this.#words, index * JOB_WORDS)
  }
}

type CallArguments = [a0?: number, a1?: number, a2?: number, a3?: number, a4?: number, a5?: number]

/** What Node's errors call a system call that has another name. */
const NODE_NAMES: Partial<Record<SyscallName, string>> = {
  openat: 'open',
  renameat: 'rename',
  renameat2: 'rename',
  unlinkat: 'unlink',
  mkdirat: 'mkdir',
  mknodat: 'mknod',
  symlinkat: 'symlink',
  readlinkat: 'readlink',
  fchownat: 'chown',
  fchmodat: 'chmod',
  utimensat: 'utime',
  pwrite64: 'write',
  pread64: 'read',
  getdents64: 'scandir',
}

/** Carries out a single call on another thread. @returns what the kernel returned, or -errno */
export async function call(name: SyscallName, held: unknown, ...args: CallArguments): Promise<number> {
  const jobs = new JobList()
  jobs.hold(held)
  jobs.add(name, ...args)
  await jobs.run()
  return jobs.result(0)
}

/** As `call()`. @throws the system error, named as Node names the call */
export async function must(name: SyscallName, held: unknown, ...args: CallArguments): Promise<number> {
  const result = await call(name, held, ...args)
  if (result < 0) throw systemError(result, NODE_NAMES[name] ?? name)
  return result
}
