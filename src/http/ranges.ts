/** Bytes of a representation, both ends included. */
export interface ByteRange {
  start: number
  end: number
}

/** Ranges in one request; more are a sign of an attack and the whole is sent (RFC 9110, 17.15). */
const MAX_RANGES = 32
/** A gap smaller than the part header that separates two ranges is cheaper to send (RFC 9110, 15.3.7.2). */
const COALESCE_GAP = 80

/**
 * Reads a `Range` field.
 *
 * @param size bytes of the representation
 * @returns the ranges in the order of asking, coalesced where they overlap or nearly touch; `undefined` where the
 *   field is to be ignored (another unit, malformed, too many); an empty list where none can be satisfied: 416
 * @see RFC 9110, section 14
 */
export function parseRanges(field: string, size: number): ByteRange[] | undefined {
  const match = /^bytes=(.*)$/i.exec(field)
  if (match === null) return undefined
  const specs = match[1].split(',').map(spec => spec.trim())
  if (specs.length > MAX_RANGES) return undefined
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    if (spec === '') continue
    const range = parseRange(spec, size)
    if (range === undefined) return undefined
    if (range.start <= range.end) ranges.push(range)
  }
  if (specs.every(spec => spec === '')) return undefined
  return coalesce(ranges)
}

/** @returns an empty range (start beyond end) for one that cannot be satisfied, undefined for a malformed one */
function parseRange(spec: string, size: number): ByteRange | undefined {
  const match = /^(\d*)-(\d*)$/.exec(spec)
  if (match === null || spec === '-') return undefined
  const [, first, last] = match
  // A suffix of nothing can be satisfied, but no Content-Range can say so: it is left out of account.
  if (first === '' && size === 0 && Number(last) > 0) return undefined
  if (first === '') return { start: Math.max(0, size - Number(last)), end: size - 1 }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return undefined
  return { start, end: last === '' ? size - 1 : Math.min(Number(last), size - 1) }
}

function coalesce(ranges: ByteRange[]): ByteRange[] {
  const merged: ByteRange[] = []
  for (const range of ranges) {
    const near = merged.find(
      other => range.start <= other.end + COALESCE_GAP && other.start <= range.end + COALESCE_GAP,
    )
    if (near === undefined) {
      merged.push({ ...range })
    } else {
      near.start = Math.min(near.start, range.start)
      near.end = Math.max(near.end, range.end)
    }
  }
  return merged.length < ranges.length ? coalesce(merged) : merged
}
