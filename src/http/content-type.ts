import { lookup } from 'mrmime'

const TEXT =
  /^(?:text\/|application\/(?:javascript|json|xml|xhtml\+xml|manifest\+json|ld\+json|rss\+xml|atom\+xml)|image\/svg\+xml)/

/** What is no text, or not said to be, and gets smaller all the same. @see RFC 6839, for the suffixes */
const SMALLER =
  /^(?:font\/(?:ttf|otf)|application\/(?:wasm|toml|rtf|vnd\.ms-fontobject)|image\/bmp|[^;]+\+(?:json|xml)\s*(?:;|$))/

/** The media type of a file by its name, with its charset where it is text. */
export function contentType(name: string): string {
  return withCharset(lookup(name) ?? 'application/octet-stream')
}

/** A media type with the charset that text is in, unless it names one. */
export function withCharset(type: string): string {
  return TEXT.test(type) && !type.includes(';') ? `${type}; charset=utf-8` : type
}

/** Whether a file of this type gets smaller by compression. */
export function isCompressible(type: string): boolean {
  return TEXT.test(type) || SMALLER.test(type)
}
