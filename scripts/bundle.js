import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { root } from './run.js'

const DIST = join(root, 'dist')
const ENTRY = 'cli/main.js'
const OUTPUT = join(DIST, 'sluice.mjs')

const DOCUMENTATION = /^[ \t]*\/\*\*[\s\S]*?\*\/\n/gm
const COMMENT_LINE = /^[ \t]*\/\/ .*\n/gm
const FOREIGN = /[^\t\n -~]/g
const SOURCE_MAP = /^\/\/# sourceMappingURL=.*$/gm
const IMPORT = /^import (?:(\* as \w+|\w+|\{[^}]*\}) from )?'([^']+)';$/gm
const EXPORT_FROM = /^export (\*|\{[^}]*\}) from '([^']+)';$/gm
const EXPORT_LIST = /^export \{([^}]*)\};$/gm
const EXPORT = /^export ((?:async )?(?:function\*?|class|const|let) (\w+))/gm
const DYNAMIC_IMPORT = /\bimport\('(\.[^']+)'\)/g

/**
 * Puts the command line into one file, `dist/sluice.mjs`. To load two hundred modules takes Node longer than to start;
 * to load one that holds them all does not, and of it only what a verb needs is compiled.
 *
 * It understands what tsc writes of our sources, no more: named imports and exports at the beginning of a line, and no
 * modules that import each other in a circle, which a test forbids.
 */
export function bundle() {
  if (!existsSync(join(DIST, ENTRY))) return
  const modules = new Map()
  collect(ENTRY, modules)
  const text = [
    '#!/usr/bin/env node',
    "import { createRequire } from 'node:module'",
    'const $external = createRequire(import.meta.url)',
    'const $modules = {',
    ...[...modules].map(([path, code]) => `${JSON.stringify(path)}: ${code},`),
    '}',
    'const $loaded = {}',
    'function $load(path) {',
    '  if (!(path in $loaded)) {',
    '    $loaded[path] = {}',
    '    $loaded[path].done = $modules[path]($loaded[path], new URL(path, import.meta.url).href)',
    '  }',
    '  return $loaded[path]',
    '}',
    `await $load(${JSON.stringify(ENTRY)}).done`,
    '',
  ]
    .join('\n')
    // V8 reads a text of plain ASCII where it lies, and twice as fast.
    .replace(FOREIGN, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
  if (!existsSync(OUTPUT) || readFileSync(OUTPUT, 'utf8') !== text)
    writeFileSync(OUTPUT, text, { mode: 0o755 })
}

/** Adds a module and all that it imports, in the order in which they would run. */
function collect(path, modules) {
  if (modules.has(path)) return
  const source = readFileSync(join(DIST, path), 'utf8')
    .replace(DOCUMENTATION, '')
    .replace(COMMENT_LINE, '')
    .replace(SOURCE_MAP, '')
  modules.set(path, '')
  const { code, imported } = convert(source.replace(/^#!.*\n/, ''), path)
  modules.set(path, code)
  for (const other of imported) collect(other, modules)
}

/** A module as a function that fills an object with its exports. */
function convert(source, path) {
  const imported = []
  const exported = []
  const target = specifier => {
    if (!specifier.startsWith('.')) return load(specifier)
    const other = relative(DIST, join(DIST, dirname(path), specifier))
    imported.push(other)
    return `$load(${JSON.stringify(other)})`
  }
  const body = source
    .replace(IMPORT, (_, names, specifier) => importOf(names, target(specifier)))
    .replace(EXPORT_FROM, (_, names, specifier) => reexportOf(names, target(specifier)))
    .replace(EXPORT_LIST, (_, names) => {
      exported.push(...parts(names).map(([local, name]) => [name ?? local, local]))
      return ''
    })
    .replace(EXPORT, (_, declaration, name) => {
      exported.push([name, name])
      return declaration
    })
    .replace(DYNAMIC_IMPORT, (_, specifier) => `(async () => ${target(specifier)})()`)
    .replaceAll('import.meta.url', '$here')
  if (/^(import|export)\b/m.test(body))
    throw new Error(`dist/${path} has an import or export that bundle.js does not know`)
  // Getters, since what is exported may be assigned later on.
  const getters = exported.map(([name, local]) => `get ${name}() { return ${local} }`)
  const define = `Object.defineProperties($exports, Object.getOwnPropertyDescriptors({ ${getters.join(', ')} }))`
  const kind = /^(?!\s).*\bawait\b/m.test(body) ? 'async ' : ''
  return { imported, code: `${kind}function ($exports, $here) {\n${define}\n${body}}` }
}

/** What Node has is asked for when it is needed; the rest is looked for as any module is. */
function load(specifier) {
  const name = JSON.stringify(specifier)
  return specifier.startsWith('node:') ? `process.getBuiltinModule(${name})` : `$external(${name})`
}

function parts(names) {
  return names
    .split(',')
    .map(part => part.trim().split(' as '))
    .filter(([name]) => name !== '')
}

function importOf(names, from) {
  if (names === undefined) return `${from};`
  if (names.startsWith('*')) return `const ${names.slice('* as '.length)} = ${from};`
  if (!names.startsWith('{')) return `const ${names} = ${from}.default ?? ${from};`
  const list = parts(names.slice(1, -1)).map(([name, local]) =>
    local === undefined ? name : `${name}: ${local}`,
  )
  return `const { ${list.join(', ')} } = ${from};`
}

function reexportOf(names, from) {
  if (names === '*') return `Object.defineProperties($exports, Object.getOwnPropertyDescriptors(${from}));`
  const list = parts(names.slice(1, -1)).map(([name, as]) => `get ${as ?? name}() { return ${from}.${name} }`)
  return `Object.defineProperties($exports, Object.getOwnPropertyDescriptors({ ${list.join(', ')} }));`
}
