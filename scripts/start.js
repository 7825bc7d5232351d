/**
 * `npm start`: sets up, builds, measures this machine with `sluice lab`, and serves the result as a page with `sluice
 * serve` until it is stopped. Arguments go to the lab; `--no-serve` ends with the lab.
 */
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from './build.js'
import { fail, isMain, root } from './run.js'

const program = join(root, 'dist/cli/main.js')
/** Where the page is served unless somebody else is there. */
const USUAL_PORT = 8080
const CTRL_C_GRACE_MS = 2000
/** Where the server shows its own state. */
const STATUS = '/.sluice/status'
/** With these the lab prints something else than its result, or to somebody who reads standard output. */
const NO_PAGE = ['--help', '-h', '--html=-', '--json=-', '--csv=-']

let child
/** Whether we were told to end: then what a child ended with is not a failure. */
let stopped = false

if (isMain(import.meta.url)) {
  const clean = await build()
  if (!existsSync(program)) fail('dist/cli/main.js was not built: see the errors above.')
  // Type errors leave the JavaScript as it is: better to measure and say so than not to measure.
  if (!clean) process.stderr.write('start: the build reported errors; running what it wrote\n')
  // The terminal's Ctrl-C reaches the child too, which tidies up and ends, and we with it. Sent to us alone it does not.
  process.on('SIGINT', () => stop(CTRL_C_GRACE_MS))
  process.on('SIGTERM', () => stop(0))
  process.exitCode = await start(process.argv.slice(2))
}

/** Ends the child, unless that has been told by others and ends in time. */
function stop(afterMs) {
  stopped = true
  setTimeout(() => child?.kill('SIGTERM'), afterMs).unref()
}

async function start(given) {
  const { args, serves, page } = plan(given)
  if (!serves) return lab(args)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-start-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const index = join(folder, 'index.html')
  const code = await lab(page === undefined ? [...args, '--html', index] : args)
  if (code !== 0 || stopped) return code
  if (page !== undefined) copyFileSync(page, index)
  return servePage(folder)
}

/**
 * What the arguments ask for.
 *
 * @param {string[]} given
 * @returns {{ args: string[], serves: boolean, page: string | undefined }} the lab's arguments, whether its page is
 *   served, and where the user wants that page besides
 */
export function plan(given) {
  const args = given.filter(argument => argument !== '--no-serve')
  const values = args.map((argument, index) =>
    ['--html', '--json', '--csv'].includes(argument) ? `${argument}=${args[index + 1]}` : argument,
  )
  const page = values.find(value => value.startsWith('--html='))?.slice('--html='.length)
  const serves = args.length === given.length && !values.some(value => NO_PAGE.includes(value))
  return { args, serves, page }
}

/** @returns {Promise<number>} its exit status */
function lab(args) {
  child = spawn(process.execPath, [program, 'lab', ...args], { stdio: 'inherit' })
  return ended(child)
}

function ended(process) {
  return new Promise(resolve => {
    process.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal]))
  })
}

/** Whether nobody listens on a port of this machine's own address. */
function isFree(port) {
  const server = createServer()
  return new Promise(resolve => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** Serves a folder until we are stopped. */
async function servePage(folder) {
  const port = (await isFree(USUAL_PORT)) ? USUAL_PORT : 0
  const args = ['serve', folder, '--port', String(port), '--status', STATUS, '--json']
  child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const end = ended(child)
  let said = ''
  child.stdout.setEncoding('utf8').on('data', text => {
    const before = said.includes('\n')
    said += text
    if (before || !said.includes('\n')) return
    const where = JSON.parse(said.slice(0, said.indexOf('\n')))
    const taken = port === 0 ? ` (port ${USUAL_PORT} is taken)` : ''
    process.stdout.write(
      [
        `\nThe same as a page, with charts: http://127.0.0.1:${where.port}/${taken}`,
        `Served by sluice until Ctrl-C, and its own state at ${STATUS}. npm start -- --no-serve leaves that out.\n`,
      ].join('\n'),
    )
  })
  const code = await end
  return stopped ? 0 : code
}
