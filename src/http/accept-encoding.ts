/** Content codings that a file can be stored in, the best first where a client likes several alike. */
export const ENCODINGS = ['br', 'zstd', 'gzip'] as const

/** A content coding. */
export type Encoding = (typeof ENCODINGS)[number]

const ITEM = /^([!#$%&'*+\-.^_`|~\w]+)(?:\s*;\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/i

/**
 * Chooses a coding by `Accept-Encoding`.
 *
 * @param field its value, undefined where it is absent: then only the plain file will do
 * @param available codings that there are, besides none
 * @returns the coding; `identity` for the plain file, also where the client refuses all: better than a 406
 * @see RFC 9110, section 12.5.3
 */
export function chooseEncoding(
  field: string | undefined,
  available: readonly Encoding[],
): Encoding | 'identity' {
  if (field === undefined || available.length === 0) return 'identity'
  const weights = new Map<string, number>()
  for (const item of field.split(',')) {
    const match = ITEM.exec(item.trim())
    if (match === null) continue
    const name = match[1].toLowerCase()
    weights.set(name === 'x-gzip' ? 'gzip' : name, match[2] === undefined ? 1 : Number(match[2]))
  }
  const others = weights.get('*')
  let best: Encoding | 'identity' = 'identity'
  // Not named, the plain file is acceptable but never preferred to a coding that was asked for.
  let bestWeight = weights.get('identity') ?? others ?? 0
  for (const encoding of ENCODINGS) {
    if (!available.includes(encoding)) continue
    const weight = weights.get(encoding) ?? others ?? 0
    if (weight > 0 && (weight > bestWeight || (weight === bestWeight && best === 'identity'))) {
      best = encoding
      bestWeight = weight
    }
  }
  return best
}
