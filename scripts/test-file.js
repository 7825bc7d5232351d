import { readFileSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { run } from './run.js'

/** A file's tests together; what hangs is ended after it. */
const FILE_TIMEOUT_MS = 180_000
/** Of what a file printed: enough for a sanitizer's report and a stack or two. */
const OUTPUT_KEPT = 16_384

/**
 * @typedef {object} TestResult
 * @property {string} name
 * @property {number} nesting depth below the file
 * @property {boolean} suite
 * @property {'pass' | 'fail' | 'cancelled' | 'skipped' | 'todo'} outcome
 * @property {number} duration_ms
 * @property {string | true} [reason] of a skip
 * @property {string} [error]
 */

/**
 * @typedef {object} FileResult
 * @property {string} file
 * @property {TestResult[]} tests
 * @property {string} [problem] why the file as a whole failed: it crashed, hung, exited early or tested nothing
 * @property {string} output what it printed, the end of it
 * @property {number} duration_ms
 */

/**
 * Runs one compiled test file in a process of its own.
 *
 * Node's `--test` would do this too, but takes an early `process.exit(0)` for success, and from Node 22 on waits
 * for ever for a file that keeps its event loop alive.
 *
 * @param {string} file relative to the pass's root
 * @param {import('./test-passes.js').Pass} pass
 * @param {number} [timeout_ms]
 * @returns {Promise<FileResult>}
 */
export async function runTestFile(file, pass, timeout_ms = FILE_TIMEOUT_MS) {
  const events = join(pass.temporary, `${file.replaceAll('/', '+')}.events`)
  const reporter = [`--test-reporter=${join(pass.root, 'scripts/test-reporter.js')}`]
  const args = [...reporter, `--test-reporter-destination=${events}`, join(pass.root, file)]
  const started = performance.now()
  const { code, output, timedOut } = await run(pass.node, args, {
    cwd: pass.root,
    env: pass.env,
    uid: pass.uid,
    gid: pass.gid,
    capture: true,
    timeout_ms,
  })
  const seen = readEvents(events)
  const tests = seen.filter(event => event.kind === 'done')
  return {
    file,
    tests,
    problem: problemOf({ code, timedOut, timeout_ms, seen, tests }),
    output: output.slice(-OUTPUT_KEPT),
    duration_ms: performance.now() - started,
  }
}

function readEvents(path) {
  let text
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return [] // It did not come as far as its first test.
    throw error
  }
  rmSync(path)
  // What ends without a newline was cut off by a crash.
  const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n')
  return lines.filter(line => line !== '').map(line => JSON.parse(line))
}

function problemOf({ code, timedOut, timeout_ms, seen, tests }) {
  const last = seen.findLast(event => event.kind === 'start')
  const running = last ? `, after it had started "${last.name}"` : ', and is not known to have started any'
  if (timedOut) return `did not end within ${timeout_ms / 1000} s${running}`
  if (code > 128) return `was ended by ${signalName(code - 128)}${running}`
  if (!seen.some(event => event.kind === 'end'))
    return `exited with ${code} before its tests had ended${running}`
  if (tests.length === 0) return 'ran no test'
  const mute = tests.find(test => test.outcome === 'skipped' && typeof test.reason !== 'string')
  if (mute !== undefined) return `skips "${mute.name}" without saying why`
  if (code !== 0 && !tests.some(test => test.outcome === 'fail' || test.outcome === 'cancelled')) {
    return `exited with ${code} though its tests passed`
  }
  return undefined
}

function signalName(number) {
  return Object.keys(constants.signals).find(name => constants.signals[name] === number) ?? `signal ${number}`
}
