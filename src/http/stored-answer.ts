import { type Answer, bareAnswer } from './answer.js'
import { multipart } from './multipart.js'
import type { ByteRange } from './ranges.js'
import type { Resource, StoredResource } from './resource.js'

/** An answer with all of a representation, retained. */
export function wholeAnswer(stored: StoredResource): Answer {
  const { file, resource, encoding } = stored
  const fields = resource.fields(file, encoding)
  fields.push(['Content-Length', String(file.size)])
  const body = { kind: 'file', file: file.retain(), start: 0, length: file.size } as const
  return { status: 200, fields, body, path: resource.path, found: file, stored }
}

/** An answer with a page that says that there is nothing, retained. */
export function notFoundAnswer(resource: Resource): Answer {
  const { plain, path } = resource
  const fields = resource.errorFields()
  fields.push(['Content-Length', String(plain.size)])
  const body = { kind: 'file', file: plain.retain(), start: 0, length: plain.size } as const
  return { status: 404, fields, body, path, found: plain }
}

/** An answer to whoever has it already. */
export function unchangedAnswer(stored: StoredResource): Answer {
  const { file, resource } = stored
  const { fields, body } = bareAnswer(304, resource.cacheFields(file))
  return { status: 304, fields, body, path: resource.path, found: file, stored }
}

/** An answer with pieces of it, retained. */
export function partialAnswer(stored: StoredResource, ranges: readonly ByteRange[]): Answer {
  const { file, resource, encoding } = stored
  const found = { path: resource.path, found: file }
  const fields = resource.fields(file, encoding)
  if (ranges.length !== 1) return { ...multipart(fields, resource.contentType, file, ranges), ...found }
  const [{ start, end }] = ranges
  const length = end - start + 1
  fields.push(['Content-Range', `bytes ${start}-${end}/${file.size}`], ['Content-Length', String(length)])
  return { status: 206, fields, body: { kind: 'file', file: file.retain(), start, length }, ...found }
}
