import assert from 'node:assert/strict'
import test from 'node:test'
import { filesBelow, isTest, read } from './house.js'

const DECLARED =
  /^(?:export (?:default )?)?(?:declare )?(?:abstract )?(?:async )?(?:function\*?|class|const|let|interface|type) (\w+)/
const LOCAL_LIST = /^export (?:type )?\{([^}]+)\}(?! from)/gm

/** Names of a file's exports that no JSDoc comment stands before. An overload's first signature speaks for all. */
function undocumented(path: string): string[] {
  const source = read(path)
  const lines = source.split('\n')
  const documented = new Set<string>()
  const exported = new Set<string>()
  for (const [, list] of source.matchAll(LOCAL_LIST)) {
    for (const name of list.split(','))
      exported.add(
        name
          .trim()
          .replace(/^type /, '')
          .split(' ')[0],
      )
  }
  for (const [index, line] of lines.entries()) {
    const name = DECLARED.exec(line)?.[1]
    if (name === undefined) continue
    if (line.startsWith('export ')) exported.add(name)
    if (endsJsDoc(lines, index - 1)) documented.add(name)
  }
  return [...exported].filter(name => name !== '' && !documented.has(name)).map(name => `${path}: ${name}`)
}

function endsJsDoc(lines: string[], end: number): boolean {
  if (!lines[end]?.trimEnd().endsWith('*/')) return false
  let start = end
  while (start > 0 && !lines[start].trimStart().startsWith('/*')) start--
  return lines[start].trimStart().startsWith('/**')
}

test('every export says what it is', () => {
  const paths = [...filesBelow('src', /\.ts$/), ...filesBelow('scripts', /\.(js|d\.ts)$/)]
  assert.deepEqual(paths.filter(path => !isTest(path)).flatMap(undocumented), [])
})
