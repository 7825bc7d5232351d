import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs'
import { withLock } from '#scripts/lock.js'

const PATH = '/proc/sys/kernel/io_uring_disabled'

/** Why the switch cannot be turned here; false where it can. */
export function cannotTurnSwitch(): string | false {
  try {
    accessSync(PATH, constants.W_OK)
    return false
  } catch (error) {
    return `kernel.io_uring_disabled cannot be set: ${(error as Error).message}`
  }
}

/**
 * Does the work while `kernel.io_uring_disabled` has a value. It is the whole machine's: keep the work short, and
 * the test in a file named `*.alone.test.ts`.
 *
 * The old value comes back also when this process is killed: a shell that outlives us waits for our end.
 */
async function withIoUringDisabled<T>(value: 1 | 2, work: () => Promise<T>): Promise<T> {
  return withLock('kernel.io_uring_disabled', async () => {
    const before = readFileSync(PATH, 'latin1').trim()
    const program = `trap '' INT TERM; echo ready; cat >/dev/null; echo ${before} > ${PATH}`
    const guard = spawn('/bin/sh', ['-c', program], { detached: true, stdio: ['pipe', 'pipe', 'inherit'] })
    await once(guard.stdout, 'data')
    try {
      writeFileSync(PATH, `${value}`)
      return await work()
    } finally {
      writeFileSync(PATH, before)
      const ended = once(guard, 'exit')
      guard.stdin.end()
      await ended
    }
  })
}

/**
 * Has a program answer a message while the switch has a value. It is started, and says so, before the switch is turned: the
 * machine is without rings only briefly.
 *
 * @param user whom the program becomes before it answers
 */
export async function askWithIoUringDisabled<T>(
  value: 1 | 2,
  program: string,
  user: 'root' | 'ordinary',
  extra: NodeJS.ProcessEnv = {},
): Promise<T> {
  // The folder for temporary files may be ours alone, and that user has to reach its own.
  const { SLUICE_DRIVER, TMPDIR, ...inherited } = process.env
  const env = { ...inherited, ...extra }
  const child = fork(program, [user], { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  try {
    await once(child, 'message')
    return await withIoUringDisabled(value, async () => {
      const answer = once(child, 'message')
      child.send('go')
      const [result] = await answer
      return result as T
    })
  } finally {
    child.kill('SIGKILL')
  }
}
