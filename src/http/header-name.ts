/** Header fields that a file server looks at; what is not among them is `OTHER`. */
export const HEADER = {
  OTHER: 0,
  HOST: 1,
  CONNECTION: 2,
  CONTENT_LENGTH: 3,
  TRANSFER_ENCODING: 4,
  EXPECT: 5,
  RANGE: 6,
  IF_RANGE: 7,
  IF_MATCH: 8,
  IF_NONE_MATCH: 9,
  IF_MODIFIED_SINCE: 10,
  IF_UNMODIFIED_SINCE: 11,
  ACCEPT_ENCODING: 12,
  ACCEPT: 13,
  ORIGIN: 14,
  REFERER: 15,
  USER_AGENT: 16,
  UPGRADE: 17,
  ACCESS_CONTROL_REQUEST_METHOD: 18,
  ACCESS_CONTROL_REQUEST_HEADERS: 19,
} as const

/** A value of {@link HEADER}. */
export type HeaderId = (typeof HEADER)[keyof typeof HEADER]

/** How many there are. */
export const HEADER_COUNT = Object.keys(HEADER).length

interface Name {
  id: HeaderId
  bytes: Uint8Array
}

/** By length: most are told apart by it alone. */
const byLength: Name[][] = []
for (const [key, id] of Object.entries(HEADER)) {
  if (id === HEADER.OTHER) continue
  const bytes = new TextEncoder().encode(key.toLowerCase().replaceAll('_', '-'))
  byLength[bytes.length] ??= []
  byLength[bytes.length].push({ id, bytes })
}

/**
 * Which header a name is, without making a string of it. Case does not count.
 *
 * @param bytes must hold only token characters between `start` and `end`
 */
export function headerId(bytes: Uint8Array, start: number, end: number): HeaderId {
  const candidates = byLength[end - start]
  if (candidates === undefined) return HEADER.OTHER
  for (const name of candidates) {
    let index = 0
    // Setting bit 5 lowers a letter and leaves '-' as it is.
    while (start + index < end && (bytes[start + index] | 0x20) === name.bytes[index]) index++
    if (start + index === end) return name.id
  }
  return HEADER.OTHER
}
