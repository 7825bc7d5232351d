import { randomBytes } from 'node:crypto'
import type { Answer, Part } from './answer.js'
import type { Fields } from './fields.js'
import type { ByteRange } from './ranges.js'
import type { StaticFile } from './static-file.js'

const encoder = new TextEncoder()

/** Several ranges of a file in one answer, which retains it. @see RFC 9110, section 14.6 */
export function multipart(
  fields: Fields,
  type: string,
  file: StaticFile,
  ranges: readonly ByteRange[],
): Answer {
  const boundary = randomBytes(12).toString('hex')
  const parts: Part[] = ranges.map(range => ({
    head: encoder.encode(
      `\r\n--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: bytes ${range.start}-${range.end}/${file.size}\r\n\r\n`,
    ),
    range,
  }))
  const closing = encoder.encode(`\r\n--${boundary}--\r\n`)
  const length = parts.reduce(
    (sum, part) => sum + part.head.length + part.range.end - part.range.start + 1,
    closing.length,
  )
  const others = fields.filter(([name]) => name !== 'Content-Type')
  return {
    status: 206,
    fields: [
      ['Content-Type', `multipart/byteranges; boundary=${boundary}`],
      ...others,
      ['Content-Length', String(length)],
    ],
    body: { kind: 'parts', file: file.retain(), parts, closing },
  }
}

/** The same ranges as parts of another type; an answer without parts stays as it is. */
export function withPartType(answer: Answer, type: string): Answer {
  const { body } = answer
  if (body.kind !== 'parts') return answer
  const fields = answer.fields.filter(([name]) => name !== 'Content-Length')
  const ranges = body.parts.map(({ range }) => range)
  const typed = multipart(fields, type, body.file, ranges)
  // Both answers retain the file, and only one of them is released.
  body.file.release()
  return { ...answer, ...typed }
}
