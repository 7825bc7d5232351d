import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const SETUP = fileURLToPath(new URL('../../../scripts/setup.js', import.meta.url))
const NOBODY = 65534
const folder = mkdtempSync(join(tmpdir(), 'sluice-setup-'))
after(() => rmSync(folder, { recursive: true }))
chmodSync(folder, 0o755)

/** A PATH with programs that end so; what they were called with they say on standard error. */
function pathOf(programs: Record<string, number>): string {
  const path = mkdtempSync(join(folder, 'bin-'))
  for (const [name, status] of Object.entries(programs)) {
    writeFileSync(join(path, name), `#!/bin/sh\necho "${name} $*" >&2\nexit ${status}\n`, { mode: 0o755 })
  }
  chmodSync(path, 0o755)
  return path
}

/** Calls a function of the set-up in a process of its own, as an ordinary user where that can be. */
function setUp(call: string, path: string, { ordinary = false, env = {} } = {}) {
  // The scripts lie where an ordinary user may not look, so they are read before the rights are dropped.
  const drop = ordinary ? `process.setgroups([]); process.setgid(${NOBODY}); process.setuid(${NOBODY});` : ''
  const program = `const setup = await import(${JSON.stringify(SETUP)}); ${drop} console.log(await setup.${call})`
  // Coverage would be written to where an ordinary user may not write.
  const { CC, NODE_V8_COVERAGE, ...inherited } = process.env
  const options = { encoding: 'utf8', env: { ...inherited, ...env, PATH: path }, timeout: 30_000 } as const
  return spawnSync(process.execPath, ['--input-type=module', '--eval', program], options)
}

const notRoot = process.getuid?.() === 0 ? false : 'only root can become another user'

test('without a compiler, and without rights to install one, it says what to do and ends with 1', {
  skip: notRoot,
}, () => {
  const { status, stdout, stderr } = setUp('ensureCompiler()', pathOf({ 'apt-get': 0, 'dpkg-query': 1 }), {
    ordinary: true,
  })
  assert.equal(status, 1)
  assert.equal(stdout, '')
  assert.match(stderr, /packages are missing: gcc libc6-dev \(only root can install them\)/)
  assert.match(stderr, /neither cc, gcc nor clang is on the PATH/)
  assert.match(stderr, /apt-get install gcc libc6-dev/)
  assert.doesNotMatch(stderr, /^\s+at |^apt-get /m, 'no stack, and nothing tried that cannot be')
})

test('where there is no apt-get, it says so, and names the packages of other systems', () => {
  const { status, stderr } = setUp('ensureCompiler()', pathOf({}))
  assert.equal(status, 1)
  assert.match(stderr, /this system has no apt-get/)
  assert.match(stderr, /dnf install gcc; Alpine: apk add gcc musl-dev/)
})

test('where apt-get fails, the message is the same', { skip: notRoot }, () => {
  const { status, stderr } = setUp('ensureCompiler()', pathOf({ 'apt-get': 100, 'dpkg-query': 1 }))
  assert.equal(status, 1)
  assert.match(stderr, /^apt-get .*install .*gcc libc6-dev$/m)
  assert.match(stderr, /apt-get could not install gcc libc6-dev/)
  assert.match(stderr, /name yours in the environment variable CC/)
})

test('any of the usual compilers will do, and CC before all', () => {
  assert.equal(setUp('ensureCompiler()', pathOf({ clang: 0 })).stdout, 'clang\n')
  assert.equal(setUp('ensureCompiler()', pathOf({ clang: 0, gcc: 0 })).stdout, 'gcc\n')
  assert.equal(setUp('ensureCompiler()', pathOf({ cc: 0 }), { env: { CC: 'tcc' } }).stdout, 'tcc\n')
})

test('a package that a test needs and that cannot be installed is named, and the test may skip', {
  skip: notRoot,
}, () => {
  const path = pathOf({ 'apt-get': 0, 'dpkg-query': 1 })
  const { status, stdout, stderr } = setUp(`ensureDebianPackages(['fio'])`, path, { ordinary: true })
  assert.deepEqual([status, stdout], [0, 'false\n'])
  assert.match(stderr, /^setup: Debian packages are missing: fio \(only root can install them\)$/m)
})

test('a checkout that this user may not write to is told as that', { skip: notRoot }, () => {
  const checkout = join(folder, 'checkout')
  mkdirSync(checkout, { mode: 0o755 })
  writeFileSync(join(checkout, 'package-lock.json'), '{}')
  symlinkSync('/nowhere', join(checkout, 'node_modules'))
  const call = `ensureModules(${JSON.stringify(checkout)})`
  const { status, stderr } = setUp(call, pathOf({ npm: 0 }), { ordinary: true })
  assert.equal(status, 1)
  assert.match(stderr, /this user may not write to .*checkout \(EACCES\)/)
  assert.match(stderr, /a clone of your own/)
  assert.doesNotMatch(stderr, /^npm |^\s+at /m)
})

test('where npm fails, its folder and what to look for are named', () => {
  const checkout = join(folder, 'other')
  mkdirSync(checkout)
  writeFileSync(join(checkout, 'package-lock.json'), '{}')
  const { status, stderr } = setUp(`ensureModules(${JSON.stringify(checkout)})`, pathOf({ npm: 1 }))
  assert.equal(status, 1)
  assert.match(stderr, /npm ci failed in .*other\. Is the npm registry reachable\?/)
})
