import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

/** What git never sees: the folders that .gitignore names. Read from there, so that no git is needed. */
const ignored = new Set(
  read('.gitignore')
    .split('\n')
    .filter(line => line.endsWith('/'))
    .map(line => line.slice(0, -1)),
)

/** The text of a file of the checkout, by its path from the root. */
export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The paths of the project's own files below a folder, from the root, sorted. */
export function filesBelow(folder: string, pattern: RegExp): string[] {
  const found: string[] = []
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name)
    // A folder in a clone, a file in a worktree.
    if (entry.name === '.git') continue
    if (entry.isDirectory()) {
      if (!ignored.has(entry.name) && !ignored.has(path)) {
        found.push(...filesBelow(path, pattern))
      }
    } else if (pattern.test(path)) {
      found.push(path)
    }
  }
  return found.sort()
}

/** Whether a file is a test, or help for one: not part of what a user installs. */
export function isTest(path: string): boolean {
  return /\.test(\.\w+)*\.ts$/.test(path) || path.startsWith('test/')
}

/**
 * Breaches of a rule, as a list that an assertion shows whole: `path:line: what`.
 *
 * @param find what is wrong with a line, or undefined
 */
export function breaches(
  paths: string[],
  find: (line: string, path: string) => string | undefined,
): string[] {
  return paths.flatMap(path =>
    read(path)
      .split('\n')
      .flatMap((line, index) => {
        const what = find(line, path)
        return what === undefined ? [] : [`${path}:${index + 1}: ${what}`]
      }),
  )
}
