import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { sendFile as sendDescriptor } from '../transfer/index.js'
import { type Answer, fileOf } from './answer.js'
import type { SiteRequest } from './site.js'
import type { StaticFile } from './static-file.js'

/** A request of one of Node's servers. */
export type NodeRequest = IncomingMessage | Http2ServerRequest

/** A response of one of Node's servers. */
export type NodeResponse = ServerResponse | Http2ServerResponse

function field(request: NodeRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/** What a site needs to know of a request. @param target without the prefix at which the site is mounted */
export function siteRequest(request: NodeRequest, target: string): SiteRequest {
  return {
    method: request.method ?? 'GET',
    target,
    acceptEncoding: field(request, 'accept-encoding'),
    accept: field(request, 'accept'),
    range: field(request, 'range'),
    ifRange: field(request, 'if-range'),
    ifMatch: field(request, 'if-match'),
    ifNoneMatch: field(request, 'if-none-match'),
    ifModifiedSince: field(request, 'if-modified-since'),
    ifUnmodifiedSince: field(request, 'if-unmodified-since'),
  }
}

/**
 * Answers by one of Node's servers. Headers that are set already stay as they are.
 *
 * @returns once the response is handed over; rejects when the client has gone or the file got shorter
 */
export async function sendAnswer(
  request: NodeRequest,
  response: NodeResponse,
  answer: Answer,
): Promise<void> {
  try {
    response.statusCode = answer.status
    for (const [name, value] of answer.fields) if (!response.hasHeader(name)) response.setHeader(name, value)
    const { body } = answer
    if (request.method === 'HEAD' || body.kind === 'none') response.end()
    else if (body.kind === 'bytes') response.end(body.bytes)
    else if (body.kind === 'file') {
      await sendDescriptor(response, body.file.fd, { offset: body.start, length: body.length })
    } else {
      await sendParts(response, body)
    }
  } finally {
    fileOf(answer)?.release()
  }
}

/** Parts are small: what a client asks for piecemeal. They are read and written one behind the other. */
async function sendParts(
  response: NodeResponse,
  body: Extract<Answer['body'], { kind: 'parts' }>,
): Promise<void> {
  for (const { head, range } of body.parts) {
    await write(response, head)
    for (let at = range.start; at <= range.end; at += PIECE) {
      await write(response, await piece(body.file, at, Math.min(PIECE, range.end - at + 1)))
    }
  }
  response.end(body.closing)
}

const PIECE = 1 << 16

async function piece(file: StaticFile, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await file.read(offset, length)
  if (bytes.length === length) return bytes
  throw new Error(`A file of ${file.size} bytes ended at ${offset + bytes.length}`)
}

function write(response: NodeResponse, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    // Both kinds of response take a callback, though their types do not agree on its place.
    const written = (error?: Error | null) => (error ? reject(error) : resolve())
    ;(response as ServerResponse).write(bytes, written)
  })
}
