import { STATUS_CODES } from 'node:http'
import type { Fields } from './fields.js'
import type { ByteRange } from './ranges.js'
import type { StoredResource } from './resource.js'
import type { StaticFile } from './static-file.js'

/** What is sent after the head: nothing, bytes, or pieces of a file. */
export type Body =
  | { kind: 'none' }
  | { kind: 'bytes'; bytes: Uint8Array }
  | { kind: 'file'; file: StaticFile; start: number; length: number }
  | { kind: 'parts'; file: StaticFile; parts: readonly Part[]; closing: Uint8Array }

/** One part of a `multipart/byteranges` body. */
export interface Part {
  head: Uint8Array
  range: ByteRange
}

/** A response, but for what its connection adds: `Date`, `Connection`. Its file must be released when it is through. */
export interface Answer {
  status: number
  fields: Fields
  body: Body
  /** Of the file that was found, below the root; also where none of it is sent: 304, 412, 416. */
  path?: string
  /** That file, for what it was when it was opened; its descriptor is the answer's only as part of the body. */
  found?: StaticFile
  /** Set where this is what a representation as it is stored gives without a range, so that it can be kept at hand. */
  stored?: StoredResource
  /** Of the server's own state: for no script of another origin, whatever the files are for. */
  isLocal?: true
}

const encoder = new TextEncoder()

/** A short answer in words. */
export function plainAnswer(status: number, fields: Fields = [], text = STATUS_CODES[status] ?? ''): Answer {
  const bytes = encoder.encode(`${text}\n`)
  return {
    status,
    fields: [
      ['Content-Type', 'text/plain; charset=utf-8'],
      ['Content-Length', String(bytes.length)],
      ['X-Content-Type-Options', 'nosniff'],
      ...fields,
    ],
    body: { kind: 'bytes', bytes },
  }
}

/** An answer without a body. */
export function bareAnswer(status: number, fields: Fields): Answer {
  return { status, fields, body: { kind: 'none' } }
}

/** An answer that says that it has no body: as right for a HEAD as for anything else. */
export function emptyAnswer(status: number): Answer {
  return bareAnswer(status, [['Content-Length', '0']])
}

/** What nobody has foreseen: the client is told so much, and whoever runs the server what it was. */
export function failure(error: Error): Answer {
  process.emitWarning(error)
  return plainAnswer(500)
}

/** The file that an answer holds open, if it does. */
export function fileOf(answer: Answer): StaticFile | undefined {
  return 'file' in answer.body ? answer.body.file : undefined
}
