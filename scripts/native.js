import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { root } from './run.js'
import { ensureCompiler, requireWritable } from './setup.js'

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** What every C compiler is told. */
export const FLAGS = [
  '-std=gnu11',
  '-O2',
  '-g',
  '-fPIC',
  '-shared',
  '-pthread',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-fvisibility=hidden',
  '-DNAPI_VERSION=8',
  '-Inode_modules/node-api-headers/include',
  // The library refuses a binary of another version than its own.
  `-DSLUICE_VERSION="${version}"`,
]
// Without no-recover, undefined behaviour is a line on standard error and the test passes.
const SANITIZE = [
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=undefined',
  '-fno-omit-frame-pointer',
]

/**
 * Where the native binary for this machine is built.
 *
 * @param {{ sanitize?: boolean }} [options]
 */
export function nativePath({ sanitize = false } = {}) {
  return join(root, 'prebuilds', `linux-${process.arch}${sanitize ? '-sanitize' : ''}`, 'sluice.node')
}

/**
 * Compiles native/*.c into one Node-API module, unless the one that is there was built from the same sources
 * with the same compiler and flags.
 *
 * @param {{ sanitize?: boolean }} [options] with AddressSanitizer and UndefinedBehaviorSanitizer
 * @returns {Promise<boolean>} whether the binary is there now
 */
export async function buildNative({ sanitize = false } = {}) {
  const folder = join(root, 'native')
  const files = existsSync(folder) ? readdirSync(folder).sort() : []
  const sources = files.filter(name => name.endsWith('.c'))
  if (sources.length === 0) return true

  const compiler = await ensureCompiler()
  const args = [
    ...FLAGS,
    ...(sanitize ? sanitizerFlags(compiler) : []),
    ...sources.map(name => `native/${name}`),
  ]
  const output = nativePath({ sanitize })
  const stamp = join(root, 'build', `native-${process.arch}${sanitize ? '-sanitize' : ''}.sha256`)
  const digest = digestOf(compiler, args, files)
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return true

  requireWritable(root)
  mkdirSync(join(output, '..'), { recursive: true })
  mkdirSync(join(stamp, '..'), { recursive: true })
  // A process may have the old binary mapped: it keeps the old file, and the new one takes the name whole.
  const temporary = `${output}.${process.pid}`
  const { status, error } = spawnSync(compiler, [...args, '-o', temporary], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (status !== 0) {
    rmSync(temporary, { force: true })
    process.stderr.write(`build: ${compiler} failed on native/${error ? `: ${error.message}` : ''}\n`)
    return false
  }
  renameSync(temporary, output)
  writeFileSync(stamp, digest)
  return true
}

/** All that decides what the compiler makes. Contents, not times: a checkout gives every file the same. */
function digestOf(compiler, args, files) {
  const hash = createHash('sha256')
  hash.update(spawnSync(compiler, ['--version']).stdout ?? '')
  hash.update(readFileSync(join(root, 'node_modules/node-api-headers/package.json')))
  hash.update(JSON.stringify([compiler, args, process.arch]))
  for (const name of files.filter(name => /\.[ch]$/.test(name))) {
    hash.update(`\0${name}\0`).update(readFileSync(join(root, 'native', name)))
  }
  return hash.digest('hex')
}

function sanitizerFlags(compiler) {
  return isClang(compiler) ? [...SANITIZE, '-shared-libsan'] : SANITIZE
}

function isClang(compiler) {
  const { stdout } = spawnSync(compiler, ['--version'], { encoding: 'utf8' })
  return /clang/.test(stdout ?? '')
}

/**
 * The sanitizer's runtime, which has to be loaded before Node itself.
 *
 * @returns {Promise<string | undefined>} its path, where the compiler has one
 */
export async function sanitizerRuntime() {
  const compiler = await ensureCompiler()
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
  const name = isClang(compiler) ? `libclang_rt.asan-${machine}.so` : 'libasan.so'
  const { stdout } = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' })
  const path = (stdout ?? '').trim()
  // A compiler that has no such file gives the bare name back.
  return isAbsolute(path) && existsSync(path) ? path : undefined
}
