import { lookup } from 'mrmime'

const TEXT =
  /^(?:text\/|application\/(?:javascript|json|xml|xhtml\+xml|manifest\+json|ld\+json|rss\+xml|atom\+xml)|image\/svg\+xml)/

/** The media type of a file by its name, with its charset where it is text. */
export function contentType(name: string): string {
  const type = lookup(name) ?? 'application/octet-stream'
  return TEXT.test(type) ? `${type}; charset=utf-8` : type
}

/** Whether a file of this type gets smaller by compression. */
export function isCompressible(type: string): boolean {
  return TEXT.test(type) || /^(?:font\/(?:ttf|otf)|application\/(?:wasm|vnd\.ms-fontobject))/.test(type)
}
