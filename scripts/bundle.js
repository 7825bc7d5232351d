import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { root } from './run.js'

const DIST = join(root, 'dist')
const ENTRY = 'cli/main.js'
const OUTPUT = join(DIST, 'sluice.cjs')
const OUTPUT_MODULES = join(DIST, 'sluice.modules')

const DOCUMENTATION = /^[ \t]*\/\*\*[\s\S]*?\*\/\n/gm
const COMMENT_LINE = /^[ \t]*\/\/ .*\n/gm
const FOREIGN = /[^\t\n -~]/g
const SOURCE_MAP = /^\/\/# sourceMappingURL=.*$/gm
const IMPORT = /^import (?:(\* as \w+|\w+|\{[^}]*\}) from )?'([^']+)';$/gm
const EXPORT_FROM = /^export (\*|\{[^}]*\}) from '([^']+)';$/gm
const EXPORT_LIST = /^export \{([^}]*)\};$/gm
const EXPORT = /^export ((?:async )?(?:function\*?|class|const|let) (\w+))/gm
/** What the text of a module is given. */
const PARAMETERS = '$exports, $here, $load, $external, $resolve'
const DYNAMIC_IMPORT = /\bimport\('(\.[^']+)'\)/g

/**
 * Puts the command line into two files: `dist/sluice.cjs`, which is run, and `dist/sluice.modules`, the text of all
 * modules, of which only those that a verb needs are ever read by V8. To load two hundred modules as such takes Node longer
 * than to start, and to read through one file with all of them nearly as long. A CommonJS file, since Node's loader of
 * modules takes a tenth of its start.
 *
 * Beside them lies what V8 has made of them, for the Node that builds: another does without it.
 *
 * It understands what tsc writes of our sources, no more: named imports and exports at the beginning of a line, and no
 * modules that import each other in a circle, which a test forbids.
 */
export function bundle() {
  if (!existsSync(join(DIST, ENTRY))) return
  const modules = new Map()
  collect(ENTRY, modules)
  let text = '({'
  const places = {}
  for (const [path, code] of modules) {
    // V8 reads a text of plain ASCII where it lies, and twice as fast.
    const ascii = code.replace(FOREIGN, letter => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)
    text += `${JSON.stringify(path)}(${PARAMETERS}) {\n`
    places[path] = [text.length, text.length + ascii.length]
    text += `${ascii}\n},\n`
  }
  text += '})\n'
  const cache = `sluice-${createHash('sha256').update(text).digest('hex').slice(0, 16)}-`
  write(OUTPUT_MODULES, text, 0o644)
  write(OUTPUT, starter(places, cache), 0o755)
  keepCode(cache)
}

/** Has a process copy a file, and keep what V8 has compiled for it. */
function keepCode(name) {
  for (const file of readdirSync(DIST)) {
    if (file.endsWith('.code') && !file.startsWith(name)) rmSync(join(DIST, file))
  }
  const path = join(DIST, `${name}${process.version}-${process.arch}.code`)
  if (existsSync(path)) return
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'scripts/keep-code.js'), OUTPUT, path])
  // It is no part of what is built: without a native binary, say, there is none.
  if (status !== 0) process.stderr.write(`The command line starts without code of V8: ${stderr}\n`)
}

