import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
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
/** Suites in which a browser looks at a page: it looks the same whoever serves it. */
const isPage = file => file.startsWith('build/test/pages/')
const isBelowEngine = file => /^(dist|build\/test)\/(kernel|memory|observe|probe|ring|device)\//.test(file)

/**
 * What a pass after the first sets: tests that are long by repeating themselves (kills, operations of a soak, rows of
 * the lab) then do less. The first pass has shown what the repetition shows.
 */
const BRIEF = { SLUICE_TEST_BRIEF: '1' }

/** The tests that run under the sanitizers, by the file of native/ that they are there for. */
export const SANITIZED = {
  'addon.c': /^dist\/kernel\//,
  'syscall.c': /^dist\/kernel\//,
  'memory.c': /^(dist|build\/test)\/memory\//,
  'descriptor.c': /^build\/test\/engine\/(half-made|kernel-aio|locked-memory|short-of-memory)\./,
  'ring.c': /^(dist|build\/test)\/ring\//,
  'watch.c': /^dist\/engine\//,
  'pool.c': /^dist\/(kernel\/syscall-pool|engine\/)/,
  'crc32c.c': /^dist\/(kernel\/crc32c|file\/append-log\/append-log)\./,
  'cache-line.c': /^dist\/file\/mapped-file\./,
  'move.c': /^dist\/transfer\/(abort|connection|edge|failure|lent-file|pipe|step-loop|transfer)\./,
}
/** Of folders above that are to come. */
const ALSO_SANITIZED = /^(dist|build\/test)\/(paging|device)\//
const reachesNative = file => [...Object.values(SANITIZED), ALSO_SANITIZED].some(tests => tests.test(file))

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
      const env = { ...BRIEF, HOME: '/nonexistent', XDG_CACHE_HOME: undefined, XDG_CONFIG_HOME: undefined }
      return { ...ordinaryUser(), env, takes: takesAgain }
    },
  },
  // Any release of a line behaves as the others; the oldest that we support is just that one.
  { name: 'newest LTS', make: () => withNode('node-lts', version => version.split('.')[0]) },
  { name: 'oldest Node', make: () => withNode('node-oldest', version => version) },
  {
    name: 'epoll driver',
    make: async () => ({
      env: { ...BRIEF, SLUICE_DRIVER: 'epoll' },
      takes: file => takesAgain(file) && !isBelowEngine(file),
    }),
  },
  { name: 'sanitizers', make: sanitized },
]

/** What a pass runs in which only user, Node or driver is another. */
function takesAgain(file) {
  return !isHouse(file) && !isPage(file)
}

/**
 * Another Node, unless ours is alike. Kept out of the package's own modules: a `node` in node_modules/.bin would hide the
 * user's from npm scripts.
 *
 * @param {string} name of the folder in test/ that says which
 * @param {(version: string) => string} kind what two versions share that are alike
 */
async function withNode(name, kind) {
  const folder = join(root, 'test', name)
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const [version] = Object.values(manifest.optionalDependencies)
  if (kind(version) === kind(process.versions.node)) return `this is Node ${process.versions.node} already`
  await ensureModules(folder)
  const node = join(folder, 'node_modules', `node-linux-${process.arch}`, 'bin/node')
  return { node, env: BRIEF, takes: takesAgain }
}

async function sanitized() {
  const runtime = await sanitizerRuntime()
  if (runtime === undefined) return 'the compiler has no AddressSanitizer runtime'
  const env = {
    ...BRIEF,
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
  const {
    NODE_TEST_CONTEXT,
    NODE_V8_COVERAGE,
    SLUICE_DRIVER,
    SLUICE_NATIVE,
    SLUICE_TEST_BRIEF,
    ...inherited
  } = process.env
  const env = { ...inherited, TMPDIR: temporary, ...made.env }
  return { name, node: process.execPath, root, temporary, ...made, env }
}

/** Removes what a pass put on the disk. */
export function disposePass(pass) {
  rmSync(pass.temporary, { recursive: true, force: true })
  if (pass.root !== root) rmSync(pass.root, { recursive: true, force: true })
}
