import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs'
import { withLock } from '#scripts/lock.js'

/** Why a setting of the kernel's cannot be changed here; false where it can. @param path below /proc/sys or /sys */
export function cannotSet(path: string): string | false {
  try {
    accessSync(path, constants.W_OK)
    return false
  } catch (error) {
    return `a setting of the kernel cannot be changed: ${(error as Error).message}`
  }
}

/**
 * Does the work while a setting of the kernel's has a value. It is the whole machine's: keep the work short, and the
 * test in a file named `*.alone.test.ts`.
 *
 * The old value comes back also when this process is killed: a shell that outlives us waits for our end.
 */
export async function withSetting<T>(path: string, value: number, work: () => Promise<T>): Promise<T> {
  return withLock(path.replaceAll('/', '.').slice(1), async () => {
    const before = readFileSync(path, 'latin1').trim()
    const program = `trap '' INT TERM; echo ready; cat >/dev/null; echo ${before} > ${path}`
    const guard = spawn('/bin/sh', ['-c', program], { detached: true, stdio: ['pipe', 'pipe', 'inherit'] })
    await once(guard.stdout, 'data')
    try {
      writeFileSync(path, `${value}`)
      return await work()
    } finally {
      writeFileSync(path, before)
      const ended = once(guard, 'exit')
      guard.stdin.end()
      await ended
    }
  })
}