function starter(places, cache) {
  return [
    '#!/usr/bin/env node',
    "'use strict'",
    "const { readFileSync } = require('node:fs')",
    "const { compileFunction, constants, Script } = require('node:vm')",
    `const places = ${JSON.stringify(places)}`,
    "const folder = __dirname + '/'",
    "const filename = folder + 'sluice.modules'",
    "const text = readFileSync(filename, 'latin1')",
    `const names = ${JSON.stringify(PARAMETERS.split(', '))}`,
    'const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER',
    'const loaded = {}',
    'let compiled',
    'function code() {',
    '  try {',
    `    return readFileSync(folder + '${cache}' + process.version + '-' + process.arch + '.code')`,
    '  } catch {',
    '    return undefined',
    '  }',
    '}',
    'function prepare(cachedData) {',
    '  if (cachedData === undefined) return undefined',
    '  const script = new Script(text, { filename, cachedData, importModuleDynamically })',
    '  return script.cachedDataRejected ? undefined : script.runInThisContext()',
    '}',
    'function functionOf(path) {',
    '  if (compiled?.[path] !== undefined) return compiled[path]',
    '  const options = { filename: folder + path, importModuleDynamically }',
    '  return compileFunction(text.slice(...places[path]), names, options)',
    '}',
    "const url = path => require('node:url').pathToFileURL(path).href",
    'function load(path) {',
    '  if (!(path in loaded)) {',
    '    const exported = (loaded[path] = {})',
    '    const here = { get url() { return url(folder + path) } }',
    '    const run = functionOf(path)',
    '    exported.done = run(exported, here, load, require, name => url(require.resolve(name)))',
    '  }',
    '  return loaded[path]',
    '}',
    'if (require.main === module) {',
    '  compiled = prepare(code())',
    `  load(${JSON.stringify(ENTRY)})`,
    '} else {',
    '  module.exports = {',
    '    text,',
    '    filename,',
    '    run(table) {',
    '      compiled = table',
    `      load(${JSON.stringify(ENTRY)})`,
    '    },',
    '  }',
    '}',
    '',
  ].join('\n')
}

function write(path, text, mode) {
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text, { mode })
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

/** A module as the body of a function that fills an object with its exports. */
function convert(source, path) {
  const imported = []
  const exported = []
  const local = specifier => {
    const other = relative(DIST, join(DIST, dirname(path), specifier))
    imported.push(other)
    return `$load(${JSON.stringify(other)})`
  }
  const target = specifier => (specifier.startsWith('.') ? local(specifier) : load(specifier))
  const take = (names, specifier) => {
    if (!specifier.startsWith('.') || !names?.startsWith('{')) return importOf(names, target(specifier))
    const other = relative(DIST, join(DIST, dirname(path), specifier))
    return parts(names.slice(1, -1))
      .map(([wanted, as = wanted]) => {
        const origin = originOf(wanted, other)
        if (origin === undefined) throw new Error(`dist/${other} has no ${wanted}`)
        const { module, name } = origin
        imported.push(module)
        return `const { ${name}: ${as} } = $load(${JSON.stringify(module)});`
      })
      .join(' ')
  }
  const body = source
    .replace(IMPORT, (_, names, specifier) => take(names, specifier))
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
    .replaceAll('import.meta.url', '$here.url')
    .replaceAll('import.meta.resolve', '$resolve')
  if (/^(import|export)\b/m.test(body))
    throw new Error(`dist/${path} has an import or export that bundle.js does not know`)
  // Getters, since what is exported may be assigned later on.
  const getters = exported.map(([name, local]) => `get ${name}() { return ${local} }`)
  const define = `Object.defineProperties($exports, Object.getOwnPropertyDescriptors({ ${getters.join(', ')} }))`
  const isAsync = /^(?!\s).*\bawait\b/m.test(body)
  const code = isAsync ? `return (async () => {\n${body}})()\n` : body
  return { imported, code: `"use strict";\n${define}\n${code}` }
}

/**
 * The module that has what another exports in its place, so that asking a folder's face for one name does not load the whole
 * folder.
 */
function originOf(name, module) {
  const source = readFileSync(join(DIST, module), 'utf8')
  for (const [, names, specifier] of source.matchAll(EXPORT_FROM)) {
    if (!specifier.startsWith('.')) continue
    const other = relative(DIST, join(DIST, dirname(module), specifier))
    const own = names === '*' ? name : parts(names.slice(1, -1)).find(pair => pair.at(-1) === name)?.[0]
    const origin = own === undefined ? undefined : originOf(own, other)
    if (origin !== undefined) return origin
  }
  const lists = [...source.matchAll(EXPORT_LIST)].flatMap(([, list]) => parts(list))
  const names = [...source.matchAll(EXPORT)].map(([, , declared]) => declared)
  const isOwn = names.includes(name) || lists.some(pair => pair.at(-1) === name)
  return isOwn ? { module, name } : undefined
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
