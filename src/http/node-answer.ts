import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { sendFile as sendDescriptor, transfer } from '../transfer/index.js'
import type { Answer } from './answer.js'
import type { SiteRequest } from './site.js'

/** A request of one of Node's servers. */
export type NodeRequest = IncomingMessage | Http2ServerRequest

/** A response of one of Node's servers. */
export type NodeResponse = ServerResponse | Http2ServerResponse

function field(request: NodeRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}

/**
 * What a site needs to know of a request. Whatever its method, the handler has decided to answer with a file.
 *
 * @param target without the prefix at which the site is mounted
 * @param status that is set already: conditions and ranges count only where it is a success (RFC 9110, 13.2.1)
 */
export function siteRequest(request: NodeRequest, target: string, status: number): SiteRequest {
  const whole = status < 200 || status > 299
  const condition = (name: string) => (whole ? undefined : field(request, name))
  return {
    method: request.method === 'HEAD' ? 'HEAD' : 'GET',
    target,
    host: field(request, 'host') ?? field(request, ':authority'),
    acceptEncoding: field(request, 'accept-encoding'),
    accept: field(request, 'accept'),
    range: condition('range'),
    ifRange: condition('if-range'),
    ifMatch: condition('if-match'),
    ifNoneMatch: condition('if-none-match'),
    ifModifiedSince: condition('if-modified-since'),
    ifUnmodifiedSince: condition('if-unmodified-since'),
  }
}

/** What describes a body, of which a 304 has none. */
const CONTENT_FIELDS = [
  'Content-Encoding',
  'Content-Language',
  'Content-Length',
  'Content-Range',
  'Content-Type',
]

/**
 * Answers by one of Node's servers. Headers that are set already stay as they are, and so does a status in place of 200.
 *
 * @returns bytes of the body, once the response is handed over; rejects when the client has gone or the file got shorter
 */
export async function sendAnswer(
  request: NodeRequest,
  response: NodeResponse,
  answer: Answer,
): Promise<number> {
  if (answer.status !== 200) response.statusCode = answer.status
  if (answer.status === 304) for (const name of CONTENT_FIELDS) response.removeHeader(name)
  for (const [name, value] of answer.fields) if (!response.hasHeader(name)) response.setHeader(name, value)
  const { body } = answer
  if (request.method === 'HEAD' || body.kind === 'none') {
    response.end()
    return 0
  }
  if (body.kind === 'bytes') {
    response.end(body.bytes)
    return body.bytes.length
  }
  if (body.kind === 'parts') return sendParts(response, body)
  const { start, length } = body
  return (await sendDescriptor(response, body.file.fd, { offset: start, length })).bytes
}

/** Part by part; on plain HTTP/1.1 the kernel moves each one's bytes behind its head. */
async function sendParts(
  response: NodeResponse,
  body: Extract<Answer['body'], { kind: 'parts' }>,
): Promise<number> {
  const sink = 'stream' in response ? response.stream : response
  if ('stream' in response && !response.headersSent) response.writeHead(response.statusCode)
  let bytes = body.closing.length
  try {
    for (const { head, range } of body.parts) {
      // Not awaited: a pipelined response whose turn has not come would tell nothing of its connection's end. The transfer does.
      sink.write(head)
      const length = range.end - range.start + 1
      bytes += head.length + length
      await transfer(body.file.fd, sink, { offset: range.start, length })
    }
  } catch (error) {
    // The client was told of more bytes than will come, and must be able to tell: a stream by its error.
    sink.destroy('stream' in response ? (error as Error) : undefined)
    throw error
  }
  sink.write(body.closing)
  response.end()
  return bytes
}
