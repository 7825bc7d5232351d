import { spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'

/** The checkout's root folder, without a slash at its end. */
export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '')

/** How long a program's output may stay open after its end: a daemon it left may hold it. */
const OUTPUT_GRACE_MS = 2_000

/** Process groups that run now, by their leader. */
const groups = new Set()

/**
 * Runs a program to its end. It leads a process group of its own, so that whatever it started ends with it,
 * whether it exits, runs out of time or we are interrupted.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {object} [options] those of `child_process.spawn`, and:
 * @param {number} [options.timeout_ms] after which the whole group is killed
 * @param {boolean} [options.capture] collect what it prints instead of passing it on
 * @returns {Promise<{ code: number, output: string, timedOut: boolean }>} `code` is 128 + signal where a
 *   signal ended it, as a shell has it
 */
export function run(command, args, { timeout_ms, capture = false, ...options } = {}) {
  endGroupsWithUs()
  const output = capture ? 'pipe' : 'inherit'
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', output, output],
    ...options,
    detached: true,
  })
  const result = { code: 0, output: '', timedOut: false }
  const streams = [child.stdout, child.stderr].filter(stream => stream !== null)
  for (const stream of streams) {
    stream.setEncoding('utf8').on('data', text => {
      result.output += text
    })
  }
  const outOfTime = () => {
    result.timedOut = true
    killGroup(child.pid, 'SIGKILL')
  }
  const timer = timeout_ms === undefined ? undefined : setTimeout(outOfTime, timeout_ms)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('spawn', () => groups.add(child.pid))
    child.once('exit', () => {
      groups.delete(child.pid)
      killGroup(child.pid, 'SIGKILL')
      const closeOutput = () => streams.map(stream => stream.destroy())
      const grace = setTimeout(closeOutput, OUTPUT_GRACE_MS)
      child.once('close', () => clearTimeout(grace))
    })
    child.once('close', (code, signal) => {
      result.code = code ?? 128 + constants.signals[signal]
      resolve(result)
    })
  }).finally(() => clearTimeout(timer))
}

function killGroup(leader, signal) {
  try {
    process.kill(-leader, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** A group of its own does not hear the terminal's Ctrl-C: it is ended by us. */
function endGroupsWithUs() {
  if (process.listeners('SIGINT').includes(interrupted)) return
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted)
}

function interrupted(signal) {
  for (const leader of groups) killGroup(leader, 'SIGKILL')
  process.exit(128 + constants.signals[signal])
}

/**
 * Prints why a script cannot go on and ends it with exit code 1. For what the user can mend: no stack.
 *
 * @param {string} message
 * @returns {never}
 */
export function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

/**
 * Whether the module is the program that was started, not an import of another.
 *
 * @param {string} url the module's `import.meta.url`
 */
export function isMain(url) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url)
}
