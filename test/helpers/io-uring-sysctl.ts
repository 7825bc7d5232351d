import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cannotSet, withSetting } from './kernel-setting.js'

const PATH = '/proc/sys/kernel/io_uring_disabled'

/** Why the switch cannot be turned here; false where it can. */
export function cannotTurnSwitch(): string | false {
  return cannotSet(PATH)
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
    return await withSetting(PATH, value, async () => {
      const answer = once(child, 'message')
      child.send('go')
      const [result] = await answer
      return result as T
    })
  } finally {
    child.kill('SIGKILL')
  }
}
