import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { nativePath, sanitizerRuntime } from './native.js'
import { ordinaryUser } from './ordinary-user.js'
import { root } from './run.js'
import { ensureModules } from './setup.js'

/**
 * One way of running the suite.
 *
 * @typedef {object} Pass
 * @property {string} name
 * @property {string} node the Node that runs it
 * @property {string} root the folder that holds what it runs: the checkout, or a copy
 * @property {NodeJS.ProcessEnv} env
 * @property {string} temporary its TMPDIR, removed with it
 * @property {number} [uid] user and group, where not ours
 * @property {number} [gid]
 * @property {(file: string) => boolean} takes whether it runs a test file
 */

/** Where coverage is gathered, by the first pass. */
export const COVERAGE = join(root, 'coverage/tmp')

/** Suites that read the sources, run the scripts, or boot a machine of its own: once is enough. */
const isHouse = file => /^build\/test\/(tidy|scripts|guests)\//.test(file)
const reachesEngine = file => !/^dist\/(kernel|memory|observe|ring|device)\//.test(file)
const reachesNative = file => /^dist\/(kernel|memory|ring|engine|paging|device)\//.test(file)

/**
 * The passes of the whole suite, in order. `make` resolves to what sets the pass apart, or to the reason why
 * this machine cannot run it.
 *
 * @type {{ name: string, make: () => Promise<Partial<Pass> | string> }[]}
 */
export const PASSES = [
  { name: 'here', make: async () => ({ env: { NODE_V8_COVERAGE: COVERAGE }, takes: () => true }) },
  {
    name: 'ordinary user',
    make: async () => {
      if (process.getuid() !== 0) return 'this already is one'
      // Nobody's home: no settings are read, no cache is written.
      const env = { HOME: '/nonexistent', XDG_CACHE_HOME: undefined, XDG_CONFIG_HOME: undefined }
      return { ...ordinaryUser(), env, takes: file => !isHouse(file) }
    },
  },
  { name: 'newest LTS', make: async () => ({ node: await ltsNode(), takes: file => !isHouse(file) }) },
  {
    name: 'epoll driver',
    make: async () => ({
      env: { SLUICE_DRIVER: 'epoll' },
      takes: file => reachesEngine(file) && !isHouse(file),
    }),
  },
  { name: 'sanitizers', make: sanitized },
]

/** Kept out of the package's own modules: a `node` in node_modules/.bin would hide the user's from npm scripts. */
async function ltsNode() {
  const folder = join(root, 'test/node-lts')
  await ensureModules(folder)
  return join(folder, 'node_modules', `node-linux-${process.arch}`, 'bin/node')
}

async function sanitized() {
  const runtime = await sanitizerRuntime()
  if (runtime === undefined) return 'the compiler has no AddressSanitizer runtime'
  const env = {
    SLUICE_NATIVE: nativePath({ sanitize: true }),
    LD_PRELOAD: runtime,
    // Node is not made for leak checking: what it keeps until its end would drown what is ours.
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'print_stacktrace=1',
  }
  return { env, takes: reachesNative }
}

/**
 * Makes a pass ready to run.
 *
 * @param {typeof PASSES[number]} definition
 * @returns {Promise<Pass | string>} the reason where it cannot run here
 */
export async function preparePass({ name, make }) {
  const made = await make()
  if (typeof made === 'string') return made
  const temporary = mkdtempSync(join(tmpdir(), 'sluice-test-'))
  // Others may pass through: a test lets an ordinary user into a folder of its own.
  chmodSync(temporary, 0o711)
  if (made.uid !== undefined) chownSync(temporary, made.uid, made.gid)
  // A test runner or coverage tool above us speaks to its own children through these.
  const { NODE_TEST_CONTEXT, NODE_V8_COVERAGE, SLUICE_DRIVER, SLUICE_NATIVE, ...inherited } = process.env
  const env = { ...inherited, TMPDIR: temporary, ...made.env }
  return { name, node: process.execPath, root, temporary, ...made, env }
}

/** Removes what a pass put on the disk. */
export function disposePass(pass) {
  rmSync(pass.temporary, { recursive: true, force: true })
  if (pass.root !== root) rmSync(pass.root, { recursive: true, force: true })
}
