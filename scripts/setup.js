import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync, statSync, utimesSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { withLock } from './lock.js'
import { fail, root } from './run.js'

/** npm writes the lock file and its record of what is installed one after the other. */
const INSTALL_SKEW_MS = 10_000
const APT_LISTS = '/var/lib/apt/lists'
const APT_LISTS_FRESH_MS = 12 * 3_600_000

/**
 * Installs a folder's npm packages exactly as its lock file names them, unless that has been done since the
 * lock file changed. Ends the program with npm's words where it cannot.
 *
 * @param {string} [folder]
 */
export async function ensureModules(folder = root) {
  if (modulesAreCurrent(folder)) return
  requireWritable(folder)
  await withLock(`${folder} npm`, async () => {
    if (modulesAreCurrent(folder)) return
    say(`installing npm packages in ${folder}`)
    const args = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund']
    // Everything to standard error: a program that sets itself up may be printing JSON.
    const npm = spawnSync('npm', args, { cwd: folder, stdio: ['ignore', 2, 2] })
    if (npm.error || npm.status !== 0) {
      fail(
        `npm ci failed in ${folder}${npm.error ? `: ${npm.error.message}` : ''}. Is the npm registry reachable?`,
      )
    }
    // A lock file from a machine whose clock is ahead would be newer for ever.
    const time = Math.max(Date.now(), statSync(join(folder, 'package-lock.json')).mtimeMs) / 1000
    utimesSync(installedRecord(folder), time, time)
  })
}

/**
 * Ends the program where this user may not write to a folder that something has to be put into.
 *
 * @param {string} folder
 */
export function requireWritable(folder) {
  try {
    accessSync(folder, constants.W_OK)
  } catch (error) {
    fail(
      `Sluice has to be set up first, and this user may not write to ${folder} (${error.code}).\n` +
        'Run it once as the owner of that folder, or in a clone of your own.',
    )
  }
}

function modulesAreCurrent(folder) {
  const installed = statSync(installedRecord(folder), { throwIfNoEntry: false })
  if (!installed) return false
  return statSync(join(folder, 'package-lock.json')).mtimeMs <= installed.mtimeMs + INSTALL_SKEW_MS
}

function installedRecord(folder) {
  return join(folder, 'node_modules', '.package-lock.json')
}

/**
 * Finds the C compiler: `$CC`, else `cc`, `gcc` or `clang`. Where there is none it is installed with apt-get by
 * root on Debian; otherwise the program ends and says what to do.
 *
 * @returns {Promise<string>} the command
 */
export async function ensureCompiler() {
  const compiler = findCompiler()
  if (compiler) return compiler
  if (await ensureDebianPackages(['gcc', 'libc6-dev'])) {
    const installed = findCompiler()
    if (installed) return installed
  }
  return fail(
    'Sluice needs a C compiler and found none: neither cc, gcc nor clang is on the PATH.\n' +
      'Install one (Debian, Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install gcc; Alpine: apk add gcc musl-dev)\n' +
      'or name yours in the environment variable CC.',
  )
}

function findCompiler() {
  if (process.env.CC) return process.env.CC
  return ['cc', 'gcc', 'clang'].find(name => findProgram(name))
}

/**
 * Looks a program up on the PATH.
 *
 * @param {string} name
 * @returns {string | undefined} its path
 */
export function findProgram(name) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(folder => folder !== '')
  return folders.map(folder => join(folder, name)).find(isExecutable)
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false // Absent or not ours to run: not a candidate either way.
  }
}

/**
 * Sees to it that Debian packages are there, installing what is missing where we are root and have apt-get.
 * Where that cannot be, says so on standard error, so that a test may skip aloud.
 *
 * @param {string[]} names
 * @returns {Promise<boolean>} whether all of them are installed now
 */
export async function ensureDebianPackages(names) {
  if (missingPackages(names).length === 0) return true
  if (process.getuid() !== 0 || !findProgram('apt-get')) {
    const reason = findProgram('apt-get') ? 'only root can install them' : 'this system has no apt-get'
    say(`Debian packages are missing: ${missingPackages(names).join(' ')} (${reason})`)
    return false
  }
  return withLock('apt-get', async () => {
    const missing = missingPackages(names)
    if (missing.length === 0) return true
    say(`installing Debian packages: ${missing.join(' ')}`)
    if (!listsAreFresh() && !aptGet('update')) say('apt-get update failed; trying with the lists there are')
    if (aptGet('install', '--no-install-recommends', ...missing)) return true
    say(`apt-get could not install ${missing.join(' ')}`)
    return false
  })
}

/**
 * @param {string[]} names
 * @returns {string[]} those of the Debian packages that are not installed
 */
export function missingPackages(names) {
  const { stdout } = spawnSync('dpkg-query', ['--status', ...names], { encoding: 'utf8' })
  const stanzas = (stdout ?? '').split('\n\n').filter(text => /^Status: install ok installed$/m.test(text))
  const installed = new Set(stanzas.map(text => /^Package: (.+)$/m.exec(text)?.[1]))
  return names.filter(name => !installed.has(name))
}

/** apt keeps a file per source in this folder, and nothing but locks before the first update. */
function listsAreFresh() {
  if (!existsSync(APT_LISTS)) return false
  const lists = readdirSync(APT_LISTS).filter(name => name.includes('_'))
  return lists.length > 0 && Date.now() - statSync(APT_LISTS).mtimeMs < APT_LISTS_FRESH_MS
}

function aptGet(...args) {
  const options = ['-qq', '-y', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Dpkg::Use-Pty=0']
  const { status } = spawnSync('apt-get', [...options, ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 2, 2],
    timeout: 600_000,
  })
  return status === 0
}

function say(message) {
  process.stderr.write(`setup: ${message}\n`)
}
