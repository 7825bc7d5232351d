import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs'
import { withLock } from '#scripts/lock.js'

const PATH = '/proc/sys/kernel/task_delayacct'
/** delayacct_blkio_ticks, counted behind the name. @see proc_pid_stat(5) */
const FIELD = 42 - 3

/** Why the kernel cannot be had to count what threads wait for; false where it can. */
export function cannotAccount(): string | false {
  try {
    accessSync(PATH, constants.W_OK)
    return false
  } catch (error) {
    return `kernel.task_delayacct cannot be set: ${(error as Error).message}`
  }
}

/**
 * Does the work while the kernel counts how long the threads that begin meanwhile wait for block devices. It is a switch of
 * the whole machine: the test stands in a file named `*.alone.test.ts`.
 *
 * The old value comes back also when this process is killed: a shell that outlives us waits for our end.
 */
export async function withDelayAccounting<T>(work: () => Promise<T>): Promise<T> {
  return withLock('kernel.task_delayacct', async () => {
    const before = readFileSync(PATH, 'latin1').trim()
    const program = `trap '' INT TERM; echo ready; cat >/dev/null; echo ${before} > ${PATH}`
    const guard = spawn('/bin/sh', ['-c', program], { detached: true, stdio: ['pipe', 'pipe', 'inherit'] })
    await once(guard.stdout, 'data')
    try {
      writeFileSync(PATH, '1')
      return await work()
    } finally {
      const ended = once(guard, 'exit')
      guard.stdin.end()
      await ended
    }
  })
}

/** Ticks of the clock that a process's main thread has waited for block devices. */
export function waitedTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'latin1')
  return Number(stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[FIELD])
}
