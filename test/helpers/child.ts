import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'

const HELPER = new URL('./refuse-io-uring.js', import.meta.url).href

const PRELUDE = ['kernel', 'ring', 'engine']
  .map(
    folder => `import * as ${folder} from ${JSON.stringify(import.meta.resolve(`#dist/${folder}/index.js`))}`,
  )
  .concat(
    `import { refuseIoUring } from ${JSON.stringify(HELPER)}`,
    `import { readdirSync } from 'node:fs'`,
    `const descriptors = () => readdirSync('/proc/self/fd').length`,
  )
  .join('\n')

/**
 * Runs a program in a Node of its own, which may spoil itself: `kernel`, `ring`, `engine`, `refuseIoUring()` and
 * `descriptors()` are there. One that hangs is ended after a minute.
 *
 * @param by a command that runs another one, whose words follow its own
 * @returns what it printed; fails where it does not end well
 */
export function runChild(program: string, flags: readonly string[] = [], by: readonly string[] = []): string {
  // The driver is to be chosen by what the program does, not by the pass of the suite that this is.
  const { SLUICE_DRIVER, ...env } = process.env
  const node = [process.execPath, ...flags, '--input-type=module', '--eval', `${PRELUDE}\n${program}`]
  const [command, ...args] = [...by, ...node]
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env,
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  assert.deepEqual({ status, signal }, { status: 0, signal: null }, stderr)
  return stdout
}
