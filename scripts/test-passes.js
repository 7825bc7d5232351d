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

/** Where coverage is gathered, by the first pass, on request. */
export const COVERAGE = join(root, 'coverage/tmp')

/** Suites that read the sources, run the scripts, or boot a machine of its own: once is enough. */
const isHouse = file => /^build\/test\/(tidy|scripts|guests)\//.test(file)
/** Suites in which a browser looks at a page: it looks the same whoever serves it. */
const isPage = file => file.startsWith('build/test/pages/')
const isBelowEngine = file => /^(dist|build\/test)\/(kernel|memory|observe|probe|ring|device)\//.test(file)
/** Suites that are long by trying everything, kills, prefixes of a log, rows of the lab: no user is another to them. */
const isExhaustive = file =>
  /^build\/test\/(crash\/|http\/serve-storm|ring\/worker-wait)/.test(file) ||
  /^dist\/(engine\/soak|file\/append-log\/recovery|lab\/lab|ring\/threads)\.test/.test(file)

/** Suites that look at the heap: a sanitizer's own is another. */
const isSoak = file => file === 'dist/engine/soak.test.js'

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
 * The passes of the whole suite, in order. Two at a time of what can be different, user and Node, driver and Node,
 * are so in one pass: what fails there and not in the first is looked into with either alone.
 *
 * `make` resolves to what sets the pass apart, or to the reason why this machine cannot run it.
 *
 * @type {{ name: string, make: () => Promise<Partial<Pass> | string> }[]}
 */
export const PASSES = [
  { name: 'here', make: async () => ({ takes: () => true }) },
  { name: 'ordinary user', make: ordinary },
  { name: 'epoll driver', make: epoll },
  { name: 'sanitizers', make: sanitized },
]

/** An ordinary user, on the newest LTS of Node. */
async function ordinary() {
  const node = await otherNode('node-lts', version => version.split('.')[0])
  const isRoot = process.getuid() === 0
  if (!isRoot && node === process.execPath) return `this is one already, on Node ${process.versions.node}`
  const takes = file => takesAgain(file) && !isExhaustive(file)
  if (!isRoot) return { node, env: BRIEF, takes }
  // Nobody's home: no settings are read, no cache is written.
  const env = { ...BRIEF, HOME: '/nonexistent', XDG_CACHE_HOME: undefined, XDG_CONFIG_HOME: undefined }
  return { ...ordinaryUser(node), env, takes }
}

/** The driver that does without io_uring, on the oldest Node that we support. */
async function epoll() {
  return {
    node: await otherNode('node-oldest', version => version),
    env: { ...BRIEF, SLUICE_DRIVER: 'epoll' },
    takes: file => takesAgain(file) && !isBelowEngine(file),
  }
}

/** What a pass runs in which user, Node or driver is another. */
function takesAgain(file) {
  return !isHouse(file) && !isPage(file)
}

/**
 * The Node that a folder of test/ names; ours, where it is alike. Kept out of the package's own modules: a `node` in
 * node_modules/.bin would hide the user's from npm scripts.
 *
 * @param {string} name
 * @param {(version: string) => string} kind what two versions share that are alike
 */
async function otherNode(name, kind) {
  const folder = join(root, 'test', name)
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const [version] = Object.values(manifest.optionalDependencies)
  if (kind(version) === kind(process.versions.node)) return process.execPath
  await ensureModules(folder)
  return join(folder, 'node_modules', `node-linux-${process.arch}`, 'bin/node')
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
  return { env, takes: file => reachesNative(file) && !isSoak(file) }
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
