import { parseHttpDate } from './http-date.js'

/** The request's conditions; undefined where a field is absent. */
export interface Conditions {
  ifMatch: string | undefined
  ifNoneMatch: string | undefined
  ifModifiedSince: string | undefined
  ifUnmodifiedSince: string | undefined
}

/** What the selected representation is compared by. */
export interface Validators {
  /** With its quotes, and `W/` where it is weak; undefined where there is none. */
  etag: string | undefined
  /** Seconds since 1970; undefined where it is not told. */
  lastModified: number | undefined
}

const TAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"/

/** The entity tags of a list; undefined where it is malformed. */
function parseTags(field: string): string[] | undefined {
  const tags: string[] = []
  let rest = field.trim()
  while (rest !== '') {
    // RFC 9110, 5.6.1.2: elements of a list may be empty.
    if (rest.startsWith(',')) {
      rest = rest.slice(1).trimStart()
      continue
    }
    const tag = TAG.exec(rest)?.[0]
    if (tag === undefined) return undefined
    tags.push(tag)
    rest = rest.slice(tag.length).trimStart()
    if (rest === '') break
    if (!rest.startsWith(',')) return undefined
    rest = rest.slice(1).trimStart()
  }
  return tags
}

const strip = (tag: string) => (tag.startsWith('W/') ? tag.slice(2) : tag)

/** Strong comparison: neither may be weak. */
function strongMatch(a: string, b: string): boolean {
  return a === b && !a.startsWith('W/')
}

function listMatches(
  field: string,
  etag: string | undefined,
  matches: (a: string, b: string) => boolean,
): boolean {
  if (field.trim() === '*') return true
  if (etag === undefined) return false
  return parseTags(field)?.some(tag => matches(tag, etag)) ?? false
}

/**
 * Evaluates a request's conditions, in the order that RFC 9110, section 13.2.2, prescribes.
 *
 * @param safe the method is GET or HEAD
 * @returns 0 to go on, 304 or 412
 */
export function evaluateConditions(
  conditions: Conditions,
  validators: Validators,
  safe: boolean,
): 0 | 304 | 412 {
  const { ifMatch, ifNoneMatch, ifModifiedSince, ifUnmodifiedSince } = conditions
  const { etag, lastModified } = validators
  if (ifMatch !== undefined) {
    if (!listMatches(ifMatch, etag, strongMatch)) return 412
  } else if (ifUnmodifiedSince !== undefined) {
    const since = parseHttpDate(ifUnmodifiedSince)
    if (since !== undefined && lastModified !== undefined && lastModified > since) return 412
  }
  if (ifNoneMatch !== undefined) {
    const found = listMatches(ifNoneMatch, etag, (a, b) => strip(a) === strip(b))
    if (found) return safe ? 304 : 412
  } else if (ifModifiedSince !== undefined && safe) {
    const since = parseHttpDate(ifModifiedSince)
    if (since !== undefined && lastModified !== undefined && lastModified <= since) return 304
  }
  return 0
}

/**
 * Whether a `Range` is to be honoured under an `If-Range`: the representation is still the same one, strongly.
 *
 * @param now seconds since 1970: a date is a strong validator only where it lies well in the past
 * @see RFC 9110, sections 13.1.5 and 8.8.2.2
 */
export function ifRangeHolds(ifRange: string, validators: Validators, now: number): boolean {
  const field = ifRange.trim()
  if (field.startsWith('"')) return validators.etag !== undefined && strongMatch(field, validators.etag)
  const date = parseHttpDate(field)
  return date !== undefined && date === validators.lastModified && now - date >= 1
}
