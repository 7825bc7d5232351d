import { basename } from 'node:path'

/** What RFC 8187 lets stand in an extended value as it is. */
const PLAIN = /[^\w!#$&+.^`|~-]/g

/**
 * A `Content-Disposition` that has a file saved under its own name: for old clients in ASCII, for others in UTF-8.
 *
 * @param path of the file
 * @see RFC 6266, section 4; RFC 8187, section 3.2
 */
export function attachment(path: string): string {
  const name = basename(path)
  // Old clients take a percent sign for the beginning of an escape.
  const ascii = name.replace(/[^ -~]|["\\%]/gu, '_')
  const plain = `attachment; filename="${ascii}"`
  if (ascii === name) return plain
  const bytes = encodeURIComponent(name).replace(/%[0-9A-F]{2}|./g, found =>
    found.length === 3 ? found : found.replace(PLAIN, character => `%${hex(character)}`),
  )
  return `${plain}; filename*=UTF-8''${bytes}`
}

const hex = (character: string) => character.charCodeAt(0).toString(16).toUpperCase()
