/** Strings, and what nests and parts: all that is needed to know where in a JSON text one is. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g

/** An offset in a text as editors count: `line:column`, both from 1. */
export function placeAt(text: string, offset: number): string {
  const lines = text.slice(0, offset).split('\n')
  return `${lines.length}:${(lines.at(-1) as string).length + 1}`
}

/**
 * Where a member of a JSON text stands.
 *
 * @param text which `JSON.parse()` takes
 * @param path its key, behind those of the objects that hold it
 * @returns the offset of the last key of that path, which is the one that counts; -1 where there is none
 */
export function keyOffset(text: string, path: readonly string[]): number {
  /** The key under way at each depth; undefined within an array. */
  const keys: (string | undefined)[] = []
  let found = -1
  let pending: { key: string; offset: number } | undefined
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') keys.push(undefined)
    else if (token === '}' || token === ']') keys.pop()
    else if (token === ':' && pending !== undefined) {
      keys[keys.length - 1] = pending.key
      if (keys.length === path.length && keys.every((key, depth) => key === path[depth]))
        found = pending.offset
    }
    pending = token.startsWith('"') ? { key: JSON.parse(token) as string, offset: index } : undefined
  }
  return found
}
