import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from './run.js'

/** Debian's nobody and nogroup. Any user without rights would do. */
const IDENTITY = { uid: 65534, gid: 65534 }

/** What tests run and read; the sources are not among it, nor the tools. */
const PARTS = ['package.json', 'dist', 'build/test', 'prebuilds', 'scripts', 'test', 'examples']
/** Packages that tests import. */
const PACKAGES = [
  'fast-check',
  'express',
  'fastify',
  'hono',
  '@hono/node-server',
  'serve-static',
  'mrmime',
  'uplot',
]

/**
 * A user without rights, and a place from which that user can run the tests: the checkout, or a readable copy
 * where it or Node stands below a private folder such as root's home.
 *
 * @param {string} node that runs them
 * @returns {{ uid: number, gid: number, root: string, node: string }} a `root` other than the checkout's is the
 *   caller's to remove
 */
export function ordinaryUser(node) {
  const parts = [...PARTS, ...withDependencies(PACKAGES)].filter(part => existsSync(join(root, part)))
  if (canRead(node, parts)) return { ...IDENTITY, root, node }
  return { ...IDENTITY, ...copyOf(node, parts) }
}

/** Folders of packages and of all that they depend on; what lies inside one of them comes with it. */
function withDependencies(names) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const folders = new Set()
  const add = (name, within) => {
    const nested = `${within}/node_modules/${name}`
    const folder = within !== '' && nested in packages ? nested : `node_modules/${name}`
    if (folders.has(folder) || !(folder in packages)) return
    folders.add(folder)
    for (const other of Object.keys(packages[folder].dependencies ?? {})) add(other, folder)
  }
  for (const name of names) add(name, '')
  return [...folders]
}

function canRead(node, parts) {
  const program = `
    const walk = path => {
      if (!fs.statSync(path).isDirectory()) return fs.accessSync(path, fs.constants.R_OK)
      for (const name of fs.readdirSync(path)) if (name !== 'node_modules') walk(path + '/' + name)
    }
    process.argv.slice(1).forEach(walk)`
  const args = ['-e', program, ...parts.map(part => join(root, part))]
  return spawnSync(node, args, { cwd: '/', stdio: 'ignore', ...IDENTITY }).status === 0
}

function copyOf(node, parts) {
  const before = process.umask(0o022)
  try {
    const copy = mkdtempSync(join(tmpdir(), 'sluice-copy-'))
    chmodSync(copy, 0o755)
    for (const part of parts) copyReadable(join(root, part), join(copy, part))
    const copied = join(copy, 'node')
    copyReadable(node, copied)
    return { root: copy, node: copied }
  } finally {
    process.umask(before)
  }
}

function copyReadable(from, to) {
  const { mode } = statSync(from)
  mkdirSync(dirname(to), { recursive: true })
  if (!statSync(from).isDirectory()) {
    copyFileSync(from, to)
    chmodSync(to, mode | 0o444 | (mode & 0o100 && 0o111))
    return
  }
  mkdirSync(to, { recursive: true })
  for (const name of readdirSync(from)) {
    if (name !== 'node_modules') copyReadable(join(from, name), join(to, name))
  }
}
