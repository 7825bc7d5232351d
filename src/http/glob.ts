const SPECIAL = /[.+^${}()|[\]\\]/g

/**
 * Compiles a pattern over slash-separated paths: `*` and `?` stay within a segment, `**` crosses them. A pattern
 * without a slash is matched against the last segment, as in a .gitignore.
 */
export function compileGlob(pattern: string): (path: string) => boolean {
  const anchored = pattern.includes('/')
  const body = pattern
    .replace(/^\//, '')
    .replace(SPECIAL, '\\$&')
    .replace(/\*\*\/|\*\*|\*|\?/g, found => {
      if (found === '**/') return '(?:.*/)?'
      if (found === '**') return '.*'
      return found === '*' ? '[^/]*' : '[^/]'
    })
  const expression = new RegExp(anchored ? `^${body}$` : `(?:^|/)${body}$`)
  return path => expression.test(path.replace(/^\//, ''))
}
