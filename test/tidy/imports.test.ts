import assert from 'node:assert/strict'
import { builtinModules } from 'node:module'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { withoutComments } from './comments.js'
import { filesBelow, isTest, read } from './house.js'

/** A folder imports only from floors below its own. See CONTRIBUTING.md. */
const FLOORS: Record<string, number> = {
  kernel: 1,
  memory: 2,
  observe: 2,
  ring: 3,
  device: 3,
  engine: 4,
  file: 5,
  net: 5,
  paging: 5,
  transfer: 6,
  http: 7,
  proxy: 7,
  doctor: 7,
  lab: 8,
  cli: 9,
}
/** src/index.ts, the everyday names: above all, and imported by none. */
const ROOF = 10

const IMPORT = /(?:\bfrom\s+|\bimport\s*\(?\s*)'([^']+)'/g

const sources = filesBelow('src', /\.ts$/)
const manifest = JSON.parse(read('package.json'))
const imports = new Map(sources.map(path => [path, importsOf(path)]))

function importsOf(path: string): string[] {
  return [...withoutComments(read(path)).matchAll(IMPORT)].map(match => match[1])
}

/** The source that a relative import names. */
function target(path: string, specifier: string): string {
  return join(dirname(path), specifier).replace(/\.js$/, '.ts')
}

/** The folder of src a file belongs to; empty for a file in src itself. */
function folderOf(path: string): string {
  return path.split('/').slice(1, -1)[0] ?? ''
}

function floorOf(path: string): number {
  const folder = folderOf(path)
  return folder === '' ? ROOF : (FLOORS[folder] ?? Number.NaN)
}

function relativeImports(): { from: string; to: string }[] {
  return [...imports].flatMap(([from, specifiers]) =>
    specifiers
      .filter(specifier => specifier.startsWith('.'))
      .map(specifier => ({ from, to: target(from, specifier) })),
  )
}

test('every folder of src has a floor', () => {
  const folders = new Set(sources.map(folderOf).filter(folder => folder !== ''))
  assert.deepEqual(
    [...folders].filter(folder => !(folder in FLOORS)),
    [],
  )
})

test('an import leads to a file that is there', () => {
  const lost = relativeImports().filter(({ to }) => !imports.has(to))
  assert.deepEqual(lost, [])
})

test('a folder imports only from floors below it', () => {
  const upward = relativeImports().filter(
    ({ from, to }) => folderOf(from) !== folderOf(to) && !(floorOf(to) < floorOf(from)),
  )
  assert.deepEqual(upward, [])
})

test('a folder is entered only through its index.ts', () => {
  const around = relativeImports().filter(
    ({ from, to }) => folderOf(from) !== folderOf(to) && to !== `src/${folderOf(to)}/index.ts`,
  )
  assert.deepEqual(around, [])
})

test('a folder does not import through its own index.ts', () => {
  const own = relativeImports().filter(
    ({ from, to }) => to === `src/${folderOf(from)}/index.ts` && !isTest(from),
  )
  assert.deepEqual(own, [])
})

test('an index.ts only exports what other files hold', () => {
  const faces = sources.filter(path => path.endsWith('/index.ts'))
  const others = faces.flatMap(path => {
    const rest = withoutComments(read(path)).replace(/export\s[^'"=(]*\sfrom\s'[^']+'/g, '')
    return rest.trim() === '' ? [] : [`${path}: ${rest.trim()}`]
  })
  assert.deepEqual(others, [])
})

test('no file imports itself by way of others', () => {
  const finished = new Set<string>()
  const circles: string[] = []
  const visit = (path: string, trail: string[]): void => {
    if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(' > '))
    if (trail.includes(path) || finished.has(path)) return
    for (const specifier of imports.get(path) ?? []) {
      if (specifier.startsWith('.')) visit(target(path, specifier), [...trail, path])
    }
    finished.add(path)
  }
  for (const path of sources) visit(path, [])
  assert.deepEqual(circles, [])
})

test('what a user installs imports nothing that it does not declare', () => {
  const declared = { ...manifest.dependencies, ...manifest.peerDependencies }
  const builtin = new Set(builtinModules.map(name => `node:${name}`))
  const foreign = [...imports]
    .filter(([path]) => !isTest(path))
    .flatMap(([path, specifiers]) =>
      specifiers
        .filter(name => !name.startsWith('.') && !builtin.has(name))
        .filter(name => !Object.keys(declared).some(known => name === known || name.startsWith(`${known}/`)))
        .map(name => `${path}: ${name}`),
    )
  assert.deepEqual(foreign, [])
})

test('every subpath export is the face of a folder', () => {
  const faces = Object.keys(manifest.exports).filter(name => name !== './package.json')
  const faceless = faces.filter(name => !imports.has(join('src', name, 'index.ts')))
  assert.deepEqual(faceless, [])
})
