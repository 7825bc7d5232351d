/** Builds the native binary and compiles the TypeScript; prints nothing when all is well. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { bundle } from './bundle.js'
import { withLock } from './lock.js'
import { buildNative } from './native.js'
import { isMain, root } from './run.js'
import { ensureModules } from './setup.js'

/** Folders of TypeScript, and where each one's JavaScript goes. The first is the library. */
const PROJECTS = [
  { config: '.', source: 'src', output: 'dist' },
  { config: 'test', source: 'test', output: 'build/test' },
  { config: 'bench', source: 'bench', output: 'build/bench' },
]

/**
 * Builds everything that has changed, one builder at a time in a checkout. A type error fails the build, but
 * the JavaScript is written all the same.
 *
 * @param {{ sanitize?: boolean }} [options] `sanitize` builds the instrumented native binary too
 * @returns {Promise<boolean>} whether everything could be built without an error
 */
export async function build({ sanitize = false } = {}) {
  await ensureModules()
  return withLock(`${root} build`, async () => {
    const native = (await buildNative()) && (!sanitize || (await buildNative({ sanitize })))
    const types = compile()
    copyPages()
    bundle()
    return native && types
  })
}

function compile() {
  const projects = PROJECTS.filter(({ config }) => existsSync(join(root, config, 'tsconfig.json')))
  const lost = projects.map(prune).some(Boolean)
  const args = ['node_modules/typescript/bin/tsc', '--build', ...projects.map(project => project.config)]
  // tsc looks at its notes, not at its output: where that has gone, it must be told.
  if (lost) args.push('--force')
  if (process.stderr.isTTY) args.push('--pretty')
  return spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] }).status === 0
}

/**
 * Removes what a source that is gone has left in the output: its test would run for ever.
 *
 * @returns {boolean} whether, the other way round, a source that was compiled has no output
 */
function prune({ source, output }) {
  const folder = join(root, output)
  if (!existsSync(folder)) return false
  const sources = new Set(listFiles(join(root, source), '.ts').map(name => name.replace(/(\.d)?\.ts$/, '')))
  const compiled = listFiles(folder, '').filter(name => /\.(js|d\.ts)(\.map)?$/.test(name))
  for (const name of compiled) {
    if (!sources.has(name.replace(/\.(js|d\.ts)(\.map)?$/, ''))) rmSync(join(folder, name))
  }
  const written = new Set(compiled.filter(name => name.endsWith('.js')).map(name => name.slice(0, -3)))
  return listFiles(join(root, source), '.ts').some(
    name => !name.endsWith('.d.ts') && !written.has(name.slice(0, -3)),
  )
}

/** What the pages that Sluice shows are made of lies beside the code that shows them, as it is. */
const PAGE_PARTS = ['.css', '.mjs']

/** Puts styles and scripts of pages where the compiled code looks for them. */
function copyPages() {
  const source = join(root, 'src')
  for (const name of PAGE_PARTS.flatMap(ending => listFiles(source, ending))) {
    const from = join(source, name)
    const to = join(root, 'dist', name)
    if (existsSync(to) && readFileSync(to).equals(readFileSync(from))) continue
    mkdirSync(dirname(to), { recursive: true })
    copyFileSync(from, to)
  }
}

/**
 * The files below a folder whose names end so, as paths relative to it, sorted; none where there is no folder.
 *
 * @param {string} folder
 * @param {string} ending
 * @returns {string[]}
 */
export function listFiles(folder, ending) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() && entry.name.endsWith(ending))
    .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter(name => !name.includes('node_modules/'))
    .sort()
}

if (isMain(import.meta.url)) {
  const { values } = parseArgs({ options: { sanitize: { type: 'boolean' } } })
  process.exitCode = (await build(values)) ? 0 : 1
}
